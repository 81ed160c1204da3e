"""What is declared before any figure is seen: the primary measure, margins, slices, guard sets, gates, waivers.

A protocol is hashed into the decision's record, so that a margin that was moved afterwards shows.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from crossfade import measures as ir
from crossfade.errors import InvalidInput
from crossfade.evaluation.decision.canonical import MOST_WHOLE, canonical_bytes
from crossfade.evaluation.decision.causes import ALL, ANSWERED, KEYWORDS
from crossfade.evaluation.diagnosis.types import CAUSES
from crossfade.evaluation.record import LATER, decode, encode
from crossfade.evaluation.verdict import MIN_QUERIES, decides

Requirement = Literal["no_harm", "non_inferiority", "nothing"]
"""What a slice must satisfy: that it is not shown to fall, that it is shown not to, or nothing: it is shown, and no
test looks at it."""

_MOST_DRAWS = 10_000_000  # as many as intervals and tests take
_NAME = re.compile(r"[^\x00-\x1f:=]{1,80}")
_FINGERPRINT = re.compile(r"\S{1,200}")


@dataclass(frozen=True, slots=True)
class GuardSet:
    """Queries of another data set or split that must not degrade: the candidate is shown to be worse by less than
    `margin`, in the measure's own unit. `measure`: empty for the primary one.
    """

    name: str
    dataset: str
    margin: float
    split: str = "test"
    measure: str = ""


@dataclass(frozen=True, slots=True)
class SliceRule:
    """Which queries are looked at on their own, by exactly one of:

    - `least_words`, `most_words`: the number of white-space separated words, both ends included, 0: no end there;
    - `identifiers`: queries that carry an identifier (true) or none (false), see `evaluation.identifiers`;
    - `field`: a field of the query in queries.jsonl, "a.b" for one inside another; one slice a value, named
      "NAME=VALUE", or with `equals` the one;
    - `file`: tab-separated lines, query id and slice; one slice a value there, named "NAME=VALUE";
    - `cause`: what a diagnosis of the base says: one of its causes; "failed", whatever the cause; "answered", the
      queries that did not fail; or "all", one slice a cause and one of the answered, named "NAME=CAUSE".

    `margin`: by how much the slice may fall, in the measure's own unit. With `require` "no_harm" the slice must not be
    shown to fall by more than that; with "non_inferiority" it must be shown not to; with "nothing" it is shown only.
    `measure`: empty for the primary one.

    Slices by `cause` are chosen by what the base got wrong, so that an equal candidate gains on what failed and loses
    on what was answered, by the choice alone (regression to the mean). They require "nothing", but for "answered",
    where "non_inferiority" may be asked: what is shown there in spite of the choice is shown. docs/decision.md has it.
    """

    name: str
    least_words: int = 0
    most_words: int = 0
    identifiers: bool | None = None
    field: str = ""
    equals: str | None = None
    file: str = ""
    measure: str = ""
    margin: float = 0.0
    require: Requirement = "no_harm"
    cause: str = dataclasses.field(default="", metadata=LATER)


@dataclass(frozen=True, slots=True)
class Gates:
    """Limits that hold a verdict up. None: that gate is not set, but for those that have a default.

    `least_queries`: of the split. `least_slice_queries`: a smaller slice is reported and not tested.
    `least_guard_queries`: of a guard set, and of a slice that requires non-inferiority; fewer show nothing.
    `least_judged`: of Judged@`judged_at`, the mean over queries, for either side. `latency_p99_ms` and
    `latency_p99_ratio`: of the candidate's single queries, and over the base's. `cost_per_million_queries`,
    `cost_per_million_documents`: of the candidate, in the currency of the prices. `baseline_max_age_days`: since the
    base was measured. `leakage`: whether there must be a report of it; one that is given always counts.
    `leakage_limit`: the share of the evaluation queries, 0 to 1, that training data may touch.
    """

    least_queries: int = MIN_QUERIES
    least_slice_queries: int = 10
    least_guard_queries: int = MIN_QUERIES
    judged_at: int = 10
    least_judged: float | None = None
    latency_p99_ms: float | None = None
    latency_p99_ratio: float | None = None
    cost_per_million_queries: float | None = None
    cost_per_million_documents: float | None = None
    baseline_max_age_days: float | None = None
    leakage: Literal["required", "optional"] = "optional"
    leakage_limit: float = 0.0


@dataclass(frozen=True, slots=True)
class Expected:
    """Fingerprints and hashes that must be met; empty: any."""

    base: str = ""
    candidate: str = ""
    corpus: str = ""
    queries: str = ""
    qrels: str = ""


@dataclass(frozen=True, slots=True)
class Prices:
    """What an hour of one CPU core and of one GPU costs, in `currency`."""

    cpu_hour: float = 0.0
    gpu_hour: float = 0.0
    currency: str = "USD"


@dataclass(frozen=True, slots=True)
class Waiver:
    """A slice, guard set or gate that may fail, by name ("slice:short", "guard:general", "latency"), and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Protocol:
    """All that is declared. Raises InvalidInput, naming the key, for what cannot be meant.

    `measures`: all that are looked at for harm, the primary first; empty until `resolved` says them. `alpha`: the level
    of the whole decision, both verdicts together. `superiority_margin`: the true gain must lie above it. `diagnosis`:
    of the base, a file that `crossfade diagnose --json` wrote, for slices by cause.
    """

    primary: str = "nDCG@10"
    measures: list[str] = field(default_factory=list)
    alpha: float = 0.05
    superiority_margin: float = 0.0
    resamples: int = 10_000
    permutations: int = 10_000
    seed: int = 17
    guards: list[GuardSet] = field(default_factory=list)
    slices: list[SliceRule] = field(default_factory=list)
    gates: Gates = field(default_factory=Gates)
    expected: Expected = field(default_factory=Expected)
    prices: Prices | None = None
    waivers: list[Waiver] = field(default_factory=list)
    diagnosis: str = field(default="", metadata=LATER)

    def __post_init__(self) -> None:
        _check(self)
        given = [ir.canonical(name) for name in self.measures]
        primary = ir.canonical(self.primary)
        _name_measure(primary, "primary")
        object.__setattr__(self, "primary", primary)
        object.__setattr__(self, "measures", list(dict.fromkeys([primary, *given])) if given else [])

    def measure_of(self, rule: SliceRule | GuardSet) -> str:
        """By its canonical name."""
        return ir.canonical(rule.measure) if rule.measure else self.primary

    def needed_measures(self, declared: Iterable[str] = ()) -> list[str]:
        """Those to evaluate, the primary first: the protocol's own, or `declared` where it names none, and those of
        slices."""
        own = self.measures or [ir.canonical(name) for name in declared]
        return list(dict.fromkeys([self.primary, *own, *map(self.measure_of, self.slices)]))

    def tested_measures(self, measured: Iterable[str]) -> list[str]:
        """Of those that were measured, in which harm over all queries is looked for, the primary first, then as the
        protocol names them: not one that only slices by cause ask for, which weigh on no hypothesis."""
        declared = [self.primary, *self.measures, *(self.measure_of(rule) for rule in self.slices if not rule.cause)]
        shown = {self.measure_of(rule) for rule in self.slices if rule.cause} if self.measures else set()
        asked = [name for name in sorted(measured) if name in declared or name not in shown]
        # In an order of the protocol's own: a record's keys are sorted.
        return list(dict.fromkeys([self.primary, *self.measures, *asked]))

    def sha256(self) -> str:
        """Of its canonical form (RFC 8785), hex."""
        return hashlib.sha256(canonical_bytes(self.to_json())).hexdigest()

    def to_json(self) -> dict[str, Any]:
        encoded: dict[str, Any] = encode(self)
        return encoded

    @classmethod
    def from_json(cls, data: Any) -> Protocol:
        """Raises InvalidInput naming the field that is missing or wrong."""
        return decode(cls, data, path="protocol")


def _check(protocol: Protocol) -> None:
    _number("alpha", protocol.alpha, 0.0, 0.5, open_ends=True)
    _number("superiority_margin", protocol.superiority_margin, 0.0, math.inf)
    _whole("resamples", protocol.resamples, 1, _MOST_DRAWS)
    _whole("permutations", protocol.permutations, 1, _MOST_DRAWS)
    _whole("seed", protocol.seed, 0, MOST_WHOLE)
    gates = protocol.gates
    _whole("gates.least_queries", gates.least_queries, 1, MOST_WHOLE)
    _whole("gates.least_slice_queries", gates.least_slice_queries, 1, MOST_WHOLE)
    _whole("gates.least_guard_queries", gates.least_guard_queries, 1, MOST_WHOLE)
    _whole("gates.judged_at", gates.judged_at, 1, MOST_WHOLE)
    _number("gates.leakage_limit", gates.leakage_limit, 0.0, 1.0)
    if gates.least_judged is not None:
        _number("gates.least_judged", gates.least_judged, 0.0, 1.0)
    budgets = ("latency_p99_ms", "latency_p99_ratio", "cost_per_million_queries", "cost_per_million_documents")
    for name in (*budgets, "baseline_max_age_days"):
        limit = getattr(gates, name)
        if limit is not None:
            _number(f"gates.{name}", limit, 0.0, math.inf, open_ends=True)
    priced = gates.cost_per_million_queries is not None or gates.cost_per_million_documents is not None
    if priced and protocol.prices is None:
        raise InvalidInput("protocol: a cost budget needs prices: add [prices] with cpu_hour (or --price-cpu-hour)")
    if protocol.prices is not None:
        _number("prices.cpu_hour", protocol.prices.cpu_hour, 0.0, math.inf)
        _number("prices.gpu_hour", protocol.prices.gpu_hour, 0.0, math.inf)
    for name in ("base", "candidate", "corpus", "queries", "qrels"):
        value = getattr(protocol.expected, name)
        if value and not _FINGERPRINT.fullmatch(value):
            raise InvalidInput(f"protocol: expected.{name} is {value!r}; expected a fingerprint or a hash")
    _check_named("guards", [guard.name for guard in protocol.guards])
    for guard in protocol.guards:
        _number(f"margin of guard set {guard.name!r}", guard.margin, 0.0, math.inf, open_ends=True)
        _name_measure(protocol.measure_of(guard), f"measure of guard set {guard.name!r}")
        if not guard.dataset:
            raise InvalidInput(f"protocol: guard set {guard.name!r} names no dataset: give a BEIR directory")
    _check_named("slices", [rule.name for rule in protocol.slices])
    for rule in protocol.slices:
        _check_slice(protocol, rule)
    _check_waivers(protocol.waivers)


def _check_slice(protocol: Protocol, rule: SliceRule) -> None:
    where = f"slice {rule.name!r}"
    kinds = {
        "words": bool(rule.least_words or rule.most_words),
        "identifiers": rule.identifiers is not None,
        "field": bool(rule.field),
        "file": bool(rule.file),
        "cause": bool(rule.cause),
    }
    if sum(kinds.values()) != 1:
        given = ", ".join(name for name, there in kinds.items() if there) or "none"
        raise InvalidInput(f"protocol: {where} must say its queries by one of {', '.join(kinds)}; given: {given}")
    if rule.cause:
        _check_cause(where, rule)
    if rule.equals is not None and not rule.field:
        raise InvalidInput(f"protocol: {where} has equals and no field: name the field that it is a value of")
    _whole(f"words of {where}", rule.least_words, 0, MOST_WHOLE)
    _whole(f"words of {where}", rule.most_words, 0, MOST_WHOLE)
    if rule.most_words and rule.most_words < rule.least_words:
        raise InvalidInput(f"protocol: {where} is from {rule.least_words} to {rule.most_words} words: swap the two")
    _number(f"margin of {where}", rule.margin, 0.0, math.inf)
    if rule.require == "non_inferiority" and rule.margin == 0:
        raise InvalidInput(
            f"protocol: {where} requires non-inferiority within a margin of 0, which no equal candidate shows: "
            'give a margin, or require = "no_harm"'
        )
    _name_measure(protocol.measure_of(rule), f"measure of {where}")


def _check_cause(where: str, rule: SliceRule) -> None:
    known = (*KEYWORDS, *CAUSES)
    if rule.cause not in known:
        raise InvalidInput(f"protocol: {where} has cause {rule.cause!r}; expected one of {', '.join(known)}")
    if rule.require == "nothing" or (rule.cause == ANSWERED and rule.require == "non_inferiority"):
        return
    why = "its queries are chosen by what the base got wrong, so that an equal candidate would seem to gain or lose"
    also = ', or "non_inferiority" with a margin' if rule.cause == ANSWERED else ""
    if rule.cause == ALL and rule.require == "non_inferiority":
        also = f' (non-inferiority can be asked of cause = "{ANSWERED}", in a slice of its own)'
    raise InvalidInput(f'protocol: {where} requires {rule.require}, and {why}: say require = "nothing"{also}')


def _check_named(key: str, names: list[str]) -> None:
    for name in names:
        if not _NAME.fullmatch(name):
            raise InvalidInput(f"protocol: {key}: {name!r} is no name: use 1 to 80 characters without : and =")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InvalidInput(f"protocol: {key}: two are named {twice!r}: give each its own name")


def _check_waivers(waivers: list[Waiver]) -> None:
    names = [waiver.name for waiver in waivers]
    for waiver in waivers:
        if not waiver.name or not waiver.reason.strip():
            raise InvalidInput(
                f"protocol: the waiver of {waiver.name!r} gives no reason: a waiver is by name and says why"
            )
        if waiver.name == "match":
            raise InvalidInput(
                "protocol: match cannot be waived: figures of unlike data say nothing about a difference"
            )
        if names.count(waiver.name) > 1:
            raise InvalidInput(f"protocol: {waiver.name!r} is waived twice: give one reason")


def _name_measure(measure: str, what: str) -> None:
    if not decides(measure):
        raise InvalidInput(f"protocol: {what} is {measure}, which describes the judgments only: name another measure")


def _number(name: str, value: float, low: float, high: float, *, open_ends: bool = False) -> None:
    inside = low < value < high if open_ends else low <= value <= high
    if not math.isfinite(value) or not inside:
        expected = (
            f"between {low:g} and {high:g}"
            if math.isfinite(high)
            else f"{'above' if open_ends else 'at least'} {low:g}"
        )
        raise InvalidInput(f"protocol: {name} is {value}; expected a number {expected}")


def _whole(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise InvalidInput(f"protocol: {name} is {value}; expected a whole number from {low} to {high}")
