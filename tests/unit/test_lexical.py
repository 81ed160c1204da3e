"""The door to text search: what it takes, what it refuses, what it promises around the work."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from crossfade.errors import AlreadyExists, DataError, InvalidInput, LimitExceeded
from crossfade.lexical import AnalyserSettings, Hits, Part, Segment, Tail, build, explain, search, tokens

ENGLISH = AnalyserSettings()
PLAIN = AnalyserSettings("plain", "none")
TEXTS = ["error ERR_0x80070005 while installing", "the installer of C++ tools", "an error of another kind", ""]


@pytest.fixture
def segment(tmp_path: Path) -> Segment:
    assert build(tmp_path / "s", [TEXTS[:2], (), TEXTS[2:]], ENGLISH) == 4
    return Segment(tmp_path / "s", ENGLISH)


def test_hits_are_named_typed_and_shaped(segment: Segment) -> None:
    [hits, nothing] = search(["installs errors", "unknown"], [segment], 10)
    assert isinstance(hits, Hits)
    assert (hits.parts.dtype, hits.rows.dtype, hits.scores.dtype) == (np.int32, np.int64, np.float64)
    assert hits.rows.tolist() == [0, 2, 1]
    assert nothing.rows.shape == nothing.scores.shape == nothing.parts.shape == (0,)
    assert (len(segment), segment.rows, segment.settings) == (4, 4, ENGLISH)


@pytest.mark.parametrize(
    "code", ["ERR_0x80070005", "AB-12/9", "v1.2.3", "foo_bar.baz()", "C++", "a@b.com", "10.0.0.1", "CamelCase"]
)
@pytest.mark.parametrize("analyser", ["plain", "english"])
def test_a_code_finds_its_document_first_and_a_part_finds_it_too(code: str, analyser: str) -> None:
    settings = AnalyserSettings(analyser, "none")  # type: ignore[arg-type]  # parametrized by str
    tail = Tail(settings)
    parts = tokens([code], settings)[0][1:]
    tail.append([" ".join(parts), "err ab v1 foo c com 10 camel 0", f"See {code}, once.", *parts])
    for query in (code, code.lower(), f"({code})."):
        assert search([query], [tail], 9)[0].rows[0] == 2
    for part in parts:
        assert 2 in search([part], [tail], 9)[0].rows


def test_masks_and_parts(segment: Segment) -> None:
    tail = Tail(ENGLISH)
    tail.append(["error"])
    parts = [segment, tail]
    [hits] = search(["error"], parts, 9)
    assert list(zip(hits.parts.tolist(), hits.rows.tolist(), strict=True)) == [(1, 0), (0, 2), (0, 0)]
    mask = np.array([True, True, False, True])
    for some in (mask, np.packbits(mask, bitorder="little")):
        [masked] = search(["error"], [Part(segment, some), tail], 9)
        assert masked.rows.tolist() == [0, 0]
        assert masked.scores.tolist() == hits.scores[[0, 2]].tolist()


def test_rows_that_tie_with_the_last_come_after_it(segment: Segment) -> None:
    tail = Tail(PLAIN)
    tail.append(["a b", "a", "a", "c", "a", "a"])
    [one, two, most] = (search(["a"], [tail], 2, ties=ties)[0].rows.tolist() for ties in (0, 1, 9))
    assert (one, most) == ([1, 2], [1, 2, 4, 5])
    assert two[:2] == [1, 2]
    assert two[2:] in ([4], [5])
    # The last of four has a score of its own; of five there are no more.
    assert [search(["a"], [tail], k, ties=9)[0].rows.tolist() for k in (5, 6)] == [[1, 2, 4, 5, 0]] * 2
    with pytest.raises(InvalidInput, match="ties"):
        search(["a"], [tail], 2, ties=-1)


def test_an_explanation_adds_up(segment: Segment) -> None:
    query = "errors installing error"
    [hits] = search([query], [segment], 9, k1=0.9, b=0.4)
    rows = list(zip(hits.parts.tolist(), hits.rows.tolist(), strict=True))
    for why, score in zip(explain(query, [segment], [*rows, (0, 3)], k1=0.9, b=0.4), [*hits.scores, 0.0], strict=True):
        assert why.score == score == sum(term.contribution for term in why.terms)
    [why] = explain(query, [segment], [(0, 0)])
    assert [(term.term, term.count, term.rows, term.frequency) for term in why.terms] == [
        ("error", 2, 2, 1),
        ("instal", 1, 2, 1),
    ]
    assert why.length == 6


def test_settings_are_stored_and_held_to(tmp_path: Path, segment: Segment) -> None:
    own = AnalyserSettings("plain", ("The", "a", "the"))
    assert own.stop_words == ("a", "the")
    assert AnalyserSettings.from_json(own.to_json()) == own
    with pytest.raises(InvalidInput, match="was made with the analyser settings"):
        Segment(tmp_path / "s", PLAIN)
    with pytest.raises(InvalidInput, match="part 1 has other analyser settings"):
        search(["a"], [segment, Tail(PLAIN)], 1)
    with pytest.raises(InvalidInput, match="analyser must be"):
        AnalyserSettings("german")  # type: ignore[arg-type]  # on purpose
    with pytest.raises(InvalidInput, match="version"):
        AnalyserSettings.from_json('{"analyser":"plain","stop_words":"none","version":9}')


def test_what_does_not_fit_is_refused(tmp_path: Path, segment: Segment) -> None:
    with pytest.raises(InvalidInput, match=r"queries\[1\] must be a str of valid Unicode"):
        search(["a", "\ud800"], [segment], 1)
    with pytest.raises(InvalidInput, match="queries must be a list of str, not one str"):
        search("abc", [segment], 1)
    with pytest.raises(LimitExceeded, match="query 0 has 4097 tokens"):
        search(["word " * 4097], [segment], 1)
    with pytest.raises(InvalidInput, match="k1 = -1 cannot be used"):
        search(["a"], [segment], 1, k1=-1)
    with pytest.raises(InvalidInput, match="the mask of part 0 must have one entry for each of its 4 rows"):
        search(["a"], [Part(segment, np.ones(3, np.bool_))], 1)
    with pytest.raises(InvalidInput, match=r"a packed mask of the 4 rows of part 0 has shape \(1,\)"):
        search(["a"], [Part(segment, np.ones(2, np.uint8))], 1)
    with pytest.raises(InvalidInput, match="there is no row 4 in part 0"):
        explain("a", [segment], [(0, 4)])
    with pytest.raises(AlreadyExists, match="is not an empty directory"):
        build(tmp_path / "s", [["a"]], PLAIN)
    with pytest.raises(InvalidInput, match=r"texts\[0\] must be a str"):
        build(tmp_path / "t", [[1]], PLAIN)  # type: ignore[list-item]  # on purpose
    with pytest.raises(DataError, match="No such file"):
        Segment(tmp_path / "nowhere")


def test_a_damaged_index_is_a_data_error(tmp_path: Path, segment: Segment) -> None:
    path = next((tmp_path / "s").glob("*.idx"))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.unlink()  # the open segment keeps the old one
    path.write_bytes(content)
    with pytest.raises(
        DataError, match="it is not what was written: delete this text index and build it again"
    ) as error:
        Segment(tmp_path / "s")
    assert error.value.path == str(path)
    assert search(["error"], [segment], 1)[0].rows.tolist() == [2]


def test_an_interrupted_build_leaves_no_index(tmp_path: Path) -> None:
    def stop(rows: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(tmp_path / "s", [["a"], ["b"]], PLAIN, progress=stop)
    with pytest.raises(DataError):
        Segment(tmp_path / "s")


def test_a_tail_is_searched_while_it_grows() -> None:
    tail = Tail(PLAIN)
    done = threading.Event()

    def grow() -> None:
        for _ in range(200):
            tail.append(["all even", "all odd"])
        done.set()

    thread = threading.Thread(target=grow)
    thread.start()
    while not done.is_set():
        every, even = search(["all", "even"], [tail], 1_000)
        assert len(every.rows) == 2 * len(even.rows)
    thread.join()
    assert (len(tail), tail.view(3).rows, tail.view(3).tokens) == (400, 3, 6)
