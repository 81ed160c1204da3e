"""What a cutter must know of one document: where its tokens are, where it may be cut, what headings stand above.

Rules for cutting are levels, the coarsest first. Of a level only the places count where its units end: whatever lies
between two of them is a unit, and a chunk may begin inside one.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crossfade.chunking.blocks import Block, Kind, blocks
from crossfade.chunking.boundaries import CONTROL, SPACE, SPACELESS, boundaries, classes_of, codes_of
from crossfade.chunking.sentences import sentence_ends
from crossfade.chunking.settings import Method


@dataclass(frozen=True, slots=True)
class Level:
    """`ends`: where units end, in order; `tokens[i]`: how many tokens of the document begin before `ends[i]`."""

    ends: list[int]
    tokens: list[int]


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading, and the character at which it begins."""

    start: int
    title: str


@dataclass(frozen=True, slots=True)
class Section:
    """What stands below one heading, itself included, up to `end`. `path`: it and those above, the outermost first."""

    end: int
    path: tuple[Heading, ...]


class Outline:
    """One document's text, ready to be cut."""

    def __init__(self, text: str, offsets: NDArray[np.int64], method: Method) -> None:
        self._text = text
        codes = codes_of(text)
        classes = classes_of(codes)
        self._free = boundaries(codes, classes)
        space = (classes & SPACE) != 0
        # A space that carries a combining mark is seen as a character.
        white = space & (self._free[1:] | np.append(space[1:], True))
        self._visible: list[int] = np.flatnonzero(~white).tolist()
        self._starts = _token_starts(offsets, np.array(self._visible, dtype=np.int64))
        self.length = self._visible[-1] + 1 if self._visible else 0
        found = blocks(text) if method is Method.HEADINGS or method is Method.SENTENCES else []
        self.sections = _sections(found, self.length) if method is Method.HEADINGS else [Section(self.length, ())]
        self.levels = self._levels(text, classes, white, found, method)
        self.unit_ends = self.levels[0].ends

    def tokens_before(self, character: int) -> int:
        """How many of the document's tokens begin before the character."""
        return bisect_left(self._starts, character)

    def next_visible(self, character: int) -> int | None:
        """The first character from here on that is not white space; None when there is none."""
        at = bisect_left(self._visible, character)
        return self._visible[at] if at < len(self._visible) else None

    def has_word(self, start: int, end: int) -> bool:
        """Whether there is more than punctuation and white space in [start, end)."""
        # Symbols say something, as emoji do.
        return any(unicodedata.category(each)[0] not in "PZC" for each in self._text[start:end])

    def section_of(self, character: int) -> Section:
        """The section that the character is in; of an empty text, the only one."""
        at = bisect_right(self.sections, character, key=lambda section: section.end)
        return self.sections[min(at, len(self.sections) - 1)]

    def furthest(self, start: int, tokens: int) -> int:
        """Where a chunk that begins at `start` ends: as late as the coarsest level allows that allows anything within
        its section and `tokens`; at the next character where none does.
        """
        limit = self.section_of(start).end
        before = self.tokens_before(start)
        for level in self.levels:
            at = min(bisect_right(level.tokens, before + tokens), bisect_right(level.ends, limit)) - 1
            if at >= 0 and level.ends[at] > start:
                return level.ends[at]
        return self.next_boundary(start)

    def next_boundary(self, character: int) -> int:
        """The first place after this one where the text may be cut at all."""
        at = character + 1
        while not self._free[at]:
            at += 1
        return at

    def _levels(
        self,
        text: str,
        classes: NDArray[np.uint16],
        white: NDArray[np.bool_],
        found: Sequence[Block],
        method: Method,
    ) -> list[Level]:
        places: list[NDArray[np.int64]] = []
        if method is Method.HEADINGS:
            places.append(np.array([b.end for b in found if b.kind is not Kind.HEADING], dtype=np.int64))
        if method is Method.HEADINGS or method is Method.SENTENCES:
            cased = any(map(str.isupper, text))
            sentences = [end for block in found for end in sentence_ends(text, block, cased=cased)]
            lines = [end for block in found for end in block.lines]
            places += [np.array(sentences, dtype=np.int64), np.union1d(sentences, lines).astype(np.int64)]
        places.append(_word_ends(classes, white))
        places.append(np.unique(np.array(self._starts, dtype=np.int64)))
        return [self._level(ends, white) for ends in places]

    def _level(self, ends: NDArray[np.int64], white: NDArray[np.bool_]) -> Level:
        ends = ends[(ends > 0) & (ends < self.length)]
        ends = ends[self._free[ends] & ~white[ends - 1]]
        ends = np.append(ends, self.length)
        tokens = np.searchsorted(np.array(self._starts, dtype=np.int64), ends, side="left")
        return Level(ends.tolist(), tokens.tolist())


def _token_starts(offsets: NDArray[np.int64], visible: NDArray[np.int64]) -> list[int]:
    """Where tokens begin, without the space before, which some tokenizers count to a token."""
    if not len(visible):
        return []
    moved = visible[np.minimum(np.searchsorted(visible, offsets[:, 0], side="left"), len(visible) - 1)]
    starts: list[int] = np.maximum.accumulate(moved).tolist() if len(moved) else []
    return starts


def _word_ends(classes: NDArray[np.uint16], white: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Before white space, and between the letters of scripts that are written without it."""
    if len(classes) < 2:
        return np.empty(0, dtype=np.int64)
    spaceless = (classes & SPACELESS) != 0
    ends = (~white[:-1] & white[1:]) | (spaceless[:-1] & spaceless[1:]) | ((classes[:-1] & CONTROL) != 0)
    return np.flatnonzero(ends) + 1


def _sections(found: Sequence[Block], length: int) -> list[Section]:
    """A heading with nothing below it begins the section of the next one."""
    sections: list[Section] = []
    path: list[tuple[int, Heading]] = []
    body = False
    for block in found:
        if block.kind is not Kind.HEADING:
            body = True
            continue
        if body:
            sections.append(Section(block.start, tuple(heading for _, heading in path)))
            body = False
        path = [(level, heading) for level, heading in path if level < block.level]
        path.append((block.level, Heading(block.start, block.title)))
    sections.append(Section(length, tuple(heading for _, heading in path)))
    return sections
