"""Judgments of several judges as one split: merged by a rule, with a record of how each open question was decided."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from crossfade.errors import InvalidInput
from crossfade.evaluation.dataset import Qrels
from crossfade.evaluation.judgments.results import Disagreement, Judge
from crossfade.evaluation.judgments.rules import PlainRule, Rule, Ties, candidates
from crossfade.evaluation.judgments.types import Judgments, Pair


@dataclass(frozen=True, slots=True)
class MergeSettings:
    """How grades become one: see `rules.py`.

    `adjudicator`: whose grade stands, under the rule "adjudicated"; `otherwise`: the rule for pairs that they did not
    judge. `min_judges`: pairs that fewer judged are left out; where the adjudicator judged, one is enough.
    `include_models`: the models whose judgments count as a person's do. All others that are models are left out.
    """

    rule: Rule = "majority"
    ties: Ties = "lower"
    adjudicator: str | None = None
    otherwise: PlainRule = "majority"
    min_judges: int = 1
    include_models: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Merged:
    """`qrels` in the order in which pairs were first seen; the rest as in `results.MergeRecord`."""

    qrels: Qrels
    judges: list[Judge]
    disagreements: list[Disagreement]
    unanimous: int
    single: int
    undecided: int
    too_few: int

    @property
    def pairs(self) -> int:
        return sum(map(len, self.qrels.values()))

    @property
    def grades(self) -> dict[str, int]:
        """Grade to how often it was given, lowest first."""
        counts = Counter(grade for judged in self.qrels.values() for grade in judged.values())
        return {str(grade): counts[grade] for grade in sorted(counts)}


def merge(judgments: Judgments, settings: MergeSettings | None = None) -> Merged:
    """Merge the judgments of people, and of the models that the settings name.

    Raises InvalidInput for settings that do not go together, a named judge that is not there, a named model that is
    none, a tie under "refuse", and when nothing is left.
    """
    settings = settings or MergeSettings()
    used = _used(judgments, settings)
    grades = judgments.grades(used)
    notes = {(row.pair, row.judge): row.note for row in judgments.rows if row.note}
    qrels: Qrels = {}
    disagreements = []
    unanimous = single = undecided = too_few = 0
    for pair, given in grades.items():
        adjudicated = settings.rule == "adjudicated" and settings.adjudicator in given
        if len(given) < settings.min_judges and not adjudicated:
            too_few += 1
            continue
        merged, by = _decided(pair, given, settings)
        if len(given) == 1:
            single += 1
        elif len(set(given.values())) == 1:
            unanimous += 1
        else:
            said = {judge: notes[pair, judge] for judge in given if (pair, judge) in notes}
            disagreements.append(Disagreement(*pair, given, merged, by, said))
        if merged is None:
            undecided += 1
        else:
            qrels.setdefault(pair[0], {})[pair[1]] = merged
    if not qrels:
        raise InvalidInput(
            f"nothing is left to write: of {len(grades):,} judged pairs {too_few:,} have fewer than "
            f"{settings.min_judges} judges and {undecided:,} are tied"
        )
    counts = Counter(row.judge for row in judgments.rows)
    judges = [Judge(name, kind, counts[name], name in used) for name, kind in judgments.judges.items()]
    return Merged(qrels, judges, disagreements, unanimous, single, undecided, too_few)


def _used(judgments: Judgments, settings: MergeSettings) -> list[str]:
    """The judges that count, in the order first seen. Raises InvalidInput as `merge` does."""
    if settings.rule not in get_args(Rule):
        raise InvalidInput(f"merge rule {settings.rule!r} is not known: use {', '.join(get_args(Rule))}")
    if settings.otherwise not in get_args(PlainRule):
        raise InvalidInput(f"rule {settings.otherwise!r} is not known: use {', '.join(get_args(PlainRule))}")
    if settings.ties not in get_args(Ties):
        raise InvalidInput(f"ties {settings.ties!r} is not known: use {', '.join(get_args(Ties))}")
    if (settings.rule == "adjudicated") != (settings.adjudicator is not None):
        raise InvalidInput('an adjudicator and the rule "adjudicated" go together: give both, or neither')
    if settings.min_judges < 1:
        raise InvalidInput(f"at least {settings.min_judges} judges: expected 1 or more")
    judgments.check_judges(settings.include_models)
    for name in settings.include_models:
        if judgments.judges[name] != "model":
            raise InvalidInput(f"judge {name!r} is a person and counts anyway: include models only")
    used = [name for name, kind in judgments.judges.items() if kind == "human" or name in settings.include_models]
    if not used:
        models = ", ".join(map(repr, judgments.judges))
        raise InvalidInput(
            f"all judges are models ({models}): their judgments count where they are included by name "
            "(--include-model-judges NAME)"
        )
    if settings.adjudicator is not None:
        judgments.check_judges([settings.adjudicator])
        if settings.adjudicator not in used:
            raise InvalidInput(
                f"the adjudicator {settings.adjudicator!r} is a model: include it by name "
                f"(--include-model-judges {settings.adjudicator}), or name a person"
            )
    return used


def _decided(pair: Pair, given: dict[str, int], settings: MergeSettings) -> tuple[int | None, str]:
    """The grade, None for none, and what decided."""
    if settings.adjudicator is not None and settings.adjudicator in given:
        return given[settings.adjudicator], "adjudicated"
    # Where the rule is "adjudicated", the judge it names has said nothing here.
    rule: PlainRule = settings.otherwise if settings.rule == "adjudicated" else settings.rule
    low, high = candidates(list(given.values()), rule)
    if low == high:
        return low, rule
    if settings.ties == "refuse":
        said = ", ".join(f"{judge} {grade}" for judge, grade in given.items())
        raise InvalidInput(
            f"the judges are tied on document {pair[1]!r} for query {pair[0]!r} ({said}; rule {rule}): say which grade "
            "counts (--ties lower or higher), leave such pairs out (--ties drop), or have them adjudicated"
        )
    return {"lower": low, "higher": high, "drop": None}[settings.ties], "tie"
