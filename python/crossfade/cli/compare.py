"""`crossfade compare`: two models, one split, one verdict."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crossfade.cli.arm_options import (
    ArmOptions,
    BaseBestChunks,
    BaseChunking,
    BaseChunkOverlap,
    BaseChunkSize,
    BaseHeadingPrefix,
    BaseMode,
    BaseReranker,
    CandidateBestChunks,
    CandidateChunking,
    CandidateChunkOverlap,
    CandidateChunkSize,
    CandidateHeadingPrefix,
    CandidateMode,
    CandidateReranker,
)
from crossfade.cli.decision_options import (
    AlphaOption,
    BaselineOption,
    BaselineRunOption,
    BaseRunOption,
    CandidateRunOption,
    DecisionOption,
    DecisionOptions,
    DiagnosisOption,
    GuardOption,
    LatencyOption,
    LeakageOption,
    LeastJudgedOption,
    LeastQueriesOption,
    PoolOption,
    PriceOption,
    ProtocolOption,
    SliceOption,
    SuperiorityOption,
    WaiveOption,
)
from crossfade.cli.decision_table import show_findings
from crossfade.cli.evaluation_options import (
    DEFAULT_DEPTH,
    DEFAULT_MEASURES,
    AbsentOption,
    CacheOption,
    DatasetOption,
    DepthOption,
    DeviceOption,
    JsonOption,
    MeasuresOption,
    ReportOption,
    SplitOption,
    ThreadsOption,
    evaluation_settings,
    load_dataset,
    load_models,
)

if TYPE_CHECKING:
    from rich.table import Table

    from crossfade.evaluation.results import Comparison

_VERDICTS = {"ship": "ship it", "do_not_ship": "do not ship it", "inconclusive": "inconclusive", "blocked": "blocked"}
_STYLES = {"ship": "bold green", "do_not_ship": "bold red", "inconclusive": "bold yellow", "blocked": "bold red"}


def compare(
    dataset: DatasetOption,
    base: Annotated[
        Path | None,
        typer.Option("--base", help="The base model's bundle; needed but for --base-mode lexical.", show_default=False),
    ] = None,
    candidate: Annotated[
        Path | None,
        typer.Option(
            "--candidate", help="The candidate's bundle; needed but for --candidate-mode lexical.", show_default=False
        ),
    ] = None,
    split: SplitOption = "test",
    measures: MeasuresOption = DEFAULT_MEASURES,
    depth: DepthOption = DEFAULT_DEPTH,
    json: JsonOption = None,
    report: ReportOption = None,
    cache: CacheOption = None,
    allow_absent: AbsentOption = False,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the bootstrap and the randomisation test.")] = 17,
    base_mode: BaseMode = "dense",
    base_reranker: BaseReranker = None,
    base_chunking: BaseChunking = "whole",
    base_chunk_size: BaseChunkSize = 0,
    base_chunk_overlap: BaseChunkOverlap = 0,
    base_heading_prefix: BaseHeadingPrefix = False,
    base_best_chunks: BaseBestChunks = 1,
    candidate_mode: CandidateMode = "dense",
    candidate_reranker: CandidateReranker = None,
    candidate_chunking: CandidateChunking = "whole",
    candidate_chunk_size: CandidateChunkSize = 0,
    candidate_chunk_overlap: CandidateChunkOverlap = 0,
    candidate_heading_prefix: CandidateHeadingPrefix = False,
    candidate_best_chunks: CandidateBestChunks = 1,
    threads: ThreadsOption = None,
    device: DeviceOption = None,
    protocol: ProtocolOption = None,
    decision: DecisionOption = None,
    alpha: AlphaOption = None,
    superiority_margin: SuperiorityOption = None,
    guard: GuardOption = None,
    slice_field: SliceOption = None,
    diagnosis: DiagnosisOption = None,
    least_queries: LeastQueriesOption = None,
    least_judged: LeastJudgedOption = None,
    max_p99_ms: LatencyOption = None,
    leakage: LeakageOption = None,
    waive: WaiveOption = None,
    price_cpu_hour: PriceOption = None,
    pool: PoolOption = None,
    base_run_out: BaseRunOption = None,
    candidate_run_out: CandidateRunOption = None,
    baseline: BaselineOption = None,
    baseline_run: BaselineRunOption = None,
) -> None:
    """Hold a candidate against a base on the same queries and say whether it should ship.

    Two models, or one model and two ways to answer queries: by words too, reranked, in chunks. With a protocol, or an
    option that declares part of one, the verdict follows docs/decision.md: gates, slices, guard sets.

    The exit code is 0 whatever the verdict: the verdict is data.
    """
    from dataclasses import replace
    from functools import partial

    from crossfade.cli.costs_ahead import plan_and_say, with_costs
    from crossfade.cli.output import STDOUT, check_outputs, dataset_inputs, write_json, write_text
    from crossfade.cli.progress import StageBars
    from crossfade.cli.writing import Job, write_all
    from crossfade.evaluation.compare import ComparisonSettings, check_primary
    from crossfade.evaluation.compare import compare as compare_models
    from crossfade.evaluation.plan import Planned
    from crossfade.report import render

    settings = evaluation_settings(measures, depth, threads)
    asked = DecisionOptions(
        protocol, decision, alpha, superiority_margin, guard or [], slice_field or [], diagnosis, least_queries,
        least_judged, max_p99_ms, leakage, waive or [], price_cpu_hour, pool, base_run_out, candidate_run_out,
        baseline, baseline_run,
    )  # fmt: skip
    declared = asked.declared(settings.measures, seed) if asked.wanted else None
    if declared is not None:
        declared = replace(declared, measures=declared.measures or [declared.primary, *settings.measures])
        settings = replace(settings, measures=declared.needed_measures())
    check_primary(settings.measures[0])
    first = ArmOptions(
        base_mode,
        base_reranker,
        base_chunking,
        base_chunk_size,
        base_chunk_overlap,
        base_heading_prefix,
        base_best_chunks,
    )
    second = ArmOptions(
        candidate_mode,
        candidate_reranker,
        candidate_chunking,
        candidate_chunk_size,
        candidate_chunk_overlap,
        candidate_heading_prefix,
        candidate_best_chunks,
    )
    asked.check_base(base)
    if baseline is None:
        first.check(base, "--base")
    second.check(candidate, "--candidate")
    inputs = [
        *dataset_inputs("--dataset", dataset),
        ("--base", base),
        ("--candidate", candidate),
        ("--base-reranker", base_reranker),
        ("--candidate-reranker", candidate_reranker),
        *asked.inputs(declared),
    ]
    check_outputs({"--json": json, "--report": report, **asked.outputs()}, stdout="--json", inputs=inputs)
    with StageBars() as bars:
        data = load_dataset(dataset, split, allow_absent=allow_absent, bars=bars)
        given = {"base": first.needed(base), "candidate": second.needed(candidate)}
        bundles = {name: path for name, path in given.items() if path is not None}
        models = load_models(bundles, threads, device)
        arms = (first.arm(threads, device), second.arm(threads, device))
        pair = (models.get("base"), models.get("candidate"))
        decided, conditions = None, None
        if declared is not None:
            conditions = asked.conditions(declared, data, dataset, cache, settings.measures, bars)
        measured = {"base": 0, "candidate": 1} if baseline is None else {"candidate": 1}
        planned = Planned(
            {
                data.name: data,
                **({} if conditions is None else {n: each for n, (each, _) in conditions.guards.items()}),
            },
            {side: pair[at] for side, at in measured.items()},
            {side: arms[at] for side, at in measured.items()},
            settings,
            cache,
            decides=declared is not None,
            priced=declared is not None and declared.prices is not None,
        )
        said = plan_and_say(planned, None if declared is None else declared.prices, bars)
        if declared is None or conditions is None:
            result = compare_models(
                data, *pair, settings, ComparisonSettings(seed=seed), arms=arms, cache=cache, progress=bars
            )
        else:
            from crossfade.evaluation.decision.decide import compare_and_decide

            decided = compare_and_decide(
                data, *pair, declared, settings, arms=arms, conditions=conditions, progress=bars
            )
            result = decided.comparison
    result = replace(result, settings=with_costs(result.settings, said, bars))
    record = result.to_json()
    if json != STDOUT:
        _show(result)  # first: should a file fail now, the result is not lost with it
        if decided is not None:
            show_findings(decided.record.outcome)
    else:
        write_json(json, record)
    jobs = [] if decided is None else asked.jobs(data, decided)
    if json not in (None, STDOUT):
        jobs.append(Job(1, lambda _: write_json(json, record)))
    if report is not None:
        page = partial(render, record, decision=None if decided is None else decided.record)
        jobs.append(Job(2, lambda _: write_text(report, page())))
    write_all(jobs, len(data.queries))


def _show(comparison: Comparison) -> None:
    from crossfade.cli.output import print_paragraph, table_console
    from crossfade.evaluation.context import described

    console = table_console()
    base, candidate = comparison.base, comparison.candidate
    print_paragraph(console, f"{base.dataset}/{base.split}: {base.queries:,} queries, {base.documents:,} documents")
    told = not (base.retrieval.plain and candidate.retrieval.plain)
    for side, each in (("base", base), ("candidate", candidate)):
        how = f", {described(each.retrieval)}" if told else ""
        print_paragraph(console, f"{side:<9}  {each.model.name} ({each.model.fingerprint}){how}")
    console.print(_table(comparison))
    print_paragraph(console, f"verdict: {_VERDICTS[comparison.verdict]}", style=_STYLES[comparison.verdict])
    for reason in comparison.reasons:
        print_paragraph(console, f"- {reason}")


def _table(comparison: Comparison) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("measure", no_wrap=True)
    for heading in ("base", "candidate", "change", "95% interval", "p", "Holm p"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for measure, found in comparison.difference.items():
        low, high = found.ci95
        table.add_row(
            measure,
            f"{comparison.base.measures[measure]:.4f}",
            f"{comparison.candidate.measures[measure]:.4f}",
            f"{found.delta:+.4f}",
            f"{low:+.4f} {high:+.4f}",
            f"{found.p:.4f}",
            f"{found.p_holm:.4f}",
            _mark(comparison, measure),
        )
    return table


def _mark(comparison: Comparison, measure: str) -> str:
    """Significance in words, so that it reads without colour, by the rule that the verdict follows."""
    from crossfade.evaluation.verdict import direction

    return {1: "better", -1: "worse", 0: ""}[direction(comparison, measure)]
