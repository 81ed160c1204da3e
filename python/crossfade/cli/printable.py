"""Text from elsewhere, as a terminal may see it."""

from __future__ import annotations

import unicodedata


def printable(text: str) -> str:
    r"""The text on one line, with escapes in the place of what a terminal would obey or a reader not see: control
    characters, line ends, marks that turn the direction, code points without a meaning. "\x1b[2J" is shown as such.

    Spaces of any width stay.
    """
    return "".join(character if _shown(character) else ascii(character)[1:-1] for character in text)


def _shown(character: str) -> bool:
    return character.isprintable() or unicodedata.category(character) == "Zs"
