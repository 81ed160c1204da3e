"""The report of a comparison in a real browser: it runs its script, fetches nothing, works without JavaScript.

Skipped where there is no Chromium.
"""

from __future__ import annotations

import base64
import json
import runpy
from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import ABSENT, CHROMIUM, Browser, running

from crossfade.report import write

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=ABSENT)
UNIT = Path(__file__).parents[1] / "unit"
SAMPLES = runpy.run_path(str(UNIT / "report_samples.py"))


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with running(tmp_path_factory.mktemp("chromium")) as found:
        yield found


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    write(SAMPLES["comparison"]("ship"), path)
    return path


UNFOLD = "document.querySelector('.rest').open = true"
VISIBLE = "[...document.querySelectorAll('.query')].filter(query => query.checkVisibility()).length"


def type_words(browser: Browser, words: str) -> int:
    browser.evaluate(
        f"document.querySelector('[name=words]').value = {json.dumps(words)};"
        "document.getElementById('filter').dispatchEvent(new Event('input'))"
    )
    visible: int = browser.evaluate(VISIBLE)
    return visible


def test_it_loads_without_a_complaint_or_a_request(browser: Browser, report: Path) -> None:
    browser.open(report)
    text = browser.evaluate("document.body.innerText")
    for expected in ("Ship it", "nDCG@10", "How fast they answer", "Largest losses", "What was compared"):
        assert expected in text
    assert browser.complaints() == []
    assert browser.requests() == [report.as_uri()]


def test_the_filter_finds_queries(browser: Browser, report: Path) -> None:
    browser.open(report)
    assert browser.evaluate("document.getElementById('filter').getClientRects().length") == 1
    assert browser.evaluate(VISIBLE) == 20
    assert type_words(browser, "python") > 20, "what is folded opens when it is looked for"
    assert type_words(browser, "") == 120
    some = browser.evaluate("document.querySelector('.group-others .ask').textContent")
    assert 1 <= type_words(browser, some) < 120
    assert type_words(browser, "no-query-says-this") == 0
    assert "0 of 120" in browser.evaluate("document.querySelector('#filter output').value")
    assert type_words(browser, "") == 120
    browser.evaluate(
        "document.querySelector('[name=outcome]').value = 'loss';"
        "document.getElementById('filter').dispatchEvent(new Event('input'))"
    )
    losses = browser.evaluate("document.querySelectorAll('.query.loss').length")
    assert 0 < losses < 120
    assert browser.evaluate(VISIBLE) == losses


def test_a_bar_of_the_waterfall_opens_its_query(browser: Browser, report: Path) -> None:
    browser.open(report)
    type_words(browser, "no-query-says-this")
    opened = browser.evaluate(
        "(() => { const bar = document.querySelector('[data-entry=\"15\"]');"
        "bar.dispatchEvent(new MouseEvent('click', {bubbles: true}));"
        "const query = document.getElementById('q15');"
        "return [query.open, query.hidden, query.querySelector('.ask').textContent, bar.textContent] })()"
    )
    is_open, is_hidden, text, label = opened
    assert (is_open, is_hidden) == (True, False)
    assert text[:20] in label


def test_without_javascript_everything_is_there(browser: Browser, report: Path) -> None:
    browser.open(report, script=False)
    browser.evaluate(UNFOLD)
    assert browser.evaluate(VISIBLE) == 120
    assert browser.evaluate("document.getElementById('filter').getClientRects().length") == 0
    assert browser.evaluate("document.querySelectorAll('details:not([open]) > summary').length") > 100


def test_the_colour_scheme_is_followed(browser: Browser, report: Path) -> None:
    grounds = []
    for scheme in ("light", "dark"):
        browser.open(report, scheme=scheme)
        grounds.append(browser.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert len(set(grounds)) == 2


def test_hostile_text_stays_text(browser: Browser, tmp_path: Path) -> None:
    record = SAMPLES["comparison"]("ship", count=20)
    attack = "<script>window.broken = 1</script><img src=x onerror='window.broken = 1'>\"'--></style></title>"
    for query in record["queries"]:
        query["text"] = query["query_id"] = attack + query["query_id"]
        for result in query["base_results"]:
            result.update(id=attack + result["id"], title=attack, snippet=attack)
    for side in ("base", "candidate"):
        record[side]["model"]["name"] = attack
        record[side]["per_query"] = {}
    record["reasons"] = [attack]
    write(record, tmp_path / "hostile.html")
    browser.open(tmp_path / "hostile.html")
    assert browser.evaluate("[window.broken === undefined, document.images.length, document.scripts.length]") == [
        True, 0, 1,
    ]  # fmt: skip
    assert browser.complaints() == []
    assert "<script>window.broken" in browser.evaluate("document.querySelector('.reasons').textContent")
    assert browser.evaluate("document.querySelectorAll('.ask')[0].textContent").startswith("<script>")


def test_it_prints(browser: Browser, report: Path) -> None:
    browser.open(report, scheme="dark")
    printed = base64.b64decode(browser.send("Page.printToPDF", printBackground=True)["data"])
    assert printed.startswith(b"%PDF-")
    browser.send("Emulation.setEmulatedMedia", media="print")
    assert browser.evaluate("getComputedStyle(document.body).color") == "rgb(24, 28, 33)"
    assert browser.evaluate("document.querySelector('nav').getClientRects().length") == 0
    shown = "document.querySelectorAll('.group-losses .pair')[{}].checkVisibility()"
    assert browser.evaluate(shown.format(2)) is True
    assert browser.evaluate(shown.format(4)) is False
    browser.send("Emulation.setEmulatedMedia", media="")
