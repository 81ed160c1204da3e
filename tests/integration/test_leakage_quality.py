"""Planted leaks are found and clean texts are not: the rates that docs/leakage.md states, measured.

Real texts are three public collections, in the folder `shared` beside the checkout and no part of the project, and the
demo's documents and queries.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from evaluation_data import write_topics
from leakage_samples import clean_rows, longer, planted_dataset, punctuated, swapped, write_rows

from crossfade.evaluation.beir import read_beir
from crossfade.evaluation.dataset import Dataset
from crossfade.evaluation.leakage import LeakageReport, LeakageSettings, find_leakage
from crossfade.overlap import Overlap
from demo.build_dataset import build

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
NAMES = ["cranfield", "cisi", "abt-buy", "demo"]

Change = Callable[[str, random.Random], str]

SAME: dict[str, Change] = {
    "exact": lambda text, _: text,
    "case": lambda text, _: text.swapcase(),
    "punctuation": lambda text, _: punctuated(text),
}
NEAR: dict[str, Change] = {
    "words swapped": swapped,
    "two pairs of words swapped": lambda text, generator: swapped(swapped(text, generator), generator),
    "one sentence added": longer,
}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("demo") / "python-stdlib"
    build(directory)
    return directory


def real(name: str, demo: Path) -> tuple[Dataset, Dataset]:
    """Training and test split."""
    if name != "demo" and not SHARED.is_dir():
        pytest.skip("needs the data sets in shared/data beside the checkout")
    directory = demo if name == "demo" else SHARED / name
    return read_beir(directory, "train"), read_beir(directory, "test")


def touched(report: LeakageReport, pair: str) -> float:
    return report.pairs[pair].evaluation_texts / report.queries


@pytest.mark.parametrize("name", [*SAME, *NEAR])
def test_planted_leaks_are_found_among_clean_rows(tmp_path: Path, name: str) -> None:
    data = planted_dataset(200)
    generator = random.Random(7)
    change = (SAME | NEAR)[name]
    queries = [{"query": change(text, generator), "positive": "nothing"} for text in data.queries.values()]
    documents = [
        {"query": "nothing", "positive": change(data.documents_by_id[f"d{row}"].text, generator)} for row in range(200)
    ]
    clean = clean_rows(3_000)
    report = find_leakage(data, [write_rows(tmp_path / "train.jsonl", [*queries, *clean, *documents])])
    least = 1.0 if name in SAME else 0.95
    assert touched(report, "query-query") >= least
    assert touched(report, "positive-relevant") >= least
    strongest = "exact" if name == "exact" else "normalised" if name in SAME else "near"
    assert report.pairs["query-query"].rows[strongest] >= least * 200
    # Not one clean row.
    assert report.leaking_rows <= 400
    assert find_leakage(data, [write_rows(tmp_path / "clean.jsonl", clean)]).verdict == "clean"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("change", [*SAME, *NEAR])
def test_planted_leaks_of_real_texts_are_found(name: str, change: str, demo: Path) -> None:
    """Every copy; of documents, 95% of near-copies, and of queries too but for a sentence added to a few words."""
    _, test = real(name, demo)
    generator = random.Random(11)
    alter = (SAME | NEAR)[change]
    relevant = {document for grades in test.qrels.values() for document, grade in grades.items() if grade > 0}
    documents = [test.documents_by_id[document].text for document in sorted(relevant)]
    # So few words that a sentence added is most of the text; and one word cannot change places.
    least = 5 if change == "one sentence added" else 2
    for side, some in (("documents", documents), ("queries", list(test.queries.values()))):
        texts = [text for text in some if len(text.split()) >= least]
        found = Overlap(texts).find([alter(text, generator) for text in texts])
        hit = len(set(found.texts[found.texts == found.known].tolist())) / len(texts)
        print(f"{name}, {side}, {change}: {hit:.3f} of {len(texts)}")
        assert hit >= (1.0 if change in SAME else 0.95)


@pytest.mark.parametrize("name", NAMES)
def test_under_one_percent_of_real_queries_are_false_alarms(tmp_path: Path, name: str, demo: Path) -> None:
    train, test = real(name, demo)
    rows = [{"query": text} for text in train.queries.values()]
    report = find_leakage(test, [write_rows(tmp_path / "train.jsonl", rows)], LeakageSettings(examples=20))
    alarms = sum(counts.total for counts in report.pairs.values())
    print(f"{name}: {alarms} of {len(rows)} training queries")
    for example in report.examples:
        print(f"  {example.similarity:.2f} {example.training_text} | {example.evaluation_text}")
    assert alarms < 0.01 * len(rows)


@pytest.mark.parametrize("name", ["cranfield", "cisi"])
def test_under_one_percent_of_real_documents_are_false_alarms(name: str, demo: Path) -> None:
    """One half of the documents against the other; what is found there are true copies, and counted all the same."""
    train, _ = real(name, demo)
    texts = [document.content for document in train.documents]
    found = Overlap(texts[::2]).find(texts[1::2])
    assert len(set(found.texts.tolist())) < 0.01 * len(texts[1::2])


def test_what_is_found_between_the_demos_splits_is_nearly_nothing(tmp_path: Path, demo: Path) -> None:
    train, test = real("demo", demo)
    rows = [
        {"query": text, "positive": train.documents_by_id[document].content}
        for query, text in train.queries.items()
        for document, grade in train.qrels[query].items()
        if grade > 0
    ]
    report = find_leakage(test, [write_rows(tmp_path / "train.jsonl", rows)], LeakageSettings(examples=20))
    print(json.dumps([example.training_text[:80] for example in report.examples], indent=1))
    assert report.leaking_rows < 0.01 * report.rows


DATA = Path(__file__).parents[1] / "unit" / "data"


def planted_paraphrases(demo: Path) -> tuple[Dataset, list[str], list[str]]:
    """The demo's test split, its training queries, and paraphrases of 64 test queries, written by hand."""
    train, test = real("demo", demo)
    lines = (DATA / "paraphrases.tsv").read_text(encoding="utf-8").splitlines()
    pairs = dict(line.split("\t") for line in lines)
    assert len(pairs) == 64
    assert pairs.keys() <= test.queries.keys()
    return test, list(train.queries.values()), list(pairs.values())


def test_what_a_threshold_finds_of_paraphrases_and_what_it_costs(
    tmp_path: Path, minilm_bundle: Path, demo: Path
) -> None:
    """The table of docs/leakage.md. The default counts what is all but the same sentence; no threshold finds half of
    the paraphrases at a price that can be paid everywhere."""
    from crossfade.models import load_encoders

    test, training, paraphrases = planted_paraphrases(demo)
    encoder = load_encoders({"m": minilm_bundle})["m"]
    leaky = write_rows(tmp_path / "leaky.jsonl", [{"query": text} for text in paraphrases])
    clean = write_rows(tmp_path / "clean.jsonl", [{"query": text} for text in training])
    found, alarms = {}, {}
    for cosine in (0.6, 0.7, 0.75, 0.8, LeakageSettings().cosine):
        settings = LeakageSettings(cosine=cosine)
        report = find_leakage(test, [leaky], settings, encoder=encoder)
        found[cosine] = report.leaking_rows / len(paraphrases)
        alarms[cosine] = find_leakage(test, [clean], settings, encoder=encoder).leaking_rows / len(training)
        chance = report.settings["model"]["alike_by_chance"]
        print(f"{cosine}: {found[cosine]:.1%} found, {alarms[cosine]:.1%} false alarms, {chance}")
    prose = [line.split("\t") for line in (DATA / "paraphrases_of_prose.tsv").read_text(encoding="utf-8").splitlines()]
    questions = {str(row): one for row, (one, _) in enumerate(prose)}
    asked = Dataset("prose", "test", [], questions, {query: {} for query in questions})
    said = write_rows(tmp_path / "prose.jsonl", [{"query": other} for _, other in prose])
    report = find_leakage(asked, [said], LeakageSettings(cosine=0.75), encoder=encoder)
    assert (len(prose), report.leaking_rows) == (16, 3)
    assert report.settings["model"]["alike_by_chance"]["documents"] is None
    assert found[0.6] > 0.6
    assert found[0.75] > 0.15
    assert alarms[0.75] < 0.01
    assert alarms[0.6] > 0.05
    assert alarms[LeakageSettings().cosine] == 0


def test_suspects_are_mostly_what_was_planted(tmp_path: Path, minilm_bundle: Path, demo: Path) -> None:
    from crossfade.models import load_encoders

    test, training, paraphrases = planted_paraphrases(demo)
    encoder = load_encoders({"m": minilm_bundle})["m"]
    path = write_rows(tmp_path / "train.jsonl", [{"query": text} for text in [*training, *paraphrases]])
    report = find_leakage(test, [path], LeakageSettings(suspects=30), encoder=encoder)
    assert report.verdict == "clean"  # they are shown, and do not count
    shown = [each.training_text for each in report.suspects]
    assert len(shown) == len(set(shown)) == 30
    similarities = [each.similarity for each in report.suspects]
    assert similarities == sorted(similarities, reverse=True)
    right = sum(text in paraphrases for text in shown)
    print(f"{right} of 30 suspects are paraphrases, planted among {len(training)}")
    assert right >= 24
    assert find_leakage(test, [path], LeakageSettings(suspects=0), encoder=encoder).suspects == []
    assert find_leakage(test, [path]).suspects == []


def test_paraphrases_are_found_by_a_model(tmp_path: Path, minilm_bundle: Path) -> None:
    from crossfade.models import load_encoders

    pairs = [
        ("what is the capital of France", "which city is France's capital"),
        ("what determines the onset of shock separation", "which factors determine when shock separation begins"),
        ("symptoms of the flu", "what are the flu's symptoms"),
    ]
    topics = read_beir(write_topics(tmp_path / "topics"))
    queries = {**topics.queries, **{f"p{row}": text for row, (text, _) in enumerate(pairs)}}
    qrels = {**topics.qrels, **{f"p{row}": {"d25": 1} for row in range(len(pairs))}}
    data = Dataset("paraphrased", "test", topics.documents, queries, qrels)
    clean = [
        {"query": "how do plants make sugar", "positive": "A fruit that grows on trees."},
        {"query": "flu in 1918"},
    ]
    rows = [*clean, *({"query": other, "positive": "Something else."} for _, other in pairs)]
    rows.append({"query": "a bird", "positive": "A series of huge waves that an earthquake at sea has set off."})
    path = write_rows(tmp_path / "train.jsonl", rows)
    assert find_leakage(data, [path]).verdict == "clean"
    encoder = load_encoders({"m": minilm_bundle}, threads=1)["m"]
    report = find_leakage(data, [path], LeakageSettings(cosine=0.85, examples=10), encoder=encoder)
    print(
        *(f"{each.similarity:.2f} {each.training_text} | {each.evaluation_text}" for each in report.examples), sep="\n"
    )
    assert report.pairs["query-query"].rows == {"exact": 0, "normalised": 0, "near": 0, "semantic": 3}
    assert report.pairs["positive-relevant"].rows["semantic"] == 1
    assert report.leaking_rows == 4
    assert all(each.measure == "cosine" and 0.85 <= each.similarity <= 1.0 for each in report.examples)
    assert report.settings["model"]["fingerprint"] == encoder.bundle.query_fingerprint
