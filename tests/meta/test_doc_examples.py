"""Examples in the documents that are written as a session give what they say."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest
from word_tokens import WordTokens

DOCS = Path(__file__).parents[2] / "docs"
NAMES = {"chunking.md": {"tokenizer": WordTokens()}}


@pytest.mark.parametrize("name", sorted(path.name for path in DOCS.glob("*.md") if ">>> " in path.read_text("utf-8")))
def test_a_session_gives_what_it_says(name: str, tmp_path: Path) -> None:
    text = (DOCS / name).read_text(encoding="utf-8")
    test = doctest.DocTestParser().get_doctest(
        text, {**NAMES.get(name, {}), "directory": tmp_path}, name, str(DOCS / name), 0
    )
    said: list[str] = []
    failures, tried = doctest.DocTestRunner().run(test, out=said.append)
    assert not failures, "".join(said)
    assert tried
