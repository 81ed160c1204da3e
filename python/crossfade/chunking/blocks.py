"""A text as blocks of lines: paragraphs, headings, code; in Markdown, in reStructuredText, or in neither."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

_LINE = re.compile(r"[^\n]*(?:\n|$)")
_ATX = re.compile(r"[ ]{0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*$")
_FENCE = re.compile(r"[ \t]*(`{3,}|~{3,})(.*)$")
_RULE = re.compile(r"([=\-`:'\"~^_*+#<>.])\1*$")
_INDENTED = re.compile(r"(?: {4}|\t|>>> |\.\.\. )")
# What begins a line of its own: items of lists, rows of tables, quotations, field lists.
_ITEM = re.compile(r"[ \t]*(?:[-*+•‣]|\d{1,3}[.)]|[a-zA-Z][.)]|\|)[ \t]|[ \t]*[|>]|[ \t]*:[\w ]+:")


class Kind(Enum):
    """What a block is."""

    PROSE = "prose"
    HEADING = "heading"
    FENCED = "fenced"
    INDENTED = "indented"


@dataclass(frozen=True, slots=True)
class Block:
    """Characters [start, end), without the white space around. `level` (from 1) and `title` are a heading's.

    `lines`: where the lines inside end.
    """

    kind: Kind
    start: int
    end: int
    lines: tuple[int, ...] = ()
    level: int = 0
    title: str = ""


@dataclass(frozen=True, slots=True)
class _Line:
    """`text`: without the line's end and what white space is before it; `end`: where that text ends."""

    start: int
    end: int
    text: str


def blocks(text: str) -> list[Block]:
    """The blocks of a text, in order; each character that is not white space is in exactly one.

    A heading is a line that begins with one to six `#` and a space, or a single line with a line of one repeated
    punctuation mark under it (and, in reStructuredText, over it too), at least three long or as long as the title. Its
    level is the number of `#`; of underlines `=` is 1 and `-` 2 where the text has `#` headings, else styles count in
    the order in which they appear. A fence that is not closed runs to the end.
    """
    return _Reader(text).read()


class _Reader:
    def __init__(self, text: str) -> None:
        self._lines = [
            _Line(found.start(), found.start() + len(found.group().rstrip()), found.group().rstrip())
            for found in _LINE.finditer(text)
        ]
        self._markdown = any(_ATX.match(line.text) for line in self._lines if "#" in line.text)
        self._styles: dict[str, int] = {}
        self._found: list[Block] = []
        self._prose: list[_Line] = []

    def read(self) -> list[Block]:
        at, lines = 0, self._lines
        while at < len(lines):
            line = lines[at]
            if not line.text:
                self._flush()
                at += 1
                continue
            after = self._fenced(at) or self._heading(at) or self._indented(at)
            if after:
                at = after
                continue
            self._prose.append(line)
            at += 1
        self._flush()
        return self._found

    def _flush(self) -> None:
        if self._prose:
            self._add(Kind.PROSE, self._prose)
            self._prose = []

    def _add(self, kind: Kind, lines: list[_Line], level: int = 0, title: str = "") -> None:
        first = lines[0]
        start = first.start + len(first.text) - len(first.text.lstrip())
        lines = [line for line in lines if line.text]
        ends = tuple(line.end for line in lines)
        self._found.append(Block(kind, start, ends[-1], ends, level, title))

    def _fenced(self, at: int) -> int:
        """The line after the fenced block that begins here; 0 when none does."""
        opening = _FENCE.match(self._lines[at].text)
        if opening is None or (opening[1][0] == "`" and "`" in opening[2]):
            return 0
        self._flush()
        last = at + 1
        while last < len(self._lines):
            closing = _FENCE.match(self._lines[last].text)
            last += 1
            if closing and not closing[2] and closing[1].startswith(opening[1]):
                break
        self._add(Kind.FENCED, self._lines[at:last])
        return last

    def _heading(self, at: int) -> int:
        """The line after the heading that begins here; 0 when none does."""
        lines = self._lines
        line = lines[at]
        atx = _ATX.match(line.text)
        if atx:
            self._flush()
            self._add(Kind.HEADING, [line], len(atx[1]), (atx[2] or "").strip())
            return at + 1
        if self._prose:  # an underline belongs to a line that stands alone
            return 0
        over = self._rule(at)
        title = at + 1 if over else at
        under = self._rule(title + 1)
        if not under or (over and over != under):
            return 0
        words = lines[title].text.strip()
        if not words or self._rule(title) or _ITEM.match(lines[title].text):
            return 0
        if len(under) < len(words) and (len(under) < 3 or under[0] not in "=-"):
            return 0
        if over and len(over) < len(words):
            return 0
        style = under[0] * 2 if over else under[0]
        if self._markdown and style in {"=", "-"}:
            level = 1 if style == "=" else 2
        else:
            level = self._styles.setdefault(style, len(self._styles) + 1)
        self._add(Kind.HEADING, lines[at : title + 2], level, words)
        return title + 2

    def _rule(self, at: int) -> str:
        """The line, when it is one punctuation mark repeated."""
        if at >= len(self._lines):
            return ""
        text = self._lines[at].text
        return text if len(text) > 1 and _RULE.match(text) else ""

    def _indented(self, at: int) -> int:
        """The line after the indented code that begins here; 0 when none does."""
        if self._prose or not _INDENTED.match(self._lines[at].text):
            return 0
        last = at
        while last < len(self._lines) and self._lines[last].text and _INDENTED.match(self._lines[last].text):
            last += 1
        self._add(Kind.INDENTED, self._lines[at:last])
        return last


def starts_item(line: str) -> bool:
    """Whether a line of prose begins something of its own, and so does not go on with the line before."""
    return _ITEM.match(line) is not None
