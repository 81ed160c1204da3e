"""`crossfade train`: candidates made from a base model and a training split."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crossfade.cli.evaluation_options import AbsentOption, CacheOption, DatasetOption, DeviceOption, ThreadsOption

if TYPE_CHECKING:
    from crossfade.models.bundle import Bundle
    from crossfade.training.query_adapter import AdapterFit

app = typer.Typer(name="train", help="Make a candidate from a base model and a training split.", rich_markup_mode=None)


@app.callback()
def _train() -> None:
    """Make a candidate from a base model and a training split."""


@app.command("query-adapter")
def query_adapter(
    dataset: DatasetOption,
    model: Annotated[Path, typer.Option("--model", help="The base model's bundle directory.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="The candidate's directory.", show_default=False)],
    split: Annotated[
        str, typer.Option("--split", help="The split to learn from; never the one you judge by.")
    ] = "train",
    name: Annotated[str | None, typer.Option(help="The candidate's name; by default the base's, -adapted.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a bundle that is there.")] = False,
    cache: CacheOption = None,
    allow_absent: AbsentOption = False,
    threads: ThreadsOption = None,
    device: DeviceOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Fit a linear map of query vectors in closed form and write it as a bundle.

    Documents keep their vectors, so the candidate searches the base's index. The strength of the fit is chosen by
    cross-validation on the training split.
    """
    from crossfade.cli.evaluation_options import load_dataset, load_models
    from crossfade.cli.progress import StageBars
    from crossfade.errors import InvalidInput
    from crossfade.evaluation.index import CorpusIndexes
    from crossfade.models import Bundle, InputType
    from crossfade.models.adapter import write_adapter_bundle
    from crossfade.models.staging import check_target
    from crossfade.training.query_adapter import TrainingSet, fit_query_adapter

    check_target(output, overwrite=overwrite)
    if Bundle.load(model).adapter_path is not None:
        raise InvalidInput(f"{model} has a query adapter already: fit the new one on the bundle it came from")
    with StageBars() as bars:
        data = load_dataset(dataset, split, allow_absent=allow_absent, bars=bars)
        encoder = load_models({"base": model}, threads, device)["base"]
        vectors = CorpusIndexes(data, cache=cache, progress=bars).vectors(encoder).vectors
        queries = encoder.encode(list(data.queries.values()), InputType.QUERY).vectors
        ids = [document.id for document in data.documents]
        fit = fit_query_adapter(TrainingSet(list(data.queries), queries, ids, vectors, data.qrels))
    base = encoder.bundle
    bundle = write_adapter_bundle(
        base, fit.weight, None, output, name=name or f"{base.name}-adapted", overwrite=overwrite
    )
    _show(bundle, fit, as_json)


def _show(bundle: Bundle, fit: AdapterFit, as_json: bool) -> None:
    from crossfade.training.query_adapter import SELECTION_MEASURE

    facts: dict[str, Any] = {
        "name": bundle.name,
        "path": str(bundle.path),
        "query_fingerprint": bundle.query_fingerprint,
        "document_fingerprint": bundle.document_fingerprint,
        "examples": fit.examples,
        "ridge": fit.ridge,
        "measure": SELECTION_MEASURE,
        "base": fit.base,
        "cross_validation": {str(ridge): score for ridge, score in fit.cross_validation.items()},
    }
    if as_json:
        print(json.dumps(facts, ensure_ascii=False, indent=2))
        return
    best = fit.cross_validation[fit.ridge]
    print(f"{bundle.name}: {bundle.path}")
    print(f"learnt from {fit.examples} queries, ridge {fit.ridge:g}")
    print(f"{SELECTION_MEASURE} on held-out training queries: base {fit.base:.4f}, adapted {best:.4f}")
    if best <= fit.base:
        print("the adapter does not help on held-out training queries: expect nothing from it")
