"""Options that say from when on two texts are near-copies: of `crossfade leakage` and `crossfade dataset split`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from crossfade.overlap import OverlapSettings

Characters = Annotated[
    float, typer.Option("--characters", help="Least Jaccard similarity of two texts' pieces of words.")
]
Phrases = Annotated[float, typer.Option("--phrases", help="Least Jaccard similarity of two texts' 3-word sequences.")]
Containment = Annotated[
    float, typer.Option("--containment", help="Least share of the smaller text's 3-word sequences in the larger.")
]
IgnoreNumbers = Annotated[
    bool, typer.Option("--ignore-numbers", help="Texts with different numbers may be near-copies too.")
]


def overlap_settings(characters: float, phrases: float, containment: float, *, ignore_numbers: bool) -> OverlapSettings:
    """Raises InvalidInput for a threshold out of its range."""
    from crossfade.overlap import OverlapSettings

    return OverlapSettings(characters, phrases, containment, numbers=not ignore_numbers)
