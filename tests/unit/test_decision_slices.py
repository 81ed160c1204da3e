"""Which queries a slice holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossfade.errors import DataError, InvalidInput
from crossfade.evaluation.decision.evidence import SliceMembers
from crossfade.evaluation.decision.protocol import SliceRule
from crossfade.evaluation.decision.slices import slice_members
from crossfade.evaluation.identifiers import has_identifier

QUERIES = {"q1": "bread", "q2": "two  words", "q3": "three whole words", "q4": "", "q5": "sony DSLR-A200 lens kit"}
FIELDS = {
    "q1": {"team": "legal", "metadata": {"year": 2024}},
    "q2": {"team": ["legal", "sales"], "metadata": {"year": 2025}},
    "q3": {"team": None, "new": True},
    "q5": {"a.b": "flat", "metadata": "text"},
}


def members(rule: SliceRule, **more: object) -> dict[str, list[str]]:
    found = slice_members([rule], QUERIES, **more)  # type: ignore[arg-type]
    assert all(each.rule == rule.name for each in found)
    return {each.name: each.queries for each in found}


def test_bands_of_words() -> None:
    assert members(SliceRule("short", least_words=1, most_words=2)) == {"short": ["q1", "q2"]}
    assert members(SliceRule("long", least_words=3)) == {"long": ["q3", "q5"]}
    assert members(SliceRule("to one", most_words=1)) == {"to one": ["q1", "q4"]}
    assert members(SliceRule("none", least_words=50)) == {"none": []}


def test_identifiers() -> None:
    assert members(SliceRule("codes", identifiers=True)) == {"codes": ["q5"]}
    assert members(SliceRule("prose", identifiers=False)) == {"prose": ["q1", "q2", "q3", "q4"]}


@pytest.mark.parametrize(
    "text",
    [
        "DSLR-A200", "canon mp3 player", "error 40013", "python 3.11.7", "snake_case", "std::vector", "os.path.join",
        "camelCase", "HttpClient", 'say "to be"', "192.168.0.1", "ISO 978-3-16", "v1.2", "a “quoted one” here",
        "at&t bill", "mail to a@b", "node->next",
    ],
)  # fmt: skip
def test_what_is_an_identifier(text: str) -> None:
    assert has_identifier(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "how to bake bread",
        "NATO members",
        "3 ways",
        "top 10",
        "e.g. this",
        "it's",
        "well-known",
        "What Is It",
        "3.5 percent",
        "i.e. that",
        '""',
        '" "',
    ],
)
def test_what_is_none(text: str) -> None:
    assert not has_identifier(text)


def test_fields() -> None:
    assert members(SliceRule("team", field="team"), fields=FIELDS) == {
        "team=legal": ["q1", "q2"],
        "team=sales": ["q2"],
    }
    assert members(SliceRule("sales", field="team", equals="sales"), fields=FIELDS) == {"sales": ["q2"]}
    assert members(SliceRule("year", field="metadata.year"), fields=FIELDS) == {
        "year=2024": ["q1"],
        "year=2025": ["q2"],
    }
    assert members(SliceRule("new", field="new"), fields=FIELDS) == {"new=true": ["q3"]}
    assert members(SliceRule("flat", field="a.b"), fields=FIELDS) == {"flat=flat": ["q5"]}
    with pytest.raises(InvalidInput, match="no judged query has the field 'tenant'"):
        members(SliceRule("x", field="tenant"), fields=FIELDS)
    with pytest.raises(InvalidInput, match="give the fields"):
        members(SliceRule("x", field="team"))


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "causes.tsv"
    path.write_text("q3\tmismatch\nq1\tlow\nq1\tmismatch\n", encoding="utf-8")
    assert slice_members([SliceRule("cause", file="causes.tsv")], QUERIES, folder=tmp_path) == [
        SliceMembers("cause=low", "cause", ["q1"]),
        SliceMembers("cause=mismatch", "cause", ["q1", "q3"]),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("q1", ":1: expected two columns"),
        ("q1\t ", ":1: expected two columns"),
        ("q1\ta\nq9\ta", ":2: query 'q9' is none"),
        ("q1\ta\nq1\ta", ":2: query 'q1' is in slice 'a' twice"),
        ("", "empty"),
    ],
)
def test_files_that_are_none(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "bad.tsv").write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        slice_members([SliceRule("cause", file="bad.tsv")], QUERIES, folder=tmp_path)
