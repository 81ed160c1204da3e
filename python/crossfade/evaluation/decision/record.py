"""The decision's record: all that it stands on and what follows, in one file that can be checked and signed.

Format: docs/schemas/decision-1.json (JSON Schema). `content_sha256` is the SHA-256 of the canonical form (RFC 8785) of
the record without `content_sha256` and `signature`. Fields are added with defaults; none is renamed, removed or given
another meaning within a schema version.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from crossfade.errors import DataError, InvalidInput
from crossfade.evaluation.decision.canonical import canonical_bytes
from crossfade.evaluation.decision.evidence import Evidence
from crossfade.evaluation.decision.protocol import Protocol
from crossfade.evaluation.decision.rule import Outcome, conclude
from crossfade.evaluation.evaluate import package_versions
from crossfade.evaluation.record import decode, encode
from crossfade.evaluation.results import QueryComparison
from crossfade.files import write_atomically
from crossfade.models.cores import usable_cores

FORMAT = "crossfade-decision"
SCHEMA = 1
_APART = ("content_sha256", "signature")


@dataclass(frozen=True, slots=True)
class Environment:
    """Where it was decided."""

    python: str
    machine: str
    system: str
    cpus: int
    versions: dict[str, str]


@dataclass(frozen=True, slots=True)
class Regression:
    """A query that lost, with both rankings. `slices`: those it is in."""

    slices: list[str]
    query: QueryComparison


@dataclass(frozen=True, slots=True)
class Signature:
    """Of `signing.signed_bytes` by Ed25519 (RFC 8032). `public_key` (32 bytes) and `value` (64 bytes) in base64."""

    algorithm: Literal["Ed25519"]
    public_key: str
    value: str


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """`regressions`: the greatest losses of the primary measure, and of every slice that fell. `rank_overlap` and
    `churn`: what users will see change, where that was measured; they do not decide.
    """

    format: Literal["crossfade-decision"]
    schema: int
    protocol: Protocol
    protocol_sha256: str
    evidence: Evidence
    outcome: Outcome
    environment: Environment
    regressions: list[Regression] = field(default_factory=list)
    rank_overlap: dict[str, Any] | None = None
    churn: dict[str, Any] | None = None
    content_sha256: str = ""
    signature: Signature | None = None

    def to_json(self) -> dict[str, Any]:
        """As it is written, `content_sha256` computed."""
        encoded: dict[str, Any] = encode(self)
        encoded["content_sha256"] = content_sha256(encoded)
        if self.signature is None:
            del encoded["signature"]
        return encoded

    @classmethod
    def from_json(cls, data: Any) -> DecisionRecord:
        """Raises InvalidInput when it is no record of this schema, naming the field that is missing or wrong."""
        check_format(data)
        return decode(cls, data)


def make_record(
    protocol: Protocol,
    evidence: Evidence,
    *,
    outcome: Outcome | None = None,
    regressions: list[Regression] | None = None,
    rank_overlap: dict[str, Any] | None = None,
    churn: dict[str, Any] | None = None,
) -> DecisionRecord:
    """Conclude, unless that was done, and put everything together. Raises InvalidInput as `conclude` does."""
    record = DecisionRecord(
        format="crossfade-decision",
        schema=SCHEMA,
        protocol=protocol,
        protocol_sha256=protocol.sha256(),
        evidence=evidence,
        outcome=outcome or conclude(protocol, evidence),
        environment=Environment(
            platform.python_version(), platform.machine(), platform.system(), usable_cores(), package_versions()
        ),
        regressions=regressions or [],
        rank_overlap=rank_overlap,
        churn=churn,
    )
    return replace(record, content_sha256=record.to_json()["content_sha256"])


def content_bytes(data: Mapping[str, Any]) -> bytes:
    """The canonical form of a record as JSON, without its hash and signature. Raises InvalidInput."""
    return canonical_bytes({key: value for key, value in data.items() if key not in _APART})


def content_sha256(data: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of `content_bytes`."""
    return hashlib.sha256(content_bytes(data)).hexdigest()


def check_format(data: Any) -> None:
    """Raises InvalidInput when it is no decision's record, or of a newer schema than this reader's."""
    if not isinstance(data, Mapping) or data.get("format") != FORMAT:
        raise InvalidInput(f'no record of a decision: expected an object whose format is "{FORMAT}"')
    version = data.get("schema")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise InvalidInput(f"schema: {version!r} is no version; expected {SCHEMA}")
    if version > SCHEMA:
        raise InvalidInput(
            f"schema: this record has version {version}, this crossfade reads {SCHEMA}: upgrade crossfade"
        )


def write_record(path: Path, data: Mapping[str, Any]) -> None:
    """Write a record as JSON: its canonical bytes and a line end. Raises InvalidInput when the place cannot be used."""
    content = canonical_bytes(data) + b"\n"
    with write_atomically(path) as stream:
        stream.write(content)


def read_json(path: Path) -> Any:
    """The JSON of a file.

    Raises DataError when it cannot be read, is no JSON, or has a key twice in one object, which readers take unlike.
    """
    try:
        return json.loads(path.read_bytes(), object_pairs_hook=_unique_keys, parse_constant=_no_number)
    except FileNotFoundError:
        raise DataError(path, "no such file") from None
    except OSError as error:
        raise DataError(path, f"cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise DataError(path, f"cannot be read as JSON: {error}") from None


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} is in one object twice")
    return found


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number in JSON")
