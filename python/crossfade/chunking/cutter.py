"""Cuts one document greedily: each chunk ends as late as its limit allows.

Tokens are counted as they lie in the whole document. A chunk on its own may have more of them (a word cut in two is
spelled otherwise), so whoever holds the tokenizer checks each chunk and calls `shrink` for one that is too long: it and
what follows are then cut anew.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

from crossfade.chunking.outline import Outline
from crossfade.chunking.prefixes import Prefix, Prefixes
from crossfade.chunking.settings import ChunkingSettings, Method

# From here on all of the document is cut with the margin that its chunks turned out to need, so that a tokenizer whose
# counts never add up costs this many rounds, and not one for each chunk.
_PATIENCE = 8
_MOST_MARKS = 16  # tokens to go back for a word


class Cutter:
    """One document in the making."""

    def __init__(self, title: str, outline: Outline, prefixes: Prefixes, settings: ChunkingSettings) -> None:
        self.outline = outline
        self._title = title
        self._prefixes = prefixes
        self._settings = settings
        self._limits: dict[int, int] = {}
        self._margin = 0
        self._rounds = 0

    def prefix(self, start: int) -> Prefix:
        """What is put before a chunk that begins at `start`."""
        return self._prefixes.choose(self._title, self.outline.section_of(start), start)

    def limit(self, start: int) -> int:
        """Tokens that the text of a chunk that begins at `start` may have."""
        room = self.prefix(start).room
        return min(room, self._settings.size) if self._settings.size else room

    def spans(self) -> list[tuple[int, int]]:
        """The chunks as they are now: [start, end), in characters."""
        outline, overlap = self.outline, self._settings.overlap
        found: list[tuple[int, int]] = []
        start = outline.next_visible(0)
        if start is None:
            return [(0, 0)]
        while start is not None:
            end = self._end(start)
            following = outline.next_visible(end)
            # With an overlap the next chunk repeats words of this one.
            if not overlap and following is not None and not outline.has_word(following, following + 1):
                end = self._leaving_a_word(start, end, following)
                following = outline.next_visible(end)
            found.append((start, end))
            if overlap and following is not None:
                # What is repeated must leave room for something new.
                fitting = (back for back in self._backs(start, end) if self._end(back) > end)
                following = next(fitting, following)
            start = following
        return found

    def is_single(self, start: int, end: int) -> bool:
        """Whether the chunk is one character as readers see it, which nothing can make smaller."""
        return end <= start or end <= self.outline.next_boundary(start)

    def shrink(self, start: int, end: int, excess: int) -> None:
        """Give the chunk that begins at `start` less: it has `excess` tokens more than it may."""
        held = self.outline.tokens_before(end) - self.outline.tokens_before(start)
        self._limits[start] = held - max(excess, 1)
        if self._rounds > _PATIENCE:
            self._margin = max(self._margin + 1, excess)

    def next_round(self) -> None:
        """Count a round of checks."""
        self._rounds += 1

    def _end(self, start: int) -> int:
        limit = self._limits.get(start)
        if limit is None:
            limit = self.limit(start) - self._margin
        return self.outline.furthest(start, limit)

    def _leaving_a_word(self, start: int, end: int, following: int) -> int:
        """Where the chunk ends so that the next one, which begins at `following`, is more than a full stop: a little
        earlier than it could, with a word for the next. `end` itself where that is so already, or cannot be."""
        outline = self.outline
        if outline.has_word(following, self._end(following)):
            return end
        tokens, earlier = outline.tokens_before(end) - outline.tokens_before(start), end
        for _ in range(_MOST_MARKS):
            tokens -= 1
            if tokens < 1:
                break
            earlier = outline.furthest(start, tokens)
            if not start < earlier < end:
                continue
            if outline.has_word(start, earlier) and outline.has_word(earlier, end):
                section = outline.section_of(start)
                return earlier if section is outline.section_of(following) else end
        return end

    def _backs(self, start: int, end: int) -> Iterator[int]:
        """Where the chunk after [start, end) might begin so as to repeat some of it, the most that was asked for first.

        Sentences are tried one fewer at a time; of tokens it is all or nothing.
        """
        outline, overlap = self.outline, self._settings.overlap
        if self._settings.method is Method.SENTENCES:
            at = bisect_left(outline.unit_ends, end)
            if outline.unit_ends[at] != end:  # a sentence that was too long, and goes on in the next chunk
                return
            places = outline.unit_ends[max(0, at - overlap) : at]
        else:
            level = outline.levels[0]
            least = outline.tokens_before(end) - overlap
            places = [max(level.ends[bisect_left(level.tokens, least)], outline.next_boundary(start))]
        for place in places:
            back = outline.next_visible(place)
            if back is not None and start < back < end:
                yield back
