"""Protocols: read strictly, refused by name, hashed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crossfade.errors import DataError, InvalidInput
from crossfade.evaluation.decision.declared import declared_as
from crossfade.evaluation.decision.protocol import GuardSet, Protocol, SliceRule, Waiver
from crossfade.evaluation.decision.protocol_file import read_protocol, with_waivers

FULL = """
format = 1
primary = "NDCG@10"
measures = ["R@100"]
alpha = 0.1
superiority_margin = 0.01

[[guards]]
name = "general"
dataset = "general"
margin = 0.02

[[slices]]
name = "short"
words = [1, 3]

[[slices]]
name = "team"
field = "metadata.team"
margin = 0.05
require = "non_inferiority"

[gates]
least_queries = 50
least_judged = 0.8
leakage = "required"

[expected]
base = "cf1-abc"

[prices]
cpu_hour = 0.04

[[waivers]]
name = "slice:short"
reason = "agreed"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "protocol.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_says_everything(tmp_path: Path) -> None:
    protocol = read_protocol(written(tmp_path, FULL))
    assert protocol.primary == "nDCG@10"
    assert protocol.measures == ["nDCG@10", "R@100"]
    assert protocol.needed_measures(["AP"]) == ["nDCG@10", "R@100"]
    assert protocol.guards == [GuardSet("general", "general", 0.02)]
    assert protocol.slices[0] == SliceRule("short", least_words=1, most_words=3)
    assert protocol.slices[1].require == "non_inferiority"
    assert protocol.gates.least_queries == 50
    assert protocol.prices is not None
    assert Protocol.from_json(protocol.to_json()) == protocol
    assert Protocol.from_json(protocol.to_json()).sha256() == protocol.sha256()


def test_the_hash_moves_with_every_margin_and_not_with_spelling(tmp_path: Path) -> None:
    first = read_protocol(written(tmp_path, FULL)).sha256()
    assert read_protocol(written(tmp_path, FULL.replace("NDCG@10", "nDCG@10"))).sha256() == first
    assert read_protocol(written(tmp_path, FULL.replace("0.02", "0.021"))).sha256() != first
    assert len(first) == 64


def test_measures_come_from_the_command_where_the_protocol_names_none() -> None:
    protocol = Protocol(primary="RR", slices=[SliceRule("long", least_words=9, measure="P@5")])
    assert protocol.needed_measures(["nDCG@10", "RR"]) == ["RR", "nDCG@10", "P@5"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "format is missing; this crossfade reads format = 1"),
        ("format = 2", "format is 2"),
        ("format = 1\nalfa = 0.1", "unknown key alfa: remove it, or use one of primary, measures, alpha"),
        ("format = 1\n[gates]\nleast = 3", "unknown key gates.least"),
        ("format = 1\n[[slices]]\nname = 'a'\nlength = 3", r"unknown key slices\[0\].length"),
        ("format = 1\n[[guards]]\nname = 'a'\ndataset = 'b'", r"guards\[0\].margin is missing"),
        ("format = 1\nalpha = 'a'", "alpha: 'a' is not a finite number"),
        ("format = 1\nalpha = 0", "alpha is 0.0; expected a number between 0 and 0.5"),
        ("format = 1\nalpha = nan", "alpha"),
        ("format = 1\nprimary = 'nDGC@10'", "nDGC"),
        ("format = 1\nprimary = 'Judged@10'", "describes the judgments only"),
        ("format = 1\nsuperiority_margin = -0.1", "superiority_margin is -0.1; expected a number at least 0"),
        ("format = 1\nseed = -1", "seed is -1"),
        ("format = 1\npermutations = 0", "permutations is 0"),
        (
            "format = 1\n[[slices]]\nname = 'a'",
            "must say its queries by one of words, identifiers, field, file, cause; given",
        ),
        ("format = 1\n[[slices]]\nname = 'a'\nwords=[1, 2]\nfield='x'", "given: words, field"),
        ("format = 1\n[[slices]]\nname = 'a'\nwords=[3]", r"words is \[3\]; expected \[least, most\]"),
        ("format = 1\n[[slices]]\nname = 'a'\nwords=[3, 2]", "from 3 to 2 words: swap the two"),
        ("format = 1\n[[slices]]\nname = 'a'\nidentifiers=true\nequals='x'", "has equals and no field"),
        ("format = 1\n[[slices]]\nname = 'a:b'\nidentifiers=true", "'a:b' is no name"),
        (
            "format = 1\n[[slices]]\nname = 'a'\nidentifiers=true\n[[slices]]\nname='a'\nwords=[1,2]",
            "two are named 'a'",
        ),
        (
            "format = 1\n[[slices]]\nname = 'a'\nidentifiers=true\nrequire='non_inferiority'",
            "within a margin of 0, which no equal candidate shows",
        ),
        ("format = 1\n[[slices]]\nname = 'a'\nidentifiers=true\nrequire='hope'", "one of no_harm, non_inferiority"),
        ("format = 1\n[[guards]]\nname = 'a'\ndataset = 'b'\nmargin = 0", "margin of guard set 'a' is 0.0"),
        ("format = 1\n[gates]\nleast_judged = 1.5", "gates.least_judged is 1.5"),
        ("format = 1\n[gates]\ncost_per_million_queries = 3", "a cost budget needs prices"),
        ("format = 1\n[[waivers]]\nname = 'slice:a'\nreason = ' '", "gives no reason"),
        ("format = 1\n[[waivers]]\nname = 'match'\nreason = 'x'", "match cannot be waived"),
        ("format = 1\ngates = 3", "gates must be a table"),
        ("format = 1\n[[gates]]", "gates"),
        ("format = 1\nslices = 3", "slices"),
        ("format = ", "cannot be read as TOML"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(DataError, match=message) as caught:
        read_protocol(path)
    assert str(caught.value).startswith(str(path))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_protocol(tmp_path / "none.toml")


def test_waivers_from_the_command_line() -> None:
    protocol = Protocol(
        slices=[
            SliceRule("team", field="team"),
            SliceRule("one", field="team", equals="x"),
            SliceRule("kind", file="kinds.tsv"),
            SliceRule("short", most_words=3),
        ],
        waivers=[Waiver("latency", "known")],
    )
    for text, name, reason in (
        ("slice:team=legal=moved away", "slice:team=legal", "moved away"),
        ("slice:team=legal=agreed: n=3", "slice:team=legal", "agreed: n=3"),
        ("slice:kind=a= b ", "slice:kind=a", "b"),
        ("slice:one=until k=5", "slice:one", "until k=5"),
        ("slice:short=agreed: k=5", "slice:short", "agreed: k=5"),
        ("baseline=agreed: age=3 days ok", "baseline", "agreed: age=3 days ok"),
        ("guard:general=margin=0.1 is tight", "guard:general", "margin=0.1 is tight"),
    ):
        assert with_waivers(protocol, [text]) == [Waiver("latency", "known"), Waiver(name, reason)]
    for text in ("slice:short", "slice:short= ", "=x", "slice:short="):
        with pytest.raises(InvalidInput, match="expected NAME=REASON"):
            with_waivers(protocol, [text])
    with pytest.raises(InvalidInput, match="expected slice:team=VALUE=REASON"):
        with_waivers(protocol, ["slice:team=legal"])


@pytest.mark.parametrize(
    ("change", "holds", "detail"),
    [
        ({}, True, ""),
        ({"alpha": 0.2}, False, "protocol.alpha is 0.2, and 0.1 was declared"),
        ({"seed": 18}, False, "protocol.seed is 18, and 17 was declared"),
        ({"superiority_margin": 0.02}, True, "stricter than declared: superiority_margin is 0.02"),
        ({"superiority_margin": 0.0}, False, "superiority_margin is 0.0, and 0.01 was declared"),
        ({"gates": {"least_queries": 60}}, True, "stricter than declared: gates.least_queries is 60, not 50"),
        ({"gates": {"least_queries": 49}}, False, "gates.least_queries is 49, and 50 was declared"),
        ({"gates": {"least_judged": None}}, False, "gates.least_judged is None"),
        ({"gates": {"latency_p99_ms": 5.0}}, True, "gates.latency_p99_ms is 5.0, not None"),
        ({"gates": {"judged_at": 5}}, False, "gates.judged_at is 5"),
        ({"gates": {"leakage": "optional"}}, False, "gates.leakage is 'optional'"),
        ({"measures": ["nDCG@10"]}, False, "protocol.measures"),
        ({"waivers": [Waiver("slice:short", "agreed"), Waiver("latency", "x")]}, False,
         "waived beyond the declaration: latency"),
        ({"waivers": [Waiver("slice:short", "another")]}, False, "waived beyond the declaration: slice:short"),
        ({"waivers": []}, False, "waivers lacks slice:short as declared"),
        ({"slices": []}, False, "slices lacks short as declared; slices lacks team as declared"),
    ],
)  # fmt: skip
def test_a_protocol_is_as_declared_or_stricter(
    tmp_path: Path, change: dict[str, Any], holds: bool, detail: str
) -> None:
    path = written(tmp_path, FULL)
    protocol = read_protocol(path)
    gates = change.pop("gates", {})
    held = replace(protocol, **change, gates=replace(protocol.gates, **gates))
    check = declared_as({"protocol": held.to_json()}, path)
    assert check.holds is holds
    assert detail in check.detail


def test_slices_may_be_added_and_are_named(tmp_path: Path) -> None:
    path = written(tmp_path, FULL)
    protocol = read_protocol(path)
    more = replace(protocol, slices=[*protocol.slices, SliceRule("more", least_words=2)])
    check = declared_as({"protocol": more.to_json()}, path)
    assert (check.holds, check.detail) == (True, "slices beside the declaration: more")


def test_a_silent_file_takes_any_measures_and_only_stricter_limits(tmp_path: Path) -> None:
    path = written(tmp_path, "format = 1")
    protocol = replace(read_protocol(path), measures=["nDCG@10", "RR"])
    assert declared_as({"protocol": protocol.to_json()}, path).holds
    for looser in (replace(protocol, alpha=0.4), replace(protocol, waivers=[Waiver("queries", "x")])):
        assert declared_as({"protocol": looser.to_json()}, path).holds is False
    assert declared_as({"protocol": replace(protocol, primary="RR").to_json()}, path).holds is False
