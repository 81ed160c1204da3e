"""Queries that ask for one thing by its name: a part number, a function, a quoted phrase. Words find these, and a model
that was tuned on prose may lose them.
"""

from __future__ import annotations

import re

_IDENTIFIER = re.compile(
    r"""
    (?<![\w]) (?:
        (?=[\w./:#-]*[^\W\d_]) (?=[\w./:#-]*\d) [\w][\w./:#-]*\w     # letters and digits in one: DSLR-A200, mp3, v1.2
      | \d{4,}                                                       # a long number: 40013, but no 3 and no 24
      | \d+(?:[.-]\d+){2,}                                           # 192.168.0.1, 978-3-16
      | \w+(?:_+\w+)+ | \w+(?:::\w+)+                                # snake_case, std::vector
      | [^\W\d_]\w*(?:\.[^\W\d_]\w*)+ (?:\(\))?                      # os.path.join
      | [a-z]+[A-Z]\w* | [A-Z][a-z0-9]+(?:[A-Z][a-z0-9]+)+           # camelCase, CamelCase
    ) (?![\w])
    | "[^"\s][^"]*" | “[^”\s][^”]*”                                  # a quoted phrase
    """,
    re.VERBOSE,
)


def has_identifier(text: str) -> bool:
    """Whether the query carries an identifier: a token of letters and digits, a number of four digits or more, several
    numbers in one, names as code spells them (snake_case, CamelCase, a.b, a::b), or a phrase in double quotes.
    """
    return _IDENTIFIER.search(text) is not None
