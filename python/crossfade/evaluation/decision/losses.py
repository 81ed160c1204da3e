"""Which queries a record must show: those that lost most."""

from __future__ import annotations

from collections.abc import Mapping

from crossfade.evaluation.decision.evidence import Evidence
from crossfade.evaluation.decision.rule import Outcome

_SHOWN, _OF_A_SLICE = 10, 3


def greatest_losses(
    values: Mapping[str, tuple[float, float]], evidence: Evidence, outcome: Outcome
) -> list[tuple[str, list[str]]]:
    """Queries and the slices they are in, the greatest loss first, then by id: ten of all, and three of every slice
    that is shown to fall. `values`: base and candidate of the primary measure by query.
    """
    deltas = {query: candidate - base for query, (base, candidate) in values.items()}
    lost = sorted((query for query, delta in deltas.items() if delta < 0), key=lambda query: (deltas[query], query))
    fallen = {finding.name for finding in outcome.findings if finding.subject == "slice" and finding.harmed}
    members = {each.name: set(each.queries) for each in evidence.slices}
    chosen = set(lost[:_SHOWN])
    for name in fallen:
        chosen.update([query for query in lost if query in members[name]][:_OF_A_SLICE])
    return [
        (query, [name for name, queries in members.items() if query in queries]) for query in lost if query in chosen
    ]
