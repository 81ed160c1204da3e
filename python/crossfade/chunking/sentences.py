"""Where sentences end: by rules, in running text of any language that ends its sentences with a mark.

Made for retrieval: a missed end makes a chunk a little longer, a false one tears "Dr. Smith" apart. So an end needs
evidence, and what could be an abbreviation is one unless a word that begins sentences follows.
"""

from __future__ import annotations

import re

from crossfade.chunking.blocks import Block, Kind, starts_item

_CLOSERS = "\"'”’»›)\\]}」』】）〉》*_`"
# These end a sentence without a space behind: ideographic stops, danda, and the stops of Urdu, Armenian, Ethiopic.
_FULL = "。！？｡।॥۔։።"
_STOP = re.compile(rf"(?:[.!?…؟‼⁇⁈⁉]+|[{_FULL}]+)[{_CLOSERS}]*")
_WORD_BEFORE = re.compile(r"[\w.&]+$")
_OPENERS = "\"'“‘«‹([{「『【（〈《*_`¿¡-–—"
_REACH = 40

_TITLES = "mr mrs ms mx dr prof rev fr st hon gen col maj capt lt cmdr sgt gov sen rep pres messrs mme mlle m"
_REFERENCES = "fig figs eq eqs secs ch chap vol pp p nos para approx ca cf viz vs v resp incl excl e.g i.e"
_REFERENCES += " ed eds trans ver dept univ assn bros mt ft ave blvd rd tel ext est avg refs nr bzw z.b"
_REFERENCES += " d.h u.a ggf vgl evtl sog str p.ex env cie"
_NEVER = frozenset(f"{_TITLES} {_REFERENCES}".split())
# Words in their own right, and abbreviations before a number.
_NUMBERED = frozenset(("no", "art", "sec", "min", "max", "tab", "ref"))
# These end a sentence as often as not.
_SOMETIMES = frozenset(
    [
        "etc",
        "inc",
        "ltd",
        "co",
        "corp",
        "llc",
        "jr",
        "sr",
        "al",
        "usw",
        "jan",
        "feb",
        "mar",
        "apr",
        "jun",
        "jul",
        "aug",
        "sep",
        "sept",
        "oct",
        "nov",
        "dec",
        "mon",
        "tue",
        "wed",
        "thu",
        "fri",
        "sat",
        "sun",
        "bzgl",
        "plc",
        "gmbh",
        "ph.d",
        "m.d",
        "b.a",
        "m.a",
        "d.c",
    ]
)
_STARTERS = frozenset(
    [
        "a",
        "an",
        "the",
        "this",
        "that",
        "these",
        "those",
        "it",
        "its",
        "he",
        "she",
        "they",
        "we",
        "you",
        "i",
        "in",
        "on",
        "at",
        "for",
        "from",
        "with",
        "by",
        "as",
        "if",
        "when",
        "while",
        "where",
        "who",
        "what",
        "why",
        "how",
        "but",
        "and",
        "or",
        "so",
        "yet",
        "however",
        "there",
        "here",
        "then",
        "thus",
        "after",
        "before",
        "because",
        "although",
        "since",
        "both",
        "each",
        "all",
        "some",
        "many",
        "most",
        "no",
        "not",
        "his",
        "her",
        "their",
        "our",
        "your",
        "my",
        "to",
        "one",
    ]
)


def sentence_ends(text: str, block: Block, *, cased: bool) -> list[int]:
    """Where the sentences of a block end, in order, the block's own end last.

    `cased`: the text has capitals, so that a small letter says that the sentence goes on. Fenced code is one sentence,
    each line of indented code is one, and so is each heading.
    """
    if block.kind in {Kind.FENCED, Kind.HEADING}:
        return [block.end]
    if block.kind is Kind.INDENTED:
        return list(block.lines)
    ends: list[int] = []
    start = block.start
    for line_end, following in zip(block.lines, (*block.lines[1:], None), strict=True):
        if following is None or starts_item(text[line_end:following].lstrip()):
            ends += _prose_ends(text, start, line_end, cased=cased)
            start = line_end
    return ends


def _prose_ends(text: str, start: int, end: int, *, cased: bool) -> list[int]:
    ends = [
        found.end()
        for found in _STOP.finditer(text, start, end)
        if found.end() < end and _is_end(text, start, end, found, cased=cased)
    ]
    return [*ends, end]


def _is_end(text: str, start: int, end: int, found: re.Match[str], *, cased: bool) -> bool:
    mark, after = found.group(), found.end()
    stop = mark.rstrip(_CLOSERS.replace("\\", ""))
    closed = len(stop) < len(mark)
    spaced = text[after].isspace()
    if not spaced:
        # A quotation that ends inside a sentence goes on with a letter: 「行く。」と言った
        return stop[-1] in _FULL and not (closed and text[after].isalnum())
    following = text[after : min(end, after + _REACH)].lstrip()
    bare = following.lstrip(_OPENERS).lstrip()
    if cased and bare[:1].islower():
        return False
    if stop != ".":
        return True
    return not _abbreviates(text, start, found.start(), bare, closed=closed)


def _abbreviates(text: str, start: int, stop: int, following: str, *, closed: bool) -> bool:
    """Whether the full stop belongs to the word before it, and only to that."""
    before = _WORD_BEFORE.search(text, max(start, stop - _REACH), stop)
    if before is None:
        return False
    word = before.group().strip("._")
    lower = word.casefold()
    if word.isdigit():
        # "3. Open the file": the number of an item, where it begins the line.
        line = text.rfind("\n", start, before.start()) + 1
        return not text[max(start, line) : before.start()].strip()
    if lower in _NUMBERED:
        return following[:1].isdigit()
    if lower in _NEVER:
        return not closed
    initial = len(word) == 1 and word.isupper() and word != "I"
    dotted = "." in word and all(len(part) <= 2 and part.isalpha() for part in word.split("."))
    if initial or dotted or lower in _SOMETIMES:
        next_word = re.match(r"[^\W\d_]+", following)
        return not closed and following != "" and not (next_word and next_word.group().casefold() in _STARTERS)
    return False
