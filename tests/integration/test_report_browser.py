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
SAMPLES = runpy.run_path(str(Path(__file__).parents[1] / "unit" / "report_samples.py"))
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


VISIBLE = "[...document.querySelectorAll('.query')].filter(query => query.getClientRects().length > 0).length"


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
    assert browser.evaluate(VISIBLE) == 120
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
    assert browser.evaluate(VISIBLE) == 120
    assert browser.evaluate("document.getElementById('filter').getClientRects().length") == 0
    assert browser.evaluate("document.querySelectorAll('details:not([open]) > summary').length") > 100


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_no_width_scrolls_sideways(browser: Browser, report: Path, width: int) -> None:
    browser.open(report, width=width)
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
    assert browser.evaluate("document.querySelectorAll('.group-losses .pair')[4].getClientRects().length") == 1
    browser.send("Emulation.setEmulatedMedia", media="")
