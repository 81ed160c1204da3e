"""Options of `crossfade evaluate` and `crossfade compare` that say how queries are answered."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from crossfade.cli.evaluation_options import DeviceName
    from crossfade.evaluation.arms import Arm

# What enums hold, as literals, so that every other command starts sooner (a test holds them together).
ModeName = Literal["dense", "lexical", "hybrid"]
MethodName = Literal["whole", "tokens", "sentences", "headings"]

_MODE_HELP = "By vectors, by words (BM25), or by both."
_RERANKER_HELP = "A bundle that puts the first 50 results of each query into another order."
_CHUNKING_HELP = "How documents are cut before they are embedded."
_SIZE_HELP = "Tokens of a chunk; 0: what the model reads."
_OVERLAP_HELP = "Tokens or sentences that a chunk repeats of the last."
_PREFIX_HELP = "Put the headings that a chunk is below before it."
_BEST_HELP = "A document's score is the mean of its so many best chunks'."

Mode = Annotated[ModeName, typer.Option("--mode", help=_MODE_HELP)]
Reranker = Annotated[Path | None, typer.Option("--reranker", help=_RERANKER_HELP, show_default=False)]
Chunking = Annotated[MethodName, typer.Option("--chunking", help=_CHUNKING_HELP)]
ChunkSize = Annotated[int, typer.Option("--chunk-size", help=_SIZE_HELP)]
ChunkOverlap = Annotated[int, typer.Option("--chunk-overlap", help=_OVERLAP_HELP)]
HeadingPrefix = Annotated[bool, typer.Option("--heading-prefix", help=_PREFIX_HELP)]
BestChunks = Annotated[int, typer.Option("--best-chunks", help=_BEST_HELP, min=1)]

BaseMode = Annotated[ModeName, typer.Option("--base-mode", help=_MODE_HELP)]
BaseReranker = Annotated[Path | None, typer.Option("--base-reranker", help=_RERANKER_HELP, show_default=False)]
BaseChunking = Annotated[MethodName, typer.Option("--base-chunking", help=_CHUNKING_HELP)]
BaseChunkSize = Annotated[int, typer.Option("--base-chunk-size", help=_SIZE_HELP)]
BaseChunkOverlap = Annotated[int, typer.Option("--base-chunk-overlap", help=_OVERLAP_HELP)]
BaseHeadingPrefix = Annotated[bool, typer.Option("--base-heading-prefix", help=_PREFIX_HELP)]
BaseBestChunks = Annotated[int, typer.Option("--base-best-chunks", help=_BEST_HELP, min=1)]

CandidateMode = Annotated[ModeName, typer.Option("--candidate-mode", help=_MODE_HELP)]
CandidateReranker = Annotated[
    Path | None, typer.Option("--candidate-reranker", help=_RERANKER_HELP, show_default=False)
]
CandidateChunking = Annotated[MethodName, typer.Option("--candidate-chunking", help=_CHUNKING_HELP)]
CandidateChunkSize = Annotated[int, typer.Option("--candidate-chunk-size", help=_SIZE_HELP)]
CandidateChunkOverlap = Annotated[int, typer.Option("--candidate-chunk-overlap", help=_OVERLAP_HELP)]
CandidateHeadingPrefix = Annotated[bool, typer.Option("--candidate-heading-prefix", help=_PREFIX_HELP)]
CandidateBestChunks = Annotated[int, typer.Option("--candidate-best-chunks", help=_BEST_HELP, min=1)]


@dataclass(frozen=True, slots=True)
class ArmOptions:
    """As they were given."""

    mode: ModeName
    reranker: Path | None
    chunking: MethodName
    chunk_size: int
    chunk_overlap: int
    heading_prefix: bool
    best_chunks: int = 1

    def needed(self, model: Path | None) -> Path | None:
        """The model, unless nothing would read it: loading it takes seconds."""
        return None if self.mode == "lexical" and self.chunking == "whole" else model

    def check(self, model: Path | None, option: str) -> None:
        """Before a model loads. `option`: what names the model. Raises InvalidInput."""
        from crossfade.errors import InvalidInput
        from crossfade.evaluation.arms import check_model

        self._arm()
        try:
            check_model(self._arm(), given=model is not None)
        except InvalidInput as error:
            raise InvalidInput(f"{option} is missing: {error}") from None

    def arm(
        self,
        threads: int | None,
        device: DeviceName | None = None,
        *,
        exact: bool = True,
        spill: Path | None = None,
    ) -> Arm:
        """With the reranker opened; `spill` as `open_reranker` takes it. Raises InvalidInput, BundleError."""
        from dataclasses import replace

        from crossfade.cli.serve import open_reranker
        from crossfade.config import load_settings

        found = replace(self._arm(), exact=exact)
        if self.reranker is None:
            return found
        opened = open_reranker(str(self.reranker), load_settings(threads=threads, device=device), spill=spill)
        return replace(found, reranker=opened, reranker_name=self.reranker.resolve().name)

    def _arm(self) -> Arm:
        from crossfade.chunking import ChunkingSettings, Method
        from crossfade.evaluation.arms import Arm

        chunking = ChunkingSettings(Method(self.chunking), self.chunk_size, self.chunk_overlap, self.heading_prefix)
        return Arm(self.mode, chunking, best_chunks=self.best_chunks)
