"""A diagnosis on the terminal, at most 100 columns wide."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table

from crossfade.cli.output import print_paragraph, table_console

if TYPE_CHECKING:
    from crossfade.evaluation.diagnosis.types import ArmFigures, Diagnosis, FailedQuery

_ACTIONS = {
    "fix_data": "fix the data first",
    "chunking": "cut documents into chunks first",
    "filters": "apply metadata filters first",
    "no_reranker": "leave the reranker out first",
    "dense": "search by vectors alone first",
    "lexical": "search by words alone first",
    "hybrid": "search words too (hybrid) first",
    "reranking": "rerank first",
    "base_model": "try another base model first",
    "fine_tune": "fine-tune",
    "nothing_is_wrong": "nothing is wrong",
}
_NAME = 20  # characters of an arm's
_TEXT = 60
_TERMS = 10
_CLUSTERS = 5
_WIDTH = 100


def show(found: Diagnosis) -> None:
    """Print it: the recommendation first, then what it rests on."""
    console = table_console()
    console.width = min(console.width, _WIDTH)
    from crossfade.evaluation.context import described

    how = "" if found.baseline.retrieval.plain else f", answered {described(found.baseline.retrieval)}"
    print_paragraph(
        console,
        f"{found.dataset}/{found.split}: {found.queries:,} queries, {found.documents:,} documents, base model "
        f"{found.baseline.model.name}{how}",
    )
    advice = found.recommendation
    print_paragraph(console, f"recommendation: {_ACTIONS[advice.action]}", style="bold")
    for reason in advice.reasons:
        print_paragraph(console, f"- {reason}")
    for note in found.notes:
        print_paragraph(console, f"note: {note}")
    console.print(_ladder(found))
    for left in found.left_out:
        print_paragraph(console, f"not measured: {left.name}: {left.reason}")
    _causes(console, found)
    _answers(console, found)
    console.print(_checklist(found))


def _ladder(found: Diagnosis) -> Table:
    caption = "p50, p99, CPU: milliseconds of a query; x base: p50 over the baseline's, timed in turns; MB: index"
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=0, caption=caption, caption_justify="left")
    table.add_column("arm", max_width=_NAME, overflow="fold")
    for heading in (found.primary, "change", "95% interval", "Holm p", "p50", "x base", "p99", "CPU", "MB"):
        table.add_column(f"  {heading}", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for arm in found.arms:
        table.add_row(*_row(arm, found.primary))
    return table


def _row(arm: ArmFigures, primary: str) -> list[str]:
    difference = arm.difference
    changed = ["", "", ""]
    if difference is not None:
        low, high = difference.ci95
        changed = [f"{difference.delta:+.3f}", f"{low:+.3f} {high:+.3f}", f"{difference.p_holm:.3f}"]
    beside = arm.baseline_latency_ms
    ratio = "" if beside is None or not beside.p50 else f"{arm.latency_ms.p50 / beside.p50:.1f}"
    times = [f"{arm.latency_ms.p50:.1f}", ratio, f"{arm.latency_ms.p99:.1f}", f"{arm.cost.query_cpu_ms:.1f}"]
    size = f"{arm.cost.index_bytes / 1e6:.1f}"
    return [arm.name, f"{arm.measures[primary].mean:.3f}", *changed, *times, size, f"  {_mark(arm)}"]


def _mark(arm: ArmFigures) -> str:
    from crossfade.evaluation.diagnosis.ladder import is_better, is_worse

    return "better" if is_better(arm.difference) else "worse" if is_worse(arm.difference) else ""


def _causes(console: Console, found: Diagnosis) -> None:
    answerable = found.queries - found.unanswerable
    print_paragraph(
        console, f"{found.failed:,} of {answerable:,} queries have no relevant document in the first {found.k}"
    )
    if not found.failed:
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("cause", no_wrap=True, min_width=18)
    table.add_column("queries", justify="right", no_wrap=True, min_width=7)
    table.add_column("share", justify="right", no_wrap=True, min_width=5)
    table.add_column("for example", overflow="ellipsis", no_wrap=True, max_width=_TEXT)
    by_id = {each.query_id: each for each in found.failures}
    for each in found.causes:
        example = by_id[each.examples[0]] if each.examples else None
        table.add_row(each.cause, f"{each.count:,}", f"{each.share:.0%}", "" if example is None else _example(example))
    console.print(table)
    if found.terms:
        named = ", ".join(
            f"{term.term} ({term.mismatched} of {term.mismatched + term.others})" for term in found.terms[:_TERMS]
        )
        print_paragraph(console, f"words that recur in semantic mismatches: {named}")
    for group in found.clusters[:_CLUSTERS]:
        causes = ", ".join(f"{name} {count}" for name, count in group.causes.items())
        print_paragraph(console, f"alike: {len(group.queries):,} queries about {', '.join(group.terms)} ({causes})")


def _example(failure: FailedQuery) -> str:
    return f"{failure.query_id}: {' '.join(failure.text.split())}"


def _answers(console: Console, found: Diagnosis) -> None:
    told = found.answers
    if told is None:
        return
    wrong = told.answers - told.right
    print_paragraph(
        console,
        f"answers: {wrong:,} of {told.answers:,} are wrong: {told.not_retrieved:,} without a relevant context "
        f"(retrieval), {told.not_used:,} in spite of one (generation), {told.unknown:,} cannot be told",
    )
    for name, examples in (("retrieval", told.not_retrieved_examples), ("generation", told.not_used_examples)):
        for each in examples[:2]:
            print_paragraph(console, f"  {name}: {each.query_id or '?'}: {' '.join(each.text.split())[:_TEXT]}")


def _checklist(found: Diagnosis) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True, show_lines=False)
    table.add_column("before fine-tuning", ratio=4)
    table.add_column("", no_wrap=True)
    table.add_column("figure, and what is behind it", ratio=6)
    for item in found.checklist:
        behind = f" [{item.source}]" if item.source else ""
        how = f"; {item.how}" if item.how else ""
        table.add_row(item.question, item.answer, f"{item.figure}{behind}{how}")
    return table
