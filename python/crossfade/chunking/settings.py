"""How documents are cut: settings that are stored with an index, since another cut is another index."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from crossfade.arguments import whole
from crossfade.errors import InvalidInput

FORMAT = 1
_MOST = 1 << 20
_KEYS = {"format", "method", "size", "overlap", "heading_prefix"}


class Method(StrEnum):
    """Where a document may be cut first; what is too long is cut by the next finer rule."""

    WHOLE = "whole"
    TOKENS = "tokens"
    SENTENCES = "sentences"
    HEADINGS = "headings"


@dataclass(frozen=True, slots=True)
class ChunkingSettings:
    """`size`: tokens of a chunk's text at most; 0 = what the model's limit leaves. `overlap`: what a chunk repeats of
    the one before, at most: tokens (method "tokens") or sentences (method "sentences"). `heading_prefix`: put the
    headings that a chunk is below, and does not show, before it (method "headings").

    Raises InvalidInput for a setting out of range, or one that the method does not have.
    """

    method: Method = Method.WHOLE
    size: int = 0
    overlap: int = 0
    heading_prefix: bool = False

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "method", Method(self.method))
        except ValueError:
            raise InvalidInput(f"chunking method must be one of {', '.join(Method)}, not {self.method!r}") from None
        object.__setattr__(self, "size", whole(self.size, "chunk size", 0, _MOST))
        object.__setattr__(self, "overlap", whole(self.overlap, "chunk overlap", 0, _MOST))
        if not isinstance(self.heading_prefix, bool):
            raise InvalidInput(f"heading_prefix must be true or false, not {self.heading_prefix!r}")
        if self.method is Method.WHOLE and self.size:
            raise InvalidInput(f'chunking method "whole" has no size, not {self.size}: choose another method')
        if self.overlap and self.method not in {Method.TOKENS, Method.SENTENCES}:
            raise InvalidInput(
                f'chunking method "{self.method}" has no overlap, not {self.overlap}: use "tokens" or "sentences", or 0'
            )
        if self.method is Method.TOKENS and self.size and self.overlap >= self.size:
            raise InvalidInput(
                f"a chunk of {self.size} tokens cannot repeat {self.overlap} of the one before: the overlap must be "
                "less than the size"
            )
        if self.heading_prefix and self.method is not Method.HEADINGS:
            raise InvalidInput(f'heading_prefix belongs to the method "headings", not to "{self.method}"')

    def to_json(self) -> dict[str, Any]:
        """As stored: plain values under names that stay."""
        return {
            "format": FORMAT,
            "method": self.method.value,
            "size": self.size,
            "overlap": self.overlap,
            "heading_prefix": self.heading_prefix,
        }

    def dumps(self) -> str:
        """One line of JSON; the same settings give the same characters."""
        return json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, content: object) -> ChunkingSettings:
        """Of what `to_json` or `dumps` gave. Raises InvalidInput for anything else."""
        if isinstance(content, str):
            try:
                content = json.loads(content)
            except ValueError as error:
                raise InvalidInput(f"chunking settings are not JSON: {error}") from None
        if not isinstance(content, dict):
            raise InvalidInput(f"chunking settings must be an object, not {content!r}")
        if unknown := sorted(map(str, content.keys() - _KEYS)):
            raise InvalidInput(
                f"chunking settings hold the unknown {', '.join(unknown)}: upgrade crossfade if a newer one wrote them"
            )
        if content.get("format") != FORMAT:
            raise InvalidInput(
                f"chunking settings are of format {content.get('format')!r} and this crossfade reads {FORMAT}: upgrade "
                "it, or build the index again"
            )
        return cls(**{key: value for key, value in content.items() if key != "format"})
