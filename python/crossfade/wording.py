"""Numbers of things, in words."""

from __future__ import annotations


def counted(number: int, what: str) -> str:
    """A number of things, as "1 document", "2,000 documents"."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def are_in(documents: int) -> str:
    """What is said of documents that were taken, as "1 document is in"."""
    return f"{counted(documents, 'document')} {'is' if documents == 1 else 'are'} in"
