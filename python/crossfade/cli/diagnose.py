"""`crossfade diagnose`: why queries fail, what the simpler remedies give, and what to do first."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crossfade.cli.arm_options import (
    ArmOptions,
    BaseChunking,
    BaseChunkOverlap,
    BaseChunkSize,
    BaseHeadingPrefix,
    BaseMode,
    BaseReranker,
)
from crossfade.cli.evaluation_options import (
    DEFAULT_DEPTH,
    DatasetOption,
    DepthOption,
    DeviceOption,
    JsonOption,
    ReportOption,
    SplitOption,
    ThreadsOption,
    load_dataset,
    load_models,
)

if TYPE_CHECKING:
    from crossfade.cli.evaluation_options import DeviceName
    from crossfade.evaluation.diagnosis.inputs import AdapterData, CrossFitting, FittedAdapters, Remedies
    from crossfade.models import Encoder
    from crossfade.retrieval import Reranker


class SkipName(StrEnum):
    """Kinds of arms that are measured unless they are named here."""

    CHUNKING = "chunking"
    LEXICAL = "lexical"
    HYBRID = "hybrid"
    RERANKING = "reranking"
    QUANTISED = "quantised"


_CACHE_HELP = "Keep vectors and finished arms in this directory: a second run measures only what has changed."
_SKIPPED = "left out (--skip)"


def diagnose(
    dataset: DatasetOption,
    model: Annotated[Path, typer.Option("--model", help="The base model's bundle.", show_default=False)],
    split: SplitOption = "test",
    base_mode: BaseMode = "dense",
    base_reranker: BaseReranker = None,
    base_chunking: BaseChunking = "whole",
    base_chunk_size: BaseChunkSize = 0,
    base_chunk_overlap: BaseChunkOverlap = 0,
    base_heading_prefix: BaseHeadingPrefix = False,
    also: Annotated[
        list[Path] | None,
        typer.Option("--also", help="Another base model's bundle; repeatable.", show_default=False),
    ] = None,
    reranker: Annotated[
        list[Path] | None,
        typer.Option(
            "--reranker",
            help="A cross-encoder's bundle, or an embedding model's whose token vectors are compared; repeatable. The "
            "base's own token vectors are compared anyway.",
            show_default=False,
        ),
    ] = None,
    adapter: Annotated[
        bool, typer.Option("--adapter", help="Fit a query adapter too, each query judged by one that never saw it.")
    ] = False,
    tuned: Annotated[
        list[Path] | None, typer.Option("--tuned", help="A tuned model's bundle; repeatable.", show_default=False)
    ] = None,
    answers: Annotated[
        Path | None,
        typer.Option("--answers", help="JSON lines of answers, to tell retrieval from generation.", show_default=False),
    ] = None,
    k: Annotated[int, typer.Option("--k", help="A query without a relevant result in the first k has failed.")] = 10,
    measure: Annotated[
        str, typer.Option("--measure", help="What arms are held against each other by, as ir-measures spells it.")
    ] = "nDCG@10",
    depth: DepthOption = DEFAULT_DEPTH,
    json: JsonOption = None,
    report: ReportOption = None,
    cache: Annotated[Path | None, typer.Option("--cache", help=_CACHE_HELP, show_default=False)] = None,
    skip: Annotated[
        list[SkipName] | None,
        typer.Option("--skip", help="A kind of arms that is not to be measured; repeatable.", show_default=False),
    ] = None,
    latency_samples: Annotated[
        int, typer.Option("--latency-samples", help="Queries timed of each arm, in turns with the baseline.")
    ] = 100,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the bootstrap and the randomisation test.")] = 17,
    threads: ThreadsOption = None,
    device: DeviceOption = None,
) -> None:
    """Say why queries fail, what the simpler remedies would give, and what to do first.

    Every arm is measured on the same queries and held against the baseline, which is search by the base model's vectors
    unless --base-mode, --base-reranker or --base-chunking say how queries are answered today; every failed query gets
    one cause.
    Judgments of documents that the corpus lacks are kept: they are one of the causes.
    """
    from crossfade.cli.diagnosis_tables import show
    from crossfade.cli.output import STDOUT, check_outputs, dataset_inputs, write_json, write_text
    from crossfade.cli.progress import StageBars
    from crossfade.config import load_settings
    from crossfade.evaluation.diagnosis.answers import read_answers
    from crossfade.evaluation.diagnosis.diagnose import diagnose as run_diagnosis
    from crossfade.evaluation.diagnosis.filtering import read_filters
    from crossfade.evaluation.diagnosis.inputs import DEFAULT_MEASURES, Case, Cutter, DiagnosisSettings
    from crossfade.evaluation.diagnosis.splits import other_splits
    from crossfade.measures import canonical
    from crossfade.report import render

    measures = [measure, *(each for each in DEFAULT_MEASURES if canonical(each) != canonical(measure))]
    settings = DiagnosisSettings(
        k=k,
        measures=measures,
        depth=depth,
        latency_samples=latency_samples,
        seed=seed,
        threads=load_settings(threads=threads).threads,
    )
    baseline = ArmOptions(
        base_mode, base_reranker, base_chunking, base_chunk_size, base_chunk_overlap, base_heading_prefix
    )
    baseline.check(model, "--model")
    inputs = [*dataset_inputs("--dataset", dataset), ("--model", model), ("--answers", answers)]
    inputs.append(("--base-reranker", base_reranker))
    for option, paths in (("--also", also), ("--reranker", reranker), ("--tuned", tuned)):
        inputs += [(option, path) for path in paths or []]
    check_outputs({"--json": json, "--report": report}, stdout="--json", inputs=inputs)
    given = _Given(model, also or [], reranker or [], tuned or [], set(skip or []), threads, device, adapter)
    with StageBars() as bars, ExitStack() as held:
        data = load_dataset(dataset, split, allow_absent=True, bars=bars)
        filters = read_filters(dataset, data)
        told = None if answers is None else read_answers(answers, data)
        others = other_splits(dataset, data)
        place = cache or Path(held.enter_context(tempfile.TemporaryDirectory(prefix="crossfade-diagnose-")))
        base, remedies = given.opened(place)
        case = Case(
            dataset=data,
            base=base,
            baseline=baseline.arm(threads, device, spill=place),
            remedies=remedies,
            filters=filters,
            cutter=Cutter.of(base),
            progress=bars,
        )
        found = run_diagnosis(case, settings, cache=cache, answers=told, others=others)
    if json != STDOUT:
        show(found)  # first: should a file fail now, the result is not lost with it
    if json is not None:
        write_json(json, found.to_json())
    if report is not None:
        write_text(report, render(diagnosis=found))


@dataclass(frozen=True, slots=True)
class _Given:
    """Models, as they were given."""

    model: Path
    also: list[Path]
    rerankers: list[Path]
    tuned: list[Path]
    skip: set[SkipName]
    threads: int | None
    device: DeviceName | None
    adapter: bool

    def opened(self, place: Path) -> tuple[Encoder, Remedies]:
        """The base model, and everything that is tried beside it. `place`: for what is made on the way."""
        from crossfade.config import Device, load_settings
        from crossfade.errors import InvalidInput
        from crossfade.evaluation.diagnosis.inputs import Remedies
        from crossfade.evaluation.diagnosis.quantised import int8_bundle
        from crossfade.models import Bundle

        left_out = dict.fromkeys(map(str, self.skip), _SKIPPED)
        bundle = Bundle.load(self.model)
        paths = {"base": self.model}
        if "quantised" not in self.skip:
            try:
                if load_settings(device=self.device).device is not Device.CPU:
                    raise InvalidInput("int8 runs on a CPU only, and models run on a GPU here")
                paths["int8"] = int8_bundle(bundle, place / "quantised").path
            except InvalidInput as error:
                left_out["quantised"] = str(error)
        others, tuned = _named(self.also), _named(self.tuned)
        paths |= {f"also/{name}": path for name, path in others.items()}
        paths |= {f"tuned/{name}": path for name, path in tuned.items()}
        models = load_models(paths, self.threads, self.device)
        rerankers = {} if "reranking" in self.skip else self._rerankers(place, left_out)
        return models["base"], Remedies(
            rerankers=rerankers,
            base_models={name: models[f"also/{name}"] for name in others},
            quantised={"int8": models["int8"]} if "int8" in paths else {},
            tuned={name: models[f"tuned/{name}"] for name in tuned},
            adapter=_cross_fitting() if self.adapter else None,
            left_out=left_out,
        )

    def _rerankers(self, place: Path, left_out: dict[str, str]) -> Mapping[str, Reranker]:
        """Those that were given, and the base's own token vectors, or why these cannot be compared."""
        from crossfade.cli.serve import open_reranker
        from crossfade.config import load_settings
        from crossfade.models.token_graph import NoTokenVectors

        settings = load_settings(threads=self.threads, device=self.device)
        found: dict[str, Reranker] = {}
        try:
            found["MaxSim"] = open_reranker(str(self.model), settings, spill=place)
        except NoTokenVectors as error:  # nobody asked for it: it is one remedy fewer
            left_out["rerank: MaxSim"] = str(error)
        named = _named(self.rerankers, taken="MaxSim")
        return found | {name: open_reranker(str(path), settings, spill=place) for name, path in named.items()}


def _named(paths: list[Path], *, taken: str = "") -> dict[str, Path]:
    """By the last part of each path; a number is put behind one that is taken."""
    found: dict[str, Path] = {}
    for path in paths:
        name = base = path.resolve().name
        number = 2
        while name in found or name == taken:
            name, number = f"{base}-{number}", number + 1
        found[name] = path
    return found


def _cross_fitting() -> CrossFitting:
    from crossfade.evaluation.diagnosis.inputs import CrossFitting, FittedAdapters
    from crossfade.training.cross_fitting import FOLDS, cross_fit
    from crossfade.training.query_adapter import TrainingSet

    def fit(data: AdapterData) -> FittedAdapters:
        training = TrainingSet(data.query_ids, data.queries, data.document_ids, data.documents, data.qrels)
        found = cross_fit(training, data.texts)
        return FittedAdapters(found.weights, found.fold_of)

    return CrossFitting(f"cross-fitted-{FOLDS}", fit)
