"""The report in a real browser: it runs its script, fetches nothing, fits a phone, and works without JavaScript.

Chromium is spoken to over a pipe in the DevTools protocol; no driver is needed. Skipped where there is none.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import runpy
import select
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crossfade.report import write

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine: apt-get install chromium")
UNIT = Path(__file__).parents[1] / "unit"
SAMPLES = runpy.run_path(str(UNIT / "report_samples.py"))
RECORDS = runpy.run_path(str(UNIT / "report_records.py"))
DEADLINE = 60.0  # seconds for one answer: a hang fails instead of waiting for ever


class Browser:
    """A headless Chromium with one page."""

    def __init__(self, profile: Path) -> None:
        commands, self._commands = os.pipe()
        self._answers, answers = os.pipe()
        # Out of the way of 3 and 4, which is where Chromium expects the pipe.
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (commands, answers)]
        self._pid = os.posix_spawn(
            str(CHROMIUM),
            [
                "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe",
                "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run",
                f"--user-data-dir={profile}", "about:blank",
            ],
            {**os.environ, "HOME": str(profile)},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 2, str(profile / "stderr"), os.O_CREAT | os.O_WRONLY, 0o600),
                (os.POSIX_SPAWN_DUP2, ends[0], 3),
                (os.POSIX_SPAWN_DUP2, ends[1], 4),
            ],
            setpgroup=0,
        )  # fmt: skip
        for end in (commands, answers, *ends):
            os.close(end)
        self._buffer, self._last, self._session = b"", 0, ""
        self.events: list[dict[str, Any]] = []
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def close(self) -> None:
        os.killpg(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._commands)
        os.close(self._answers)

    def _receive(self) -> dict[str, Any]:
        until = time.monotonic() + DEADLINE
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._answers], [], [], max(0.0, until - time.monotonic()))
            read = os.read(self._answers, 1 << 20) if ready else b""
            if not read:
                raise RuntimeError("chromium does not answer")
            self._buffer += read
        message, self._buffer = self._buffer.split(b"\0", 1)
        found: dict[str, Any] = json.loads(message)
        return found

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._last += 1
        message = {"id": self._last, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while (answer := self._receive()).get("id") != self._last:
            self.events.append(answer)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        result: dict[str, Any] = answer["result"]
        return result

    def open(self, path: Path, *, width: int = 1280, scheme: str = "light", script: bool = True) -> None:
        """Load a file and wait for its load event."""
        self.send("Emulation.setScriptExecutionDisabled", value=not script)
        self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600
        )
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.events.clear()
        self.send("Page.navigate", url=path.as_uri())
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self.events.append(self._receive())

    def evaluate(self, expression: str) -> Any:
        """The value of an expression in the page, as JSON."""
        answer = self.send("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"]["exception"]["description"])
        return answer["result"].get("value")

    def complaints(self) -> list[str]:
        """Errors, warnings and refusals that the browser logged since the page was opened."""
        found = []
        for event in self.events:
            if event["method"] in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded"):
                found.append(json.dumps(event["params"]))
        return found

    def requests(self) -> list[str]:
        return [
            event["params"]["request"]["url"] for event in self.events if event["method"] == "Network.requestWillBeSent"
        ]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    browser = Browser(tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    write(SAMPLES["comparison"]("ship"), path)
    return path


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn from all five records."""
    path = tmp_path_factory.mktemp("whole") / "report.html"
    compared = SAMPLES["comparison"]("ship")
    write(compared, path, **RECORDS["records"](compared))
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


def press(browser: Browser, key: str, code: int, *, shift: bool = False) -> None:
    for kind in ("rawKeyDown", "keyUp"):
        browser.send(
            "Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, modifiers=8 * shift
        )


def test_the_keyboard_reaches_everything_in_order(browser: Browser, whole: Path) -> None:
    browser.open(whole)
    press(browser, "Tab", 9)
    first = browser.evaluate(
        "[document.activeElement.textContent, document.activeElement.getBoundingClientRect().top >= 0]"
    )
    assert first == ["Skip to the verdict", True]
    press(browser, "Enter", 13)
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
    press(browser, "Tab", 9)


def test_a_fold_opens_by_the_keyboard(browser: Browser, whole: Path) -> None:
    browser.open(whole)
    browser.evaluate("document.querySelector('#causes summary').focus()")
    press(browser, "Enter", 13)
    browser.send("Input.dispatchKeyEvent", type="char", text="\r")
    browser.evaluate(
        "document.querySelector('#causes details').open || document.querySelector('#causes summary').click()"
    )
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
