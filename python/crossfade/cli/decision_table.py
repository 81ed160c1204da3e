"""What a decision found, beside the measures: slices and guard sets, and the gates."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crossfade.evaluation.decision.findings import Finding
    from crossfade.evaluation.decision.rule import Outcome


def show_findings(outcome: Outcome) -> None:
    """Slices and guard sets as a table, then a line a gate."""
    from rich import box
    from rich.table import Table

    from crossfade.cli.output import print_paragraph, table_console
    from crossfade.evaluation.decision.causes import EXPECTED

    console = table_console()
    rows = [finding for finding in outcome.findings if finding.subject != "measure"]
    if rows:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
        table.add_column("slice or guard set", overflow="fold")
        for heading in ("measure", "queries", "base", "candidate", "change", "interval", "wins", "losses", "ties"):
            table.add_column(heading, justify="right", no_wrap=True)
        table.add_column("", no_wrap=True)
        for found in rows:
            table.add_row(
                found.label, found.measure, f"{found.n:,}", f"{found.base:.4f}", f"{found.candidate:.4f}",
                f"{found.delta:+.4f}", f"{found.low:+.4f} {found.high:+.4f}", f"{found.wins:,}", f"{found.losses:,}",
                f"{found.ties:,}", _mark(found),
            )  # fmt: skip
        console.print(table)
        for chosen in dict.fromkeys(found.chosen for found in rows if found.chosen):
            named = ", ".join(found.label for found in rows if found.chosen == chosen)
            print_paragraph(console, f"{named}: {EXPECTED[chosen]}")
    for gate in outcome.gates:
        state = "passed" if gate.passed else "waived" if gate.waived else "blocks"
        print_paragraph(console, f"gate {gate.name}: {state}. {gate.reason}")


def _mark(found: Finding) -> str:
    if found.harmed:
        return "falls"
    if found.non_inferior is not None:
        return "holds" if found.non_inferior else "not shown"
    if found.shown_only:
        return "shown only"
    return "" if found.p_harm is not None else "not tested"
