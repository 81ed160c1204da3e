"""Writes a bundle directory so that it exists whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from crossfade.errors import AlreadyExists, BundleError, InvalidInput
from crossfade.files import remove_tree
from crossfade.models.bundle import Bundle
from crossfade.models.fingerprint import file_sha256
from crossfade.models.manifest import FILES, MANIFEST_FILE, Manifest, dump_manifest


def check_target(output: Path, *, overwrite: bool) -> None:
    """Refuse a target that must not be written; called before the long work, and again before the rename.

    Raises AlreadyExists when there is a bundle and `overwrite` is false, InvalidInput when what is there is not a
    bundle: that is never removed.
    """
    if not output.name or output.name in {".", ".."}:
        raise InvalidInput(f"{output} cannot be a bundle's directory: name a new directory")
    if not os.path.lexists(output):
        return
    if output.is_symlink() or not output.is_dir():
        raise InvalidInput(f"{output} exists and is not a directory: choose another output")
    if not any(output.iterdir()):
        return
    if not (output / MANIFEST_FILE).is_file():
        raise InvalidInput(f"{output} exists, is not empty and is not a model bundle: choose another output")
    if not overwrite:
        raise AlreadyExists(f"{output} is already a model bundle: choose another output, or overwrite it (--overwrite)")


@contextlib.contextmanager
def staged(output: Path, *, overwrite: bool) -> Iterator[Path]:
    """A new directory beside `output` that takes its place when the block ends well, and vanishes when it does not.

    An interrupt counts as not well. The block fills it and calls `seal` last.
    """
    check_target(output, overwrite=overwrite)
    parent = output.absolute().parent
    parent.mkdir(parents=True, exist_ok=True)
    # Not mkdtemp: that one makes it for the owner alone, and a bundle is as readable as any directory the user makes.
    staging = parent / f".{output.name}.{secrets.token_hex(8)}.partial"
    try:
        staging.mkdir()  # in here: an interrupt may come as soon as it exists
        yield staging
        check_target(output, overwrite=overwrite)
        _replace(staging, parent / output.name)
        _sync(parent)
    except OSError as error:
        if error.filename is not None:
            raise
        # A write that fails half way (disk full, quota, file size limit) does not say where.
        raise BundleError(
            f"{output} cannot be written: {error.strerror or error}; nothing was left there. Free some space, or "
            "choose another output"
        ) from None
    finally:
        remove_tree(staging)


def seal(staging: Path, manifest: Manifest) -> Bundle:
    """Record the hashes of the files in `staging`, write its bundle.toml, put all of it on the disk, and load it."""
    write_seal(staging, lambda files: dump_manifest(replace(manifest, files=files)))
    return Bundle.load(staging, verify=False)


def write_seal(staging: Path, dump: Callable[[Mapping[str, str]], bytes]) -> None:
    """Write the bundle.toml that `dump` makes of the files' hashes, and put all that is in `staging` on the disk."""
    files = {name: file_sha256(staging / name) for name in FILES if (staging / name).exists()}
    (staging / MANIFEST_FILE).write_bytes(dump(MappingProxyType(files)))
    for name in (*files, MANIFEST_FILE):
        _sync(staging / name)
    _sync(staging)


def moved(bundle: Bundle, output: Path) -> Bundle:
    """The bundle that was sealed in a staging directory, at the place that it now has."""
    return Bundle(output, bundle.manifest, bundle.document_fingerprint, bundle.query_fingerprint)


def _replace(staging: Path, output: Path) -> None:
    if not output.exists():
        staging.rename(output)
        return
    # An old bundle is moved aside first and brought back on failure.
    old = output.with_name(f".{output.name}.{secrets.token_hex(8)}.old")
    output.rename(old)
    try:
        staging.rename(output)
    except BaseException:
        old.rename(output)
        raise
    remove_tree(old)
    if old.exists():
        raise BundleError(f"{output} is written, but what was there before cannot be deleted: delete {old}")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        raise BundleError(f"{path} cannot be put on the disk: {error.strerror or error}") from None
    finally:
        os.close(descriptor)
