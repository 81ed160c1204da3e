"""What `crossfade store search` found, for people: a line a document, as wide as the window."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from crossfade.cli.printable import printable
from crossfade.wording import counted

_MOST_ID_PADDING = 32  # columns: one long id must not push all others' texts away
_LEAST_TEXT = 24  # columns, below which a text begins on a line of its own
_MOST = 400  # characters of a text that are looked at


def show_hits(hits: Sequence[dict[str, Any]], width: int) -> None:
    """`hits`: as JSON has them. `width`: columns. Ids are never cut: they are what comes next is asked by."""
    from rich.cells import cell_len

    if not hits:
        print("crossfade: no hits", file=sys.stderr)
        return
    scores = [f"{hit['score']:.4f}" for hit in hits]
    ids = [printable(hit["id"]) for hit in hits]
    wide = max(map(len, scores))
    padding = max((cell_len(each) for each in ids if cell_len(each) <= _MOST_ID_PADDING), default=0)
    for rank, (hit, score, name) in enumerate(zip(hits, scores, ids, strict=True), start=1):
        head = f"{rank:>3}  {score:>{wide}}  {name}{' ' * (padding - cell_len(name))}"
        room = width - cell_len(head) - 2
        if room >= _LEAST_TEXT:
            print(f"{head}  {_described(hit, room)}".rstrip())
        else:
            print(head.rstrip())
            print(f"     {_described(hit, max(width - 5, _LEAST_TEXT))}".rstrip())


def show_stages(stages: Sequence[dict[str, Any]]) -> None:
    """`stages`: as JSON has them: what each found, best first."""
    for stage in stages:
        print(f"{stage['stage']}: {counted(len(stage['candidates']), 'document')}, {stage['ns'] / 1e6:.1f} ms")
        for rank, each in enumerate(stage["candidates"], start=1):
            where = "" if each["span"] is None else f"  {each['span'][0]}-{each['span'][1]}"
            print(f"{rank:>3}  {each['score']:.4f}  {printable(each['id'])}{where}")


def tell_missing(pending: int, *, incomplete: bool) -> None:
    """On stderr, what a search could not find."""
    if pending:
        lacks = counted(pending, "document")
        print(
            f"crossfade: pending: the index version that was searched lacks {lacks}, which cannot be found in it "
            "(crossfade store version fill)",
            file=sys.stderr,
        )
    if incomplete:
        print(
            "crossfade: incomplete: something of the collection is damaged, and was not searched or is not shown "
            "(crossfade store check)",
            file=sys.stderr,
        )


def _described(hit: dict[str, Any], room: int) -> str:
    """Title and text in so many columns."""
    if hit["text"] is None:
        return cut("(its document is damaged)", room)
    start, stop = hit["span"] or (0, len(hit["text"]))
    title = _line(hit["title"])
    text = _line(hit["text"][start : min(stop, start + _MOST)])
    return cut(f"{cut(title, room // 2)}  {text}" if title else text, room)


def _line(text: str) -> str:
    return printable(" ".join(text[:_MOST].split()))


def cut(text: str, room: int) -> str:
    """The text in so many columns, with three dots for what is left out."""
    from rich.cells import cell_len, set_cell_size

    return text if cell_len(text) <= room else set_cell_size(text, max(room - 3, 0)).rstrip() + "..."
