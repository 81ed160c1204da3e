"""Whether the protocol that counted is the one that was declared, but for what the command line made stricter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from crossfade.evaluation.decision.checks import Check, differences, named
from crossfade.evaluation.decision.protocol_file import read_protocol

_STRICTER_ABOVE = ("superiority_margin", "gates.least_queries", "gates.least_judged")
_STRICTER_BELOW = (
    "gates.latency_p99_ms",
    "gates.latency_p99_ratio",
    "gates.cost_per_million_queries",
    "gates.cost_per_million_documents",
    "gates.baseline_max_age_days",
)


def declared_as(data: Mapping[str, Any], path: Path) -> Check:
    """Hold a record's protocol against a protocol file. Every key must be as the file has it, or as it stands where the
    file is silent, with these exceptions, which can only keep a candidate back: slices and guard sets may be added,
    limits tightened. Where the file has no measures or prices any will do. Waivers are those of the file and no other.

    `detail` names what is beside the declaration also where the check holds. Raises DataError.
    """
    declared, held = read_protocol(path).to_json(), data["protocol"]
    unlike, beside = [], []
    for key, value in declared.items():
        stored = held.get(key)
        if key in ("guards", "slices", "waivers"):
            stored = stored or []
            unlike += [f"{key} lacks {each['name']} as declared" for each in value if each not in stored]
            added = [str(each.get("name")) for each in stored if each not in value]
            if added and key == "waivers":
                unlike.append(f"waived beyond the declaration: {', '.join(added)}")
            elif added:
                beside.append(f"{key} beside the declaration: {', '.join(added)}")
        elif key in ("measures", "prices") and not value:
            continue
        elif key == "gates":
            for name, limit in value.items():
                _sort(f"gates.{name}", (stored or {}).get(name), limit, unlike, beside)
        else:
            _sort(key, stored, value, unlike, beside)
    return Check("declared", not unlike, named(unlike or beside))


def _sort(key: str, stored: Any, declared: Any, unlike: list[str], beside: list[str]) -> None:
    if stored != declared and _stricter(key, stored, declared):
        beside.append(f"stricter than declared: {key} is {stored!r}, not {declared!r}")
    else:
        unlike += _unlike(key, stored, declared)


def _unlike(key: str, stored: Any, declared: Any) -> Iterator[str]:
    for difference in differences(stored, declared, f"protocol.{key}"):
        yield difference.removesuffix(" follows") + " was declared"


def _stricter(key: str, stored: Any, declared: Any) -> bool:
    if key == "gates.leakage":
        return bool(stored == "required")
    if stored is None or key not in (*_STRICTER_ABOVE, *_STRICTER_BELOW):
        return False
    return declared is None or bool(stored > declared if key in _STRICTER_ABOVE else stored < declared)
