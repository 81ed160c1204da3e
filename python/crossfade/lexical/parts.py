"""The parts that are searched: segments on the disk, and a tail in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from os import PathLike, fspath
from typing import SupportsIndex

from crossfade import _native
from crossfade.arguments import whole
from crossfade.errors import InvalidInput
from crossfade.lexical.settings import AnalyserSettings, text_list

_LEAST_MEMORY = 16 << 20
_MOST = 2**63 - 1


class Segment:
    """An immutable text index, mapped into memory. Safe to search from many threads.

    Its files stay mapped while it lives, also when the directory is renamed or deleted; they must not be written to.
    """

    def __init__(self, directory: str | PathLike[str], settings: AnalyserSettings | None = None) -> None:
        """Open what `build` wrote, and check every byte of it against its checksum: time O(bytes).

        Raises DataError where a file is missing, cannot be read or is not what was written, and InvalidInput where the
        index has other settings than those given.
        """
        self.native = _native.TextSegment(fspath(directory), None if settings is None else settings.to_json())

    @property
    def rows(self) -> int:
        """How many texts were added; row i is the i-th."""
        return self.native.rows

    @property
    def tokens(self) -> int:
        """Tokens of all rows."""
        return self.native.tokens

    @property
    def settings(self) -> AnalyserSettings:
        """Those it was built with."""
        return AnalyserSettings.from_json(self.native.settings)

    def __len__(self) -> int:
        return self.native.rows


class View:
    """The first rows of a tail, as they are and stay: an immutable part."""

    def __init__(self, native: _native.TextView) -> None:
        """What `Tail.view` makes."""
        self.native = native

    @property
    def rows(self) -> int:
        """How many."""
        return self.native.rows

    @property
    def tokens(self) -> int:
        """Tokens of its rows."""
        return self.native.tokens

    def build(self, directory: str | PathLike[str], *, memory: SupportsIndex = 256 << 20) -> int:
        """Write a text index of these rows, in order, into `directory`; how many rows there are.

        It is what `build` makes of their texts, whose words the tail has already: that takes a fifth of the time. All
        that is said there holds here.
        """
        return self.native.build(fspath(directory), whole(memory, "memory", _LEAST_MEMORY, _MOST))

    def __len__(self) -> int:
        return self.native.rows


class Tail:
    """Rows in memory that no segment has yet: appended by one or more threads, searched by others meanwhile."""

    def __init__(self, settings: AnalyserSettings) -> None:
        """A tail without rows."""
        self._settings = settings
        self.native = _native.TextTail(settings.to_json())

    def append(self, texts: Sequence[str]) -> int:
        """Append a row for each text, all or none; the number of the first. Whoever asks from then on finds them.

        Raises InvalidInput for what is no str of valid Unicode, LimitExceeded for a text beyond 128 MiB or rows beyond
        2^31 - 2.
        """
        return self.native.append(text_list(texts, "texts"))

    def cut(self, rows: SupportsIndex) -> None:
        """Forget the rows from there on. Views that hold any of them must not be used any more."""
        self.native.cut(whole(rows, "rows", 0, _MOST))

    def view(self, rows: SupportsIndex | None = None) -> View:
        """The first `rows` rows, or all that there are now. Raises InvalidInput where there are fewer."""
        return View(self.native.view(None if rows is None else whole(rows, "rows", 0, _MOST)))

    @property
    def rows(self) -> int:
        """How many so far."""
        return self.native.rows

    @property
    def settings(self) -> AnalyserSettings:
        """Those of its analyser."""
        return self._settings

    def __len__(self) -> int:
        return self.native.rows


def build(
    directory: str | PathLike[str],
    batches: Iterable[Sequence[str]],
    settings: AnalyserSettings,
    *,
    memory: SupportsIndex = 256 << 20,
    progress: Callable[[int], object] | None = None,
) -> int:
    """Write a text index of all rows of all `batches`, in order, into `directory`; how many rows there are.

    The directory must be empty or not exist. It is complete, and on the disk, when this returns; what an error or an
    interrupt leaves is no index, and may be deleted. It may be renamed. Names of files in it are random, what they hold
    is not. No text is stored.

    `memory`: bytes for rows that are not on the disk yet, at least 16 MiB. `progress` is told after each batch how many
    rows there are. The GIL is released meanwhile, and Ctrl-C stops the work, but for the merge at its end.

    Raises AlreadyExists where the directory is not empty, InvalidInput for what is no str of valid Unicode, DataError
    where the disk refuses, LimitExceeded for a text beyond 128 MiB or rows beyond 2^31 - 2.
    """
    if isinstance(batches, str | bytes):
        raise InvalidInput("batches must be lists of str, not one text: put it in a list in a list")
    budget = whole(memory, "memory", _LEAST_MEMORY, _MOST)
    builder = _native.TextBuilder(fspath(directory), settings.to_json(), budget)
    rows = 0
    for batch in batches:
        rows = builder.add(text_list(batch, "a batch"))
        if progress is not None:
            progress(rows)
    builder.finish()
    return rows
