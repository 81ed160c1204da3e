"""Options that `crossfade evaluate` and `crossfade compare` share, and the work before the work."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from crossfade.cli.progress import StageBars
    from crossfade.evaluation.dataset import Dataset
    from crossfade.evaluation.evaluate import EvaluationSettings
    from crossfade.models.encoder import Encoder

DatasetOption = Annotated[
    Path,
    typer.Option(
        "--dataset", help="A BEIR directory: corpus.jsonl, queries.jsonl, qrels/SPLIT.tsv.", show_default=False
    ),
]
SplitOption = Annotated[str, typer.Option("--split", help="The split of the judgments.")]
MeasuresOption = Annotated[
    str,
    typer.Option(
        "--measures", help='Measures as ir-measures spells them, as in "nDCG@10,R@100"; the first is the primary one.'
    ),
]
DepthOption = Annotated[int, typer.Option("--depth", help="Results taken of each query; AP and RR look at them all.")]
JsonOption = Annotated[
    Path | None, typer.Option("--json", help="Write the record as JSON; - for stdout, alone.", show_default=False)
]
ReportOption = Annotated[
    Path | None, typer.Option("--report", help="Write the report as one HTML file.", show_default=False)
]
CacheOption = Annotated[
    Path | None,
    typer.Option("--cache", help="Keep document vectors in this directory between runs.", show_default=False),
]
AbsentOption = Annotated[
    bool,
    typer.Option(
        "--allow-absent", help="Keep judgments of documents that the corpus lacks; nothing can retrieve these."
    ),
]
ThreadsOption = Annotated[
    int | None, typer.Option("--threads", help="CPU threads; 0 for all cores.", show_default=False)
]
# What an enum holds, as literals: commands start sooner without the settings (a test holds them together).
DeviceName = Literal["cpu", "cuda", "tensorrt"]
DeviceOption = Annotated[
    DeviceName | None,
    typer.Option("--device", help="Where models and rerankers run; by default a CPU.", show_default=False),
]

DEFAULT_MEASURES = "nDCG@10,AP,RR,R@10,R@100,P@10"
DEFAULT_DEPTH = 100


def evaluation_settings(measures: str, depth: int, threads: int | None) -> EvaluationSettings:
    """Raises InvalidInput when a measure, the depth or a setting cannot be used."""
    from crossfade.config import load_settings
    from crossfade.evaluation.evaluate import EvaluationSettings
    from crossfade.measures import parse_list

    return EvaluationSettings(parse_list(measures), depth, threads=load_settings(threads=threads).threads)


def load_dataset(directory: Path, split: str, *, allow_absent: bool, bars: StageBars) -> Dataset:
    from crossfade.evaluation.beir import read_beir

    return read_beir(directory, split, allow_absent=allow_absent, progress=bars)


def load_models(
    bundles: Mapping[str, Path], threads: int | None, device: DeviceName | None = None
) -> dict[str, Encoder]:
    """None stands for what the settings say. Raises BundleError, InvalidInput."""
    from crossfade.config import load_settings
    from crossfade.models.encoder import load_encoders

    settings = load_settings(threads=threads, device=device)
    return load_encoders(bundles, threads=settings.threads, batch_tokens=settings.batch_tokens, device=settings.device)
