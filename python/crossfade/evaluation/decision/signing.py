"""Signatures of records: Ed25519 (RFC 8032), in the record or beside it. Needs the package `cryptography`.

A signature says that the holder of a key vouches for a record; a hash alone can be made again by whoever changes it.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossfade.errors import AlreadyExists, DataError, InvalidInput
from crossfade.evaluation.decision.checks import Check
from crossfade.evaluation.decision.record import Signature, content_bytes
from crossfade.evaluation.record import decode

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_DOMAIN = b"crossfade-decision signature 1\n"  # so that a signature of other bytes by the same key is none of a record


def signed_bytes(data: Mapping[str, Any]) -> bytes:
    """What is signed: a line that says what for, then the canonical form of the record without hash and signature."""
    return _DOMAIN + content_bytes(data)


def make_keys(path: Path) -> Path:
    """Write a new private key (PKCS #8, PEM, readable by its owner alone) to `path`, and its public key beside it to
    `path` + ".pub" (PEM), which is returned.

    Raises AlreadyExists when either is there, InvalidInput when it cannot be written or `cryptography` is missing.
    """
    _check_installed()
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ed25519

    public_path = path.with_name(f"{path.name}.pub")
    for place in (path, public_path):
        if place.exists():
            raise AlreadyExists(f"{place} is there: a key is never overwritten; choose another place")
    key = ed25519.Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    _create(path, private, 0o600)
    _create(public_path, public, 0o644)
    return public_path


def sign(data: Mapping[str, Any], key: Path) -> Signature:
    """Raises DataError when the file holds no Ed25519 private key, InvalidInput when `cryptography` is missing."""
    private = _private_key(key)
    public = private.public_key().public_bytes_raw()
    return Signature(
        "Ed25519", base64.b64encode(public).decode(), base64.b64encode(private.sign(signed_bytes(data))).decode()
    )


def check_signature(
    data: Mapping[str, Any], *, public_key: Path | None = None, detached: Mapping[str, Any] | None = None
) -> Check:
    """Whether the record's own signature, or a detached one, is of this content by this key.

    Without a key a signature is not looked at: whoever changes a record can sign it with a key of their own. Raises
    DataError when the file holds no Ed25519 public key, InvalidInput when `cryptography` is missing.
    """
    held = data.get("signature") if detached is None else detached
    if held is None:
        if public_key is None:
            return Check("signature", None, "the record is not signed")
        return Check("signature", False, "the record is not signed, and a public key was given")
    signature = decode(Signature, held, path="signature")
    if public_key is None:
        said = f"signed by key {signature.public_key}; give the public key (--public-key)"
        return Check("signature", None, said, ("--public-key",))
    key = _public_key(public_key)
    if base64.b64encode(key.public_bytes_raw()).decode() != signature.public_key:
        return Check("signature", False, f"it is by another key, {signature.public_key}")
    from cryptography.exceptions import InvalidSignature  # importable, as the key was read

    try:
        key.verify(base64.b64decode(signature.value, validate=True), signed_bytes(data))
    except (InvalidSignature, binascii.Error, ValueError):
        return Check("signature", False, "it is not of this content: the record was changed after it was signed")
    return Check("signature", True)


def _create(path: Path, content: bytes, mode: int) -> None:
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode)
    except OSError as error:
        raise InvalidInput(f"cannot write {path}: {error.strerror or error}") from None
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _private_key(path: Path) -> Ed25519PrivateKey:
    _check_installed()
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ed25519

    try:
        key = serialization.load_pem_private_key(_read(path), password=None)
    except (ValueError, TypeError) as error:
        raise DataError(path, f"no private key that can be used ({error}): expected PEM without a passphrase") from None
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise DataError(
            path, "a private key of another kind: expected Ed25519, as `crossfade decision keygen` makes it"
        )
    return key


def _public_key(path: Path) -> Ed25519PublicKey:
    _check_installed()
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ed25519

    try:
        key = serialization.load_pem_public_key(_read(path))
    except ValueError as error:
        raise DataError(
            path, f"no public key ({error}): expected PEM, as `crossfade decision keygen` makes it"
        ) from None
    if not isinstance(key, ed25519.Ed25519PublicKey):
        raise DataError(path, "a public key of another kind: expected Ed25519, as `crossfade decision keygen` makes it")
    return key


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise DataError(path, "no such file") from None
    except OSError as error:
        raise DataError(path, f"cannot be read: {error.strerror or error}") from None


def _check_installed() -> None:
    if find_spec("cryptography") is None:
        raise InvalidInput("signatures need the package cryptography: install crossfade[sign]")
