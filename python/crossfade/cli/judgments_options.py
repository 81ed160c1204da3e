"""What the commands of `crossfade judgments` share: files with the names of their judges, and how they are read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from crossfade.cli.progress import StageBars
    from crossfade.evaluation.judgments.types import Judgments

Files = Annotated[
    list[str],
    typer.Argument(
        metavar="[JUDGE=]FILE...",
        help="Judgments: .jsonl, .csv, .tsv, or a BEIR .tsv of one judge; JUDGE stands where a row names none.",
        show_default=False,
    ),
]
Last = Annotated[bool, typer.Option("--last", help="Where a judge judged a pair twice, the later judgment counts.")]
Models = Annotated[
    list[str] | None,
    typer.Option("--model-judge", metavar="NAME", help="This judge is a model; may be repeated.", show_default=False),
]


def named(argument: str) -> tuple[str, Path]:
    """NAME=FILE, or FILE alone: the name, empty where there is none, and the file."""
    name, equals, rest = argument.partition("=")
    if equals and name and rest and "/" not in name and not Path(argument).exists():
        return name, Path(rest)
    return "", Path(argument)


def read(files: Sequence[str], bars: StageBars, *, last: bool, models: Sequence[str] | None) -> Judgments:
    from crossfade.evaluation.judgments.read import JudgmentSource, read_judgments

    sources = [JudgmentSource(path, name) for name, path in map(named, files)]
    return read_judgments(sources, last=last, models=models or (), progress=bars)


def said_blank(judgments: Judgments) -> list[str]:
    """What a reader should know of files that are not judged to their end."""
    return [
        f"{file.name}: {file.blank:,} {'row has' if file.blank == 1 else 'rows have'} no grade yet"
        for file in judgments.files
        if file.blank
    ]
