"""The page as a file: complete in itself, well formed, bounded, inert and legible."""

from __future__ import annotations

import base64
import copy
import hashlib
import re
from html.parser import HTMLParser
from importlib.resources import files
from typing import Any

import pytest
from report_samples import comparison

from crossfade.report import render
from crossfade.report.queries import HIGHLIGHTS, MAX_LISTED, MAX_RANKED

VOID = {"meta", "input"}
SECTIONS = ["measures", "balance", "queries", "latency", "facts"]
ATTACKS = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>",
    "</title></style></script><svg onload=alert(1)>",
    "{{ 7 * 7 }} {% raw %} ${7*7}",
    "javascript:alert(1) &lt;b&gt; &#x3c;script&#x3e;",
    "\u202etxt.exe \x00\x1b]0;title\x07 \ud800 \ufffe",
    "x" * 2_000_000,
    "日本語のとても長い文書" * 10_000,
    "Z\u0351\u036b\u0343\u036a" * 500,
]


class Tree(HTMLParser):
    """Notes every element, its attributes, headings and text; fails on a tag that is not closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text: list[str] = []
        self.headings: list[int] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("script", "style"):
            self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def of_class(self, name: str) -> list[dict[str, str]]:
        return [attributes for _, attributes in self.elements if name in attributes.get("class", "").split()]


@pytest.mark.parametrize(
    ("verdict", "title", "tone"),
    [("ship", "Ship it", "good"), ("do_not_ship", "Do not ship it", "bad"), ("inconclusive", "Inconclusive", "open")],
)
def test_the_verdict_comes_first(verdict: str, title: str, tone: str) -> None:
    record = comparison(verdict, count=30)
    page = render(record)
    tree = Tree(page)
    assert tree.headings[0] == 1
    assert f'<h1 id="verdict">{title}</h1>' in page
    assert len(tree.of_class(tone)) >= 1
    parts = [*record["reasons"], *(f'<section class="section" id="{name}"' for name in SECTIONS)]
    places = [page.index(title), *(page.index(part) for part in parts)]
    assert places == sorted(places)


def test_the_figures_are_the_records() -> None:
    record = comparison("do_not_ship", count=40)
    text = " ".join(Tree(render(record)).text)
    for side in ("base", "candidate"):
        assert record[side]["model"]["fingerprint"] in text
        for value in record[side]["measures"].values():
            assert f"{value:.3f}" in text
    for found in record["difference"].values():
        assert f"{found['delta']:+.3f}".replace("-", "−").replace("+0.000", "0.000").replace("−0.000", "0.000") in text
    assert f"▲ {record['difference']['nDCG@10']['wins']} better" in text
    for query in record["queries"]:
        assert query["text"] in text


def test_it_is_one_well_formed_file_that_needs_nothing_else() -> None:
    tree = Tree(render(comparison("ship", count=40)))
    assert not [tag for tag, _ in tree.elements if tag in ("link", "img", "iframe", "object", "embed", "base")]
    for tag, attributes in tree.elements:
        assert not {"src", "srcset", "style", "xlink:href"} & attributes.keys(), tag
        assert not [name for name in attributes if name.startswith("on")], tag
        assert attributes.get("href", "#").startswith("#")
    ids = [attributes["id"] for _, attributes in tree.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in tree.elements:
        if attributes.get("href", "").startswith("#"):
            assert attributes["href"][1:] in ids
        if "aria-labelledby" in attributes:
            assert attributes["aria-labelledby"] in ids
    assert all(later <= earlier + 1 for earlier, later in zip(tree.headings, tree.headings[1:], strict=False))
    assert tree.headings.count(1) == 1


def test_every_plot_has_words() -> None:
    drawn = [svg for svg in Tree(render(comparison("ship", count=12))).all("svg") if "x" not in svg]
    assert len(drawn) > 10
    assert all(svg.get("aria-hidden") == "true" or svg.get("aria-label") for svg in drawn)


def test_the_policy_admits_exactly_this_style_and_this_script() -> None:
    page = render(comparison("ship", count=4))
    policy = next(meta["content"] for meta in Tree(page).all("meta") if "http-equiv" in meta)
    assert policy.startswith("default-src 'none'")
    for tag, directive in (("style", "style-src"), ("script", "script-src")):
        found = re.findall(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        assert len(found) == 1
        digest = base64.b64encode(hashlib.sha256(found[0].encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}'" in policy


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: ascii(attack[:12]))
def test_hostile_text_is_inert(attack: str) -> None:
    calm = comparison("ship", count=6)
    record: dict[str, Any] = copy.deepcopy(calm)
    for side in ("base", "candidate"):
        record[side].update(dataset=attack, split=attack)
        record[side]["model"] = dict.fromkeys(record[side]["model"], attack)
        record[side]["settings"] = {attack: attack, "nested": {attack: [attack]}}
    record["settings"][attack] = {attack: attack}
    record["reasons"] = [attack] * 3
    for side in ("base", "candidate"):
        record[side]["measures"][attack] = record[side]["measures"].pop("AP")
    record["difference"][attack] = record["difference"].pop("AP")
    for query in record["queries"]:
        hostile_id = attack[:20_000] + query["query_id"]
        for side in ("base", "candidate"):
            values = record[side]["per_query"]["nDCG@10"]
            values[hostile_id] = values.pop(query["query_id"])
        query.update(query_id=hostile_id, text=attack)
        for key in ("base_results", "candidate_results", "relevant"):
            for result in query[key]:
                result.update(id=attack[:20_000] + result["id"], title=attack, snippet=attack)
    page = render(record)
    page.encode()
    tree, expected = Tree(page), Tree(render(calm))
    kinds = [{(tag, *attributes) for tag, attributes in made.elements} for made in (tree, expected)]
    assert kinds[0] == kinds[1]
    assert len(tree.all("script")) == 1
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufffe\uffff]", page)
    assert len(page) < 400_000
    assert "49" not in "".join(tree.text) or "7 * 7" not in attack


def test_equal_records_give_equal_pages() -> None:
    assert render(comparison("ship", count=20)) == render(comparison("ship", count=20))


def test_five_hundred_queries_stay_small_enough_to_send() -> None:
    record = comparison("ship", count=500)
    page = render(record)
    assert len(page.encode()) < 3_000_000
    assert page.count('<details class="query ') == 500
    for query in record["queries"]:
        for result in query["base_results"] + query["candidate_results"] + query["relevant"]:
            result.update(title="<長い題>" * 100, snippet="&長い文" * 300)
    assert len(render(record).encode()) < 3_300_000


def test_thousands_of_queries_are_cut_and_it_says_so() -> None:
    record = comparison("ship", count=60)
    pattern = record["queries"]
    record["queries"] = [{**pattern[index % 60], "query_id": f"n{index}"} for index in range(MAX_LISTED + 700)]
    for side in ("base", "candidate"):
        record[side]["per_query"] = {}
    page = render(record)
    assert page.count('class="query ') == MAX_LISTED
    assert page.count('<details class="query ') == MAX_RANKED
    assert "The 3,000 queries that changed most are listed here, of 3,700." in page
    assert "Rankings are shown for the 500 that changed most." in page
    assert len(page.encode()) < 6_000_000


def test_the_largest_changes_are_shown_first() -> None:
    record = comparison("inconclusive", count=120)
    page = render(record)
    groups = page.split('<div class="group ')[1:]
    assert [group.split('"')[0] for group in groups] == ["group-losses", "group-gains", "group-others"]
    deltas = sorted(query["delta"] for query in record["queries"])
    for group, expected in zip(groups, (deltas[:HIGHLIGHTS], deltas[::-1][:HIGHLIGHTS]), strict=False):
        shown = re.findall(r'class="delta">. ([+−0-9.]+)<', group)
        assert [float(value.replace("−", "-")) for value in shown] == pytest.approx(expected, abs=0.0006)
        assert group.count("<details") == HIGHLIGHTS
    assert [len(re.findall(r"<details[^>]* open>", group)) for group in groups] == [1, 0, 0]


def test_rankings_say_how_documents_moved() -> None:
    record = comparison("ship", count=2)
    query = record["queries"].pop()
    record["queries"] = [query]

    def row(name: str, grade: int | None) -> dict[str, Any]:
        return {"id": name, "score": 0.5, "title": f"About {name}", "snippet": "", "grade": grade}

    query["base_results"] = [row("a", None), row("b", 0), row("c", 2)]
    query["candidate_results"] = [row("c", 2), row("a", None), row("d", 1)]
    query["relevant"], query["relevant_total"] = [row("c", 2), row("d", 1), row("e", 1)], 9
    page = render(record)
    base, candidate = (
        re.findall(r"<li>.*?</li>", part.split("</ol>")[0], re.DOTALL) for part in page.split("<ol>")[1:]
    )
    moved = [(re.findall(r"<i>(.*?)<", item) or [""])[0] for item in base + candidate]
    assert moved == ["", "gone", "", "↑2", "↓1", "new"]
    badges = re.findall(r'<b class="(\w+)">(.*?)<', page)
    assert badges[:3] == [("none", "unjudged"), ("no", "not relevant"), ("yes", "grade 2")]
    cells = re.findall(r"<tr><td><bdi>About (\w)</bdi></td><td>(\d)</td><td>(.*?)</td><td>(.*?)</td></tr>", page)
    assert cells == [
        ("c", "2", "3", "1"),
        ("d", "1", "not in first 3", "3"),
        ("e", "1", "not in first 3", "not in first 3"),
    ]
    assert "6 more judged relevant" in page


@pytest.mark.parametrize(
    ("same", "words"), [(True, "no document is embedded again"), (False, "must be embedded again")]
)
def test_it_says_whether_the_index_can_stay(same: bool, words: str) -> None:
    record = comparison("ship", count=4)
    if not same:
        record["candidate"]["model"]["document_fingerprint"] = "other"
    assert words in render(record)


def colours() -> dict[str, dict[str, str]]:
    style = files("crossfade.report").joinpath("templates", "report.css").read_text(encoding="utf-8")
    light, dark = re.findall(r":root \{(.*?)\}", style, re.DOTALL)[:2]
    found = dict(re.findall(r"--([\w-]+): (#\w{6});", light))
    return {"light": found, "dark": {**found, **dict(re.findall(r"--([\w-]+): (#\w{6});", dark))}}


def contrast(first: str, second: str) -> float:
    """WCAG 2.2, relative luminance and contrast ratio."""

    def luminance(colour: str) -> float:
        parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    lighter, darker = sorted((luminance(first), luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_is_enough(scheme: str) -> None:
    """WCAG AA: 4.5 for text, 3 for the marks of a plot."""
    palette = colours()[scheme]
    for text in ("ink", "muted", "link", "good", "bad", "open"):
        for ground in ("ground", "surface", "raised"):
            assert contrast(palette[text], palette[ground]) >= 4.5, (text, ground)
    assert contrast(palette["good"], palette["good-ground"]) >= 4.5
    for mark in ("base", "candidate", "good-mark", "bad-mark", "open-mark"):
        assert contrast(palette[mark], palette["surface"]) >= 3, mark


def test_contrast_of_known_pairs() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
