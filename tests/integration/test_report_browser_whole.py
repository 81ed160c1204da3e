"""A report of all records in a real browser: contrast, keyboard, phone, paper, hostile texts, great numbers.

Skipped where there is no Chromium.
"""

from __future__ import annotations

import base64
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chromium import ABSENT, CHROMIUM, Browser, running

from crossfade.report import write

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=ABSENT)
UNIT = Path(__file__).parents[1] / "unit"
SAMPLES = runpy.run_path(str(UNIT / "report_samples.py"))
RECORDS = runpy.run_path(str(UNIT / "report_records.py"))


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with running(tmp_path_factory.mktemp("chromium")) as found:
        yield found


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn from all five records."""
    path = tmp_path_factory.mktemp("whole") / "report.html"
    compared = SAMPLES["comparison"]("ship")
    write(compared, path, **RECORDS["records"](compared))
    return path


@pytest.mark.parametrize("width", [320, 360, 390, 768, 1280])
def test_no_width_scrolls_sideways(browser: Browser, whole: Path, width: int) -> None:
    browser.open(whole, width=width)
    browser.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true })")
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    outside = browser.evaluate(
        "[...document.querySelectorAll('main *')].filter(element => !element.closest('.scroll, svg, .hidden-text')"
        f" && element.getBoundingClientRect().right > {width} + 0.5).map(element => element.outerHTML.slice(0, 80))"
    )
    assert outside == []


def test_a_whole_report_loads_without_a_complaint_or_a_request(browser: Browser, whole: Path) -> None:
    browser.open(whole)
    titles = browser.evaluate("[...document.querySelectorAll('h2')].map(title => title.textContent)")
    assert titles == [
        "Why", "What to fix first", "How far apart they are", "What simpler remedies give", "Why queries fail",
        "Slices and regressions", "Wins and losses", "Query by query", "How fast they answer",
        "Quality against latency and cost", "How far to trust this", "What was compared",
    ]  # fmt: skip
    assert browser.complaints() == []
    assert browser.requests() == [whole.as_uri()]


@pytest.mark.parametrize("kind", ["decision", "diagnosis", "frontier", "leakage"])
def test_each_record_alone_makes_a_page(browser: Browser, tmp_path: Path, kind: str) -> None:
    found = RECORDS["records"](SAMPLES["comparison"]("ship", count=30))[kind]
    write(None, tmp_path / "one.html", **{kind: found})
    for width in (360, 1280):
        browser.open(tmp_path / "one.html", width=width)
        browser.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true })")
        assert browser.evaluate("document.documentElement.scrollWidth") <= width
        assert browser.complaints() == []
        assert browser.evaluate("document.querySelectorAll('h1').length") == 1
        inset = (
            "document.querySelector('h1').getBoundingClientRect().left"
            " - document.querySelector('.verdict').getBoundingClientRect().left"
        )
        assert browser.evaluate(inset) >= 16  # the verdict stands within its card, whatever its tone


# Every element that shows text of its own, against the ground that lies behind it. A colour that is not opaque would be
# a ground of its own, so none may be used.
CONTRAST = r"""(() => {
  const parse = (text) => text.match(/[\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, at) => sum + v * [0.2126, 0.7152, 0.0722][at], 0);
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !element.checkVisibility()) continue;
    if (element.closest("script, style, title, .hidden-text, option")) continue;
    const style = getComputedStyle(element);
    const ink = parse(element.closest("svg") ? style.fill : style.color);
    const [a, b] = [light(ink), light(ground(element))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) found.push(`${ratio.toFixed(2)} ${element.outerHTML.slice(0, 100)}`);
  }
  return found;
})()"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_has_contrast(browser: Browser, whole: Path, scheme: str) -> None:
    browser.open(whole, scheme=scheme)
    browser.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true })")
    assert browser.evaluate(CONTRAST) == []


def press(browser: Browser, key: str, code: int, text: str = "") -> None:
    """As a hand does: what has a text of its own, such as Enter, is a key that types."""
    down = {"type": "keyDown", "text": text} if text else {"type": "rawKeyDown"}
    for event in (down, {"type": "keyUp"}):
        browser.send("Input.dispatchKeyEvent", key=key, code=key, windowsVirtualKeyCode=code, **event)


def test_the_keyboard_reaches_everything_in_order(browser: Browser, whole: Path) -> None:
    browser.open(whole)
    press(browser, "Tab", 9)
    first = browser.evaluate(
        "[document.activeElement.textContent, document.activeElement.getBoundingClientRect().top >= 0]"
    )
    assert first == ["Skip to the verdict", True]
    press(browser, "Enter", 13, "\r")
    assert browser.evaluate("location.hash") == "#content"
    browser.open(whole)
    stops = []
    for _ in range(400):
        press(browser, "Tab", 9)
        stop = browser.evaluate(
            "(() => { const at = document.activeElement; if (at === document.body) return null;"
            "const all = [...document.querySelectorAll('*')];"
            "const style = getComputedStyle(at);"
            "const seen = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1;"
            "return [all.indexOf(at), at.tagName, seen] })()"
        )
        if stop is None:
            break
        stops.append(stop)
    places = [place for place, _, _ in stops]
    assert places == sorted(set(places)), "the order of the page, each stop once"
    assert {"A", "SUMMARY", "DIV", "INPUT", "SELECT"} <= {tag for _, tag, _ in stops}
    assert [tag for _, tag, seen in stops if not seen] == []
    reachable = browser.evaluate(
        "[...document.querySelectorAll('a[href], summary, input, select, [tabindex=\"0\"]')]"
        ".filter(element => element.checkVisibility()).length"
    )
    assert len(stops) >= reachable - 1


def test_a_fold_opens_by_the_keyboard(browser: Browser, whole: Path) -> None:
    browser.open(whole)
    browser.evaluate("document.querySelector('#causes summary').focus()")
    press(browser, "Enter", 13, "\r")
    assert browser.evaluate("document.querySelector('#causes details').open") is True


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("count", [3, 12, 40])
def test_no_label_of_the_frontier_lies_on_another(browser: Browser, tmp_path: Path, count: int, width: int) -> None:
    compared = SAMPLES["comparison"]("ship", count=20)
    RECORDS["records"](compared)
    made = RECORDS["frontier"](RECORDS["Comparison"].from_json(compared), count)
    write(None, tmp_path / "frontier.html", frontier=made)
    browser.open(tmp_path / "frontier.html", width=width)
    labels = browser.evaluate(
        "[...document.querySelectorAll('.scatter')].map(plot => [...plot.querySelectorAll('.dot-label')].map(label => {"
        "const box = label.getBoundingClientRect(); return [box.left, box.top + 1, box.right, box.bottom - 1] }))"
    )
    assert len(labels) == 3
    for boxes in labels:
        assert len(boxes) >= min(count, 8)
        for index, (left, top, right, bottom) in enumerate(boxes):
            assert left >= 0
            assert right <= width
            for other in boxes[index + 1 :]:
                assert left >= other[2] or right <= other[0] or top >= other[3] or bottom <= other[1]


def test_a_hundred_thousand_queries_open_fast_enough_to_read(browser: Browser, tmp_path: Path) -> None:
    record = SAMPLES["comparison"]("ship", count=60)
    pattern = record["queries"]
    record["queries"] = [{**pattern[row % 60], "query_id": f"n{row}"} for row in range(100_000)]
    for side, key in (("base", "base_value"), ("candidate", "candidate_value")):
        record[side]["queries"] = 100_000
        record[side]["per_query"] = {"nDCG@10": {query["query_id"]: query[key] for query in record["queries"]}}
    path = tmp_path / "many.html"
    write(record, path)
    assert path.stat().st_size < 6_000_000
    browser.open(path)
    assert browser.complaints() == []
    assert browser.evaluate("document.querySelectorAll('.waterfall rect').length") == 0
    assert 1 <= browser.evaluate("document.querySelectorAll('.waterfall .binned path').length") <= 3
    assert "of 100,000" in browser.evaluate("document.getElementById('queries').textContent")


def test_hostile_text_of_every_record_stays_text(browser: Browser, tmp_path: Path) -> None:
    attack = "<script>window.broken = 1</script><img src=x onerror='window.broken = 1'>\"'--></style>\u202etxt\x00"
    attack += "Z\u0351\u036b" * 200 + "x" * 10_000

    def poison(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: poison(inner, name) for name, inner in value.items()}
        if isinstance(value, list):
            return [poison(inner, key) for inner in value]
        return attack if isinstance(value, str) and key in POISONED and value not in ("yes", "no", "unknown") else value

    compared = SAMPLES["comparison"]("ship", count=20)
    poisoned = {kind: poison(record) for kind, record in RECORDS["records"](compared).items()}
    write(None, tmp_path / "hostile.html", **poisoned)
    for width in (360, 1280):
        browser.open(tmp_path / "hostile.html", width=width)
        browser.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true })")
        assert browser.evaluate("[window.broken === undefined, document.images.length, document.scripts.length]") == [
            True, 0, 1,
        ]  # fmt: skip
        assert browser.complaints() == []
        assert browser.evaluate("document.documentElement.scrollWidth") <= width


POISONED = {
    "reason", "reasons", "remedy", "waived", "text", "title", "snippet", "figure", "source", "how", "question", "notes",
    "term", "terms", "answer", "training_text", "evaluation_text", "file", "path", "slices", "decided", "document",
    "mended_by", "currency", "created",
}  # fmt: skip


def test_a_whole_report_prints_what_is_folded(browser: Browser, whole: Path) -> None:
    browser.open(whole)
    printed = base64.b64decode(browser.send("Page.printToPDF", printBackground=True)["data"])
    assert 3 <= printed.count(b"/Type /Page\n") + printed.count(b"/Type /Page ") <= 80
    browser.send("Emulation.setEmulatedMedia", media="print")
    assert (
        browser.evaluate(
            "[...document.querySelectorAll('#fix .fold .gates, #trust .fold .copy, #facts .fold table')]"
            ".filter(element => !element.checkVisibility({contentVisibilityAuto: true})).length"
        )
        == 0
    )
    assert browser.evaluate("document.querySelector('.print-only').getClientRects().length") == 1
    assert browser.evaluate("document.querySelector('.skip').getClientRects().length") == 0
    # Between the margins of A4 there are 182 mm.
    browser.send("Emulation.setDeviceMetricsOverride", width=688, height=900, deviceScaleFactor=1, mobile=False)
    wide = browser.evaluate(
        "[...document.querySelectorAll('.scroll')].filter(box => box.scrollWidth > box.clientWidth + 1)"
        ".map(box => `${box.getAttribute('aria-label')} ${box.scrollWidth} ${box.clientWidth}`)"
    )
    browser.send("Emulation.setEmulatedMedia", media="")
    assert wide == [], "a table is cut on paper"
