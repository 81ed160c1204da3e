"""How many bytes of each kind of text a page shows, and how many of each kind of thing."""

from __future__ import annotations

NAME, QUERY, TITLE, SNIPPET, REASON = 120, 300, 120, 260, 1000  # bytes
RESULTS = 10  # shown of one ranking
REASONS = 20
LONG_LIST = 200  # rows of a table: of more, the first
