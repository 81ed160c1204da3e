"""`crossfade compare` under a protocol, and `crossfade decision`, with a real model."""

from __future__ import annotations

import copy
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from evaluation_data import write_topics

from crossfade.cli.main import run
from crossfade.models.adapter import write_adapter_bundle
from crossfade.models.bundle import Bundle
from crossfade.report import render

PROTOCOL = """
format = 1
primary = "nDCG@10"
measures = ["nDCG@10", "R@10"]
permutations = 999
resamples = 500

[[guards]]
name = "general"
dataset = "general"
margin = 0.3

[[slices]]
name = "long"
words = [5, 0]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("decision")
    write_topics(made / "topics")
    write_topics(made / "general", asked=28)
    (made / "protocol.toml").write_text(PROTOCOL, encoding="utf-8")
    return made


@pytest.fixture(scope="module")
def spoiled_bundle(minilm_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = Bundle.load(minilm_bundle)
    noise = np.random.default_rng(3).standard_normal((base.dimension, base.dimension)).astype(np.float32)
    target = tmp_path_factory.mktemp("bundles") / "spoiled"
    return write_adapter_bundle(base, noise, None, target, name="spoiled").path


@pytest.fixture(autouse=True)
def _plain_output(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FORCE_COLOR", raising=False)


def compare(folder: Path, base: Path, candidate: Path, *options: object) -> int:
    places = ["--dataset", folder / "topics", "--base", base, "--candidate", candidate, "--cache", folder / "cache"]
    return run(["compare", *map(str, places), *map(str, options)])


def test_a_decision_is_written_signed_and_verified(
    folder: Path, minilm_bundle: Path, spoiled_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record, out, report = tmp_path / "decision.json", tmp_path / "out.json", tmp_path / "out.html"
    runs = [tmp_path / "base.trec", tmp_path / "candidate.trec"]
    options = ["--protocol", folder / "protocol.toml", "--decision", record, "--json", out, "--report", report]
    options += ["--base-run-out", runs[0], "--candidate-run-out", runs[1], "--pool", tmp_path / "pool.jsonl"]
    assert compare(folder, spoiled_bundle, minilm_bundle, *options) == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert "verdict: ship it" in said.out
    assert "guard:general" in said.out
    assert "slice:long" in said.out
    assert "gate queries: passed." in said.out
    held = json.loads(record.read_text(encoding="utf-8"))
    assert held["outcome"]["verdict"] == json.loads(out.read_text(encoding="utf-8"))["verdict"] == "ship"
    page = report.read_text(encoding="utf-8")
    assert page == render(json.loads(out.read_text(encoding="utf-8")), decision=held)
    for expected in ("Ship it", "guard set", "Gates", "How far to trust this"):
        assert expected in page
    again = ["report", tmp_path / "again.html", "--comparison", out, "--decision", record]
    assert run([*map(str, again)]) == 0
    assert (tmp_path / "again.html").read_text(encoding="utf-8") == page
    assert list(held["evidence"]["files"]) == ["protocol"]
    assert str(folder) not in record.read_text(encoding="utf-8")  # where it was made is nobody's business
    pool = [json.loads(line) for line in (tmp_path / "pool.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(pool) == held["evidence"]["judged"]["pool"]
    assert {"query_id", "query", "document_id", "title", "text", "base_rank", "candidate_rank"} == pool[0].keys()

    capsys.readouterr()
    # Who gives the record alone, in a script, must not take all of it for checked.
    assert run(["decision", "verify", str(record)]) == 3
    said = capsys.readouterr().out
    lacking = ["data", "slices", "base run", "candidate run", "judged", "rank overlap", "churn"]
    lacking += [*(["shown rankings"] if held["regressions"] else []), "guard general data", "file protocol"]
    assert f"NOT CHECKED, as nothing was given to check it by: {', '.join(lacking)}\n" in said
    assert "give --dataset, --base-run, --candidate-run, --guard general=DIR, --protocol; or --allow-unchecked" in said
    assert "no record can show: guard general values, latency, dates, models, environment, signature\n" in said
    assert f"what was checked holds; {len(lacking)} parts were not checked, and could be\n" in said
    assert run(["decision", "verify", str(record), "--allow-unchecked"]) == 0
    said = capsys.readouterr().out
    assert "NOT CHECKED, as nothing was given" in said
    assert "--allow-unchecked" not in said
    assert run(["decision", "verify", str(record), "--json"]) == 3
    told = json.loads(capsys.readouterr().out)
    assert (told["holds"], told["complete"]) == (True, False)
    assert [each["name"] for each in told["checks"] if each["holds"] is None and each["options"]] == lacking
    # One file less than all is still not all.
    some = ["--dataset", folder / "topics", "--protocol", folder / "protocol.toml", "--base-run", runs[0]]
    some += ["--guard", f"general={folder / 'general'}"]
    assert run(["decision", "verify", str(record), *map(str, some)]) == 3
    assert "give --candidate-run; or --allow-unchecked" in capsys.readouterr().out
    some += ["--candidate-run", runs[1]]
    assert run(["decision", "verify", str(record), *map(str, some)]) == 0
    said = capsys.readouterr().out
    assert said.endswith("all that can be checked holds\n")
    assert "NOT CHECKED" not in said
    sources = ["--dataset", folder / "topics", "--protocol", folder / "protocol.toml"]
    sources += ["--base-run", runs[0], "--candidate-run", runs[1], "--json"]
    sources += ["--guard", f"general={folder / 'general'}"]
    capsys.readouterr()
    assert run(["decision", "verify", str(record), *map(str, sources)]) == 0
    checked = json.loads(capsys.readouterr().out)
    assert checked["holds"]
    assert checked["complete"]
    assert checked["verdict"] == "ship"
    assert {check["name"]: check["holds"] for check in checked["checks"]} == {
        **dict.fromkeys(
            ["content", "fields", "protocol", "verdict", "findings", "gates", "reasons", "regressions", "data"], True
        ),
        **dict.fromkeys(["slices", "base run", "candidate run", "judged", "rank overlap", "churn"], True),
        **({"shown rankings": True} if held["regressions"] else {}),
        **dict.fromkeys(["guard general data", "file protocol", "declared"], True),
        **dict.fromkeys(["guard general values", "latency", "dates", "models", "environment"], None),
        "signature": None,
    }

    key = tmp_path / "key"
    assert run(["decision", "keygen", str(key)]) == 0
    assert run(["decision", "sign", str(record), "--key", str(key), "--detached", str(tmp_path / "sig.json")]) == 0
    signed = ["--public-key", f"{key}.pub", "--signature", str(tmp_path / "sig.json")]
    assert run(["decision", "verify", str(record), *signed, "--allow-unchecked"]) == 0
    assert run(["decision", "sign", str(record), "--key", str(key)]) == 0
    assert run(["decision", "verify", str(record), *signed[:2], "--allow-unchecked"]) == 0
    assert "signature        holds" in capsys.readouterr().out
    assert run(["decision", "verify", str(record), *map(str, some)]) == 3  # nobody has looked at who signed it
    assert "give --public-key; or" in capsys.readouterr().out
    assert run(["decision", "verify", str(record), *map(str, some), *signed[:2]]) == 0
    capsys.readouterr()

    # What a record holds is never obeyed by a terminal: not its names, nor its dates, nor keys that are unknown.
    spoiled = copy.deepcopy(held)
    spoiled["evidence"]["candidate"]["name"] = "good\x1b[2J\u202e"
    spoiled["evidence"]["candidate"]["fingerprint"] = "cf1\rcontent holds\n"
    spoiled["evidence"]["decided"] = "\x9b31m"
    spoiled["\x1b]0;title\x07"] = 1
    record.write_text(json.dumps(spoiled), encoding="utf-8")
    capsys.readouterr()
    assert run(["decision", "verify", str(record)]) == 1
    said = capsys.readouterr()
    assert all(character.isprintable() or character == "\n" for character in said.out)
    assert r"good\x1b[2J\u202e (cf1\rcontent holds\n)" in said.out
    assert r"no field of a record: \x1b]0;title\x07" in said.out
    spoiled["evidence"]["values"]["\x1b[2J"] = 3
    record.write_text(json.dumps(spoiled), encoding="utf-8")
    assert run(["decision", "verify", str(record)]) == 2
    assert r"evidence.values.\x1b[2J" in capsys.readouterr().err

    held["outcome"]["verdict"] = "do_not_ship"
    record.write_text(json.dumps(held), encoding="utf-8")
    assert run(["decision", "verify", str(record), *signed[:2]]) == 1
    said = capsys.readouterr()
    assert said.err == ""
    assert "verdict          DOES NOT HOLD: ship follows from the values by query" in said.out
    assert "the record does not hold" in said.out
    assert run(["decision", "sign", str(record), "--key", str(key)]) == 2
    assert "does not hold (content, verdict)" in capsys.readouterr().err

    moved = tmp_path / "moved"
    shutil.copytree(folder, moved, ignore=shutil.ignore_patterns("cache"))
    (moved / "protocol.toml").write_text(PROTOCOL.replace("0.3", "0.01"), encoding="utf-8")
    assert run(["decision", "verify", str(record), "--protocol", str(moved / "protocol.toml")]) == 1
    assert "guards lacks general as declared" in capsys.readouterr().out


def test_a_diagnosis_of_the_base_becomes_slices(
    folder: Path, minilm_bundle: Path, spoiled_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    diagnosis, record = tmp_path / "diagnosis.json", tmp_path / "decision.json"
    skip = [part for kind in ("chunking", "hybrid", "reranking", "quantised") for part in ("--skip", kind)]
    places = ["--dataset", folder / "topics", "--model", spoiled_bundle, "--cache", folder / "cache"]
    options = ["--latency-samples", "1", "--json", diagnosis, *skip]
    assert run(["diagnose", *map(str, [*places, *options])]) == 0
    capsys.readouterr()
    assert compare(folder, spoiled_bundle, minilm_bundle, "--diagnosis", diagnosis, "--decision", record) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "slice:cause=answered" in said
    assert "shown only" in said
    assert "chosen by the base's failures: a gain here is expected by chance" in said
    held = json.loads(record.read_text(encoding="utf-8"))
    failed = {each["query_id"] for each in json.loads(diagnosis.read_text(encoding="utf-8"))["failures"]}
    assert failed
    assert held["evidence"]["diagnosis"]["causes"].keys() == failed
    verified = ["decision", "verify", str(record), "--dataset", str(folder / "topics")]
    assert run(verified) == 3
    assert "diagnosis" in capsys.readouterr().out.partition("NOT CHECKED")[2].partition("\n")[0]
    assert run([*verified, "--diagnosis", str(diagnosis), "--allow-unchecked"]) == 0
    said = capsys.readouterr().out
    assert "slices           holds" in said
    assert "diagnosis        holds" in said
    # Declared beforehand, beside the protocol.
    (tmp_path / "protocol.toml").write_text(
        'format = 1\ndiagnosis = "diagnosis.json"\n[[slices]]\nname = "lost"\ncause = "failed"\n', encoding="utf-8"
    )
    declared = ["--protocol", tmp_path / "protocol.toml"]
    assert compare(folder, spoiled_bundle, minilm_bundle, *declared, "--decision", record) == 0
    assert "slice:lost" in capsys.readouterr().out
    assert run([*verified, *map(str, declared), "--allow-unchecked"]) == 0
    assert "diagnosis        holds" in capsys.readouterr().out
    # What another model fails says nothing of this one.
    assert compare(folder, minilm_bundle, spoiled_bundle, "--diagnosis", diagnosis) == 2
    assert "it is of the model spoiled" in capsys.readouterr().err
    assert compare(folder, spoiled_bundle, minilm_bundle, "--diagnosis", diagnosis, "--base-mode", "hybrid") == 2
    assert "in another way than the base" in capsys.readouterr().err
    assert compare(folder, spoiled_bundle, minilm_bundle, "--diagnosis", record) == 2
    assert "decision.json: no diagnosis that can be read" in capsys.readouterr().err


def test_a_base_that_is_hybrid_is_diagnosed_and_compared_as_that(
    folder: Path, minilm_bundle: Path, spoiled_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    diagnosis = tmp_path / "diagnosis.json"
    skip = [part for kind in ("chunking", "reranking", "quantised") for part in ("--skip", kind)]
    places = ["--dataset", folder / "topics", "--model", spoiled_bundle, "--cache", folder / "cache"]
    hybrid = ["--base-mode", "hybrid", "--base-reranker", minilm_bundle]
    assert run(["diagnose", *map(str, [*places, *hybrid, "--latency-samples", "1", "--json", diagnosis, *skip])]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "answered by vectors and words together, the first 50 reranked by minilm" in said
    told = json.loads(diagnosis.read_text(encoding="utf-8"))
    assert [arm["kind"] for arm in told["arms"]][:4] == ["baseline", "no_reranker", "dense", "lexical"]
    assert compare(folder, spoiled_bundle, minilm_bundle, *hybrid, "--diagnosis", diagnosis) == 0
    assert "slice:cause=answered" in capsys.readouterr().out
    assert compare(folder, spoiled_bundle, minilm_bundle, *hybrid[:2], "--diagnosis", diagnosis) == 2
    said = capsys.readouterr().err
    assert "in another way than the base (reranker is" in said


def test_gates_block_and_are_waived_by_name(
    folder: Path, minilm_bundle: Path, spoiled_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    leaky = tmp_path / "leakage.json"
    train = tmp_path / "train.jsonl"
    queries = (folder / "general" / "queries.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [{"query": json.loads(line)["text"], "positive": "nothing of the kind"} for line in queries[:5]]
    train.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    data = tmp_path / "other"
    shutil.copytree(folder / "general", data)
    with (data / "corpus.jsonl").open("a", encoding="utf-8") as corpus:
        corpus.write(json.dumps({"_id": "more", "title": "", "text": "another document"}) + "\n")
    assert run(["leakage", "--dataset", str(data), "--train", str(train), "--limit", "1", "--json", str(leaky)]) == 0
    capsys.readouterr()
    options = ["--leakage", leaky, "--max-p99-ms", "0.001", "--guard", f"{folder / 'general'}=0.3", "--alpha", "0.1"]
    options += ["--price-cpu-hour", "0.04"]
    assert compare(folder, spoiled_bundle, minilm_bundle, *options) == 0
    said = capsys.readouterr().out
    assert "verdict: blocked" in said
    assert "evaluation queries are touched by the training data" in said
    assert "The report is of other documents" in said
    assert "Blocked by latency: " in said
    record = tmp_path / "decision.json"
    options += ["--waive", "leakage=checked by hand", "--waive", "latency=as agreed", "--decision", record]
    assert compare(folder, spoiled_bundle, minilm_bundle, *options) == 0
    assert "verdict: ship it" in capsys.readouterr().out
    held = json.loads(record.read_text(encoding="utf-8"))
    assert held["evidence"]["candidate"]["cost"]["per_million_queries"] > 0
    assert held["protocol"]["alpha"] == 0.1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--protocol", "none.toml"], "none.toml: no such file"),
        (["--alpha", "2"], "alpha is 2.0"),
        (["--guard", "general"], "expected DIR=MARGIN"),
        (["--guard", "general=x"], "expected DIR=MARGIN"),
        (["--guard", ":general=0.1"], "expected DIR=MARGIN or NAME:DIR=MARGIN"),
        (["--guard", "general:=0.1"], "expected DIR=MARGIN or NAME:DIR=MARGIN"),
        (["--guard", "a/test=0.1", "--guard", "b/test=0.1"], "two are named 'test'"),
        (["--waive", "latency"], "expected NAME=REASON"),
        (["--waive", "latency=x"], "names no gate"),
        (["--slice-field", "team"], "no judged query has the field 'team'"),
        (["--decision", "/proc/x.json"], "cannot write /proc/x.json"),
    ],
)
def test_what_cannot_be_declared_is_one_line(
    folder: Path, minilm_bundle: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    assert compare(folder, minilm_bundle, minilm_bundle, *options) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert message in said.err
    assert said.err.count("\n") == 1


def test_guard_sets_are_named_and_are_other_data(
    folder: Path, minilm_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = tmp_path / "decision.json"
    for name, asked in (("a", 27), ("b", 26)):
        write_topics(tmp_path / name / "test", asked=asked)
    options = ["--guard", f"first:{tmp_path}/a/test=0.3", "--guard", f"second:{tmp_path}/b/test=0.2"]
    options += ["--waive", "guard:first=agreed: margin=0.3 is wide", "--decision", record]
    assert compare(folder, minilm_bundle, minilm_bundle, *options) == 0
    held = json.loads(record.read_text(encoding="utf-8"))
    assert {guard["name"]: len(guard["queries"]) for guard in held["evidence"]["guards"]} == {"first": 27, "second": 26}
    assert [guard["margin"] for guard in held["protocol"]["guards"]] == [0.3, 0.2]
    assert held["protocol"]["waivers"] == [{"name": "guard:first", "reason": "agreed: margin=0.3 is wide"}]
    capsys.readouterr()
    assert compare(folder, minilm_bundle, minilm_bundle, "--guard", f"{folder / 'topics'}=0.3") == 2
    assert "guard set 'topics' is the data set that is evaluated" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "message"),
    [("{", "cannot be read as JSON"), ("{}", "no record of a decision"), ("[]", "no record of a decision")],
)
def test_what_cannot_be_read_has_another_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, message: str
) -> None:
    path = tmp_path / "x.json"
    path.write_text(content, encoding="utf-8")
    assert run(["decision", "verify", str(path)]) == 2
    assert message in capsys.readouterr().err
    assert run(["decision", "verify", str(tmp_path / "none.json")]) == 2
    assert run(["decision", "verify", str(path), "--guard", "general"]) == 2


def test_a_frontier_of_two_models_and_words(
    folder: Path, minilm_bundle: Path, spoiled_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = ["--dataset", folder / "topics", "--model", minilm_bundle, "--model", f"noise={spoiled_bundle}"]
    options = ["--lexical", "--cache", folder / "cache", "--price-cpu-hour", "0.04", "--json", tmp_path / "out.json"]
    options += ["--report", tmp_path / "out.html"]
    assert run(["frontier", *map(str, [*places, *options])]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert "frontier" in said.out
    record = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert (tmp_path / "out.html").read_text(encoding="utf-8") == render(frontier=record)
    points = {point["name"]: point for point in record["points"]}
    assert points.keys() == {"minilm", "noise", "BM25"}
    assert points["minilm"]["pareto"]
    assert record["points"][0]["name"] == "minilm"
    for wrong, message in (
        (places, "costs need a price"),
        ([*places[:4], "--price-cpu-hour", "1"], "two models or more"),
        ([*places, "--model", minilm_bundle, "--price-cpu-hour", "1"], "two models are named 'minilm'"),
    ):
        assert run(["frontier", *map(str, wrong)]) == 2
        assert message in capsys.readouterr().err


def test_a_base_that_was_measured_before(
    folder: Path, minilm_bundle: Path, spoiled_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "topics"
    shutil.copytree(folder / "topics", data)
    record, ranked = tmp_path / "base.json", tmp_path / "base.trec"
    options = ["--dataset", data, "--model", spoiled_bundle, "--cache", folder / "cache"]
    assert run(["evaluate", *map(str, options), "--json", str(record), "--run-out", str(ranked)]) == 0
    base = ["--baseline", record, "--baseline-run", ranked]
    new = [
        "--dataset",
        data,
        "--candidate",
        minilm_bundle,
        "--cache",
        folder / "cache",
        "--decision",
        tmp_path / "d.json",
    ]

    def decided() -> dict[str, Any]:
        assert run(["compare", *map(str, [*new, *base])]) == 0
        found: dict[str, Any] = json.loads((tmp_path / "d.json").read_text(encoding="utf-8"))
        verified = ["decision", "verify", str(tmp_path / "d.json"), "--allow-unchecked"]
        assert run(verified) == 0
        assert "--baseline" in capsys.readouterr().out.partition("\ngive ")[2]
        assert run([*verified, "--baseline", str(record)]) == 0
        assert "file baseline    holds" in capsys.readouterr().out
        assert run([*verified, "--baseline", str(ranked)]) == 1
        return found

    found = decided()
    assert found["outcome"]["verdict"] == "ship"
    assert found["evidence"]["base"]["created"] == json.loads(record.read_text(encoding="utf-8"))["settings"]["created"]
    assert "baseline" in found["evidence"]["files"]
    # A document more: the base has not seen it, and its record says so.
    corpus = data / "corpus.jsonl"
    corpus.write_text(corpus.read_text(encoding="utf-8") + '{"_id": "new", "text": "New."}\n', encoding="utf-8")
    later = corpus.stat().st_mtime + 10
    os.utime(corpus, (later, later))
    found = decided()
    assert found["outcome"]["verdict"] == "blocked"
    failed = {gate["name"] for gate in found["outcome"]["gates"] if not gate["passed"]}
    assert failed == {"match", "baseline"}
    capsys.readouterr()
    shutil.copy(tmp_path / "d.json", tmp_path / "other.json")
    for wrong, message in (
        ([*base[:2]], "--baseline and --baseline-run go together"),
        ([*base, "--base", minilm_bundle], "both name the base"),
        ([*base, "--guard", f"{folder / 'general'}=0.1"], "give the base model, not a record of it"),
        (["--baseline", tmp_path / "other.json", *base[2:]], "no record of `crossfade evaluate`"),
        (["--baseline", tmp_path / "none", *base[2:]], "none: no such file"),
    ):
        assert run(["compare", *map(str, [*new, *wrong])]) == 2
        assert message in capsys.readouterr().err
    lines = ranked.read_text(encoding="utf-8").splitlines()
    ranked.write_text("\n".join(line for line in lines if line.split()[3] != "1"), encoding="utf-8")
    assert run(["compare", *map(str, [*new, *base])]) == 2
    assert "give the run of that record" in capsys.readouterr().err
