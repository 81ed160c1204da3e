"""A decision as the comparison that it stands on, where that was not given: its record holds all but most rankings."""

from __future__ import annotations

from crossfade.report.record import Difference, Query, Record
from crossfade.report.records.decision import Decision


def pair_of(decision: Decision) -> Record:
    """Its queries are the greatest losses alone. Differences have no two-sided p: the decision's own are drawn."""
    return Record(
        verdict=decision.verdict,
        reasons=decision.reasons,
        primary=decision.primary,
        base=decision.base,
        candidate=decision.candidate,
        differences=[
            Difference(
                measure=each.measure,
                base=each.base,
                candidate=each.candidate,
                delta=each.delta,
                low=each.low,
                high=each.high,
                p=None,
                p_holm=None,
                wins=each.wins,
                losses=each.losses,
                ties=each.ties,
                minimum_detectable=each.minimum_detectable,
            )
            for each in decision.of("measure")
        ],
        queries=_queries(decision),
        settings={},
        alpha=decision.alpha,
        protocol_sha256=decision.protocol_sha256,
    )


def _queries(decision: Decision) -> list[Query]:
    return list({loss.query.id: loss.query for loss in decision.losses}.values())
