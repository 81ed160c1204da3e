"""New splits of the judged queries: what stays together, who gets what, what is written and what is refused."""

from __future__ import annotations

import gzip
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from leakage_samples import planted_dataset, swapped, write_rows

from crossfade.errors import DataError, InvalidInput
from crossfade.evaluation.beir import read_beir, write_beir
from crossfade.evaluation.dataset import Dataset, Qrels
from crossfade.evaluation.leakage import find_leakage
from crossfade.evaluation.splitting import SplitReport, SplitSettings, allot, group_queries, split_dataset
from crossfade.store.types import Document

THREE = {"train": 0.6, "dev": 0.2, "test": 0.2}


def tangled(seed: int = 5) -> Dataset:
    """A data set in which some queries are copies of others, some share documents, and some documents are copies."""
    generator = random.Random(seed)
    base = planted_dataset(80)
    documents, queries, qrels = list(base.documents), dict(base.queries), {q: dict(g) for q, g in base.qrels.items()}
    for row in range(0, 20, 2):
        queries[f"q{row}"] = swapped(queries[f"q{row + 1}"], generator)
    for row in range(20, 30, 2):
        qrels[f"q{row}"][f"d{row + 1}"] = 1
    for row in range(30, 40, 2):
        documents[row] = Document(f"d{row}", "", documents[row + 1].text + " And one sentence more.")
    for row in range(40, 44, 2):
        queries[f"q{row}"] = documents[row + 1].text[:200]
        documents[row + 1] = Document(f"d{row + 1}", "", documents[row + 1].text[:200])
    return Dataset("tangled", "all", documents, queries, qrels)


def write(directory: Path, data: Dataset, name: str = "all") -> Path:
    write_beir(directory, data.documents, data.queries, {name: data.qrels})
    return directory


def rows_of(data: Dataset) -> list[dict[str, str]]:
    return [
        {"query": text, "positive": data.documents_by_id[document].content}
        for query, text in data.queries.items()
        for document, grade in data.qrels[query].items()
        if grade > 0
    ]


def split(directory: Path, out: Path, **settings: Any) -> SplitReport:
    return split_dataset(directory, ["all"], out, SplitSettings(**{"shares": THREE, **settings}))


def test_what_belongs_together_is_one_group() -> None:
    members = group_queries(tangled()).members
    together = [[f"q{row}", f"q{row + 1}"] for row in (*range(0, 44, 2),)]
    assert [group for group in members if len(group) > 1] == sorted(together)
    assert len(members) == 80 - 22
    by_query = group_queries(tangled(), "query").members
    assert [group for group in by_query if len(group) > 1] == sorted(together[:10])


def test_the_order_of_the_files_does_not_show() -> None:
    data = tangled()
    turned = Dataset(
        data.name, data.split, data.documents[::-1], dict(reversed(data.queries.items())),
        dict(reversed(data.qrels.items())),
    )  # fmt: skip
    assert group_queries(turned) == group_queries(data)


@pytest.mark.parametrize("seed", range(3))
def test_no_split_leaks_into_another(tmp_path: Path, seed: int) -> None:
    directory = write(tmp_path / "data", tangled())
    report = split(directory, tmp_path / "out", seed=seed)
    assert sum(report.sizes.values()) == report.queries == 80
    read = {name: read_beir(tmp_path / "out", name) for name in THREE}
    assert sorted(query for data in read.values() for query in data.queries) == sorted(tangled().queries)
    for name, data in read.items():
        assert data.qrels == {query: tangled().qrels[query] for query in data.queries}
        train = write_rows(tmp_path / "train.jsonl", rows_of(data))
        for other in THREE.keys() - {name}:
            assert find_leakage(read[other], [train]).verdict == "clean", (name, other)


def test_splits_made_without_care_leak() -> None:
    """Or the test before would show nothing."""
    data = tangled()
    halves: list[Qrels] = [{}, {}]
    for row, query in enumerate(data.queries):
        halves[row % 2][query] = data.qrels[query]
    assert any(
        {f"q{row}", f"q{row + 1}"} & halves[0].keys() and {f"q{row}", f"q{row + 1}"} & halves[1].keys()
        for row in range(0, 44, 2)
    )


def test_a_seed_gives_its_splits_and_another_gives_others(tmp_path: Path) -> None:
    directory = write(tmp_path / "data", tangled())
    written = []
    for place, seed in (("a", 17), ("b", 17), ("c", 18)):
        split(directory, tmp_path / place, seed=seed)
        written.append({path.name: path.read_bytes() for path in (tmp_path / place / "qrels").iterdir()})
    assert written[0] == written[1] != written[2]


def test_a_group_too_large_is_named_with_its_document(tmp_path: Path) -> None:
    base = planted_dataset(20)
    qrels = {query: {**grades, **({"d30": 1} if int(query[1:]) < 14 else {})} for query, grades in base.qrels.items()}
    data = Dataset("hub", "all", base.documents, base.queries, qrels)
    directory = write(tmp_path / "data", data)
    with pytest.raises(InvalidInput, match=r"14 of 20, 14 of which have the relevant document 'd30'.*--group-by query"):
        split(directory, tmp_path / "out", shares={"a": 0.5, "b": 0.5})
    assert not (tmp_path / "out").exists()
    report = split(directory, tmp_path / "out", shares={"a": 0.5, "b": 0.5}, by="query")
    assert report.sizes == {"a": 10, "b": 10}
    # One group alone cannot be two splits.
    everything = {query: {**grades, "d30": 1} for query, grades in base.qrels.items()}
    directory = write(tmp_path / "one", Dataset("hub", "all", base.documents, base.queries, everything))
    with pytest.raises(InvalidInput, match=r"1 group for 3 splits.*20 of 20, 20 of which"):
        split(directory, tmp_path / "two")


def test_where_the_new_splits_go(tmp_path: Path) -> None:
    directory = write(tmp_path / "data", tangled())
    report = split(directory, directory)
    assert report.files == ["qrels/train.tsv", "qrels/dev.tsv", "qrels/test.tsv"]
    before = (directory / "qrels" / "train.tsv").read_bytes()
    with pytest.raises(InvalidInput, match=r"has a split dev already.*--overwrite"):
        split(directory, directory, seed=1)
    assert (directory / "qrels" / "train.tsv").read_bytes() == before
    split(directory, directory, seed=1, overwrite=True)
    assert (directory / "qrels" / "train.tsv").read_bytes() != before
    elsewhere = split(directory, tmp_path / "deep" / "out")
    assert elsewhere.files[:2] == ["corpus.jsonl", "queries.jsonl"]
    assert (tmp_path / "deep" / "out" / "corpus.jsonl").read_bytes() == (directory / "corpus.jsonl").read_bytes()


@pytest.mark.parametrize("packed", ["", "corpus.jsonl", "queries.jsonl"])
def test_another_data_set_is_not_replaced_unasked(tmp_path: Path, packed: str) -> None:
    directory = write(tmp_path / "data", tangled())
    other = write(tmp_path / "other", planted_dataset(30), "old")
    if packed:
        (other / f"{packed}.gz").write_bytes(gzip.compress((other / packed).read_bytes()))
        for name in (packed, *({"corpus.jsonl", "queries.jsonl"} - {packed})):
            (other / name).unlink()
    before = {path: path.read_bytes() for path in other.rglob("*") if path.is_file()}
    with pytest.raises(InvalidInput, match=r"jsonl(\.gz)? is there already and is not a copy of .*--overwrite"):
        split(directory, other)
    assert {path: path.read_bytes() for path in other.rglob("*") if path.is_file()} == before
    split(directory, other, overwrite=True)
    assert not list(other.glob("*.gz"))
    assert {name: (other / name).read_bytes() for name in ("corpus.jsonl", "queries.jsonl")} == {
        name: (directory / name).read_bytes() for name in ("corpus.jsonl", "queries.jsonl")
    }


def test_the_same_data_set_may_be_there(tmp_path: Path) -> None:
    directory = write(tmp_path / "data", tangled())
    split(directory, tmp_path / "out")
    again = split(directory, tmp_path / "out", shares={"a": 0.5, "b": 0.5})
    assert again.files == ["qrels/a.tsv", "qrels/b.tsv"]


def test_of_a_plain_and_a_packed_file_the_one_that_was_read_is_copied(tmp_path: Path) -> None:
    directory = write(tmp_path / "data", tangled())
    (directory / "corpus.jsonl.gz").write_bytes(gzip.compress(b"of another time"))
    assert split(directory, tmp_path / "out").files[:2] == ["corpus.jsonl", "queries.jsonl"]
    (directory / "corpus.jsonl.gz").write_bytes(gzip.compress((directory / "corpus.jsonl").read_bytes()))
    (directory / "corpus.jsonl").unlink()
    with pytest.raises(InvalidInput, match=r"out/corpus\.jsonl is there already"):
        split(directory, tmp_path / "out", shares={"a": 0.5, "b": 0.5})
    split(directory, tmp_path / "out", shares={"a": 0.5, "b": 0.5}, overwrite=True)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["corpus.jsonl.gz", "qrels", "queries.jsonl"]


def test_several_sources_become_one(tmp_path: Path) -> None:
    data = tangled()
    ids = list(data.queries)
    parts = {"one": {q: data.qrels[q] for q in ids[:50]}, "two": {q: data.qrels[q] for q in ids[40:]}}
    write_beir(tmp_path, data.documents, data.queries, parts)
    report = split_dataset(tmp_path, ["one", "two"], tmp_path, SplitSettings(shares=THREE))
    assert report.queries == 80
    parts["two"] = {**parts["two"], "q45": {"d45": 1}}
    write_beir(tmp_path / "odd", data.documents, data.queries, parts)
    with pytest.raises(InvalidInput, match="'q45' has grade 2 for document 'd45' in one split and 1 in two"):
        split_dataset(tmp_path / "odd", ["one", "two"], tmp_path / "x", SplitSettings(shares=THREE))
    with pytest.raises(InvalidInput, match="name at least one"):
        split_dataset(tmp_path, [], tmp_path / "x")
    with pytest.raises(DataError, match="no split 'three'"):
        split_dataset(tmp_path, ["three"], tmp_path / "x")


@pytest.mark.parametrize(
    ("shares", "says"),
    [
        ({}, "no split"),
        ({"a": 0.5, "b": 0.4}, "add up to 0.9"),
        ({"a": 1.5, "b": -0.5}, "share of a is 1.5"),
        ({"a": float("nan"), "b": 0.5}, "share of a is nan"),
        ({"../a": 0.5, "b": 0.5}, "cannot be a file's name"),
        ({"..": 0.5, "b": 0.5}, "cannot be a file's name"),
        ({"a\0": 0.5, "b": 0.5}, "cannot be a file's name"),
    ],
)
def test_shares_that_cannot_be_had_are_refused(tmp_path: Path, shares: dict[str, float], says: str) -> None:
    directory = write(tmp_path / "data", tangled())
    with pytest.raises(InvalidInput, match=says):
        split(directory, tmp_path / "out", shares=shares)


@given(
    sizes=st.lists(st.integers(1, 6), min_size=4, max_size=60),
    weights=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    seed=st.integers(0, 2**32),
)
def test_every_group_goes_whole_to_one_split(sizes: list[int], weights: list[int], seed: int) -> None:
    groups = [[f"{group}-{member}" for member in range(size)] for group, size in enumerate(sizes)]
    shares = {f"s{place}": weight / sum(weights) for place, weight in enumerate(weights)}
    found = allot(groups, shares, seed)
    assert found == allot(groups, shares, seed)
    place = {query: name for name, queries in found.queries.items() for query in queries}
    assert place.keys() == {query for group in groups for query in group}
    assert all(len({place[query] for query in group}) == 1 for group in groups)
    assert sum(found.groups.values()) == len(groups)
    # No split passes its share by more than the group that came last to it.
    total = sum(sizes)
    assert all(len(queries) <= shares[name] * total + max(sizes) for name, queries in found.queries.items())
