"""A client in another language, generated from proto/: built, run, and told what the Python client is told."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from serving_harness import PATIENCE, ServeProcess, serve_process

from crossfade.client import Client, Document

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "tests" / "go_client"
TEXTS = ["a loaf of rye", "", "日本語 – naïve", "word " * 400]
DOCUMENTS = [
    Document("bread", "Baking", "Mix flour and water."),
    Document("stars", text="A telescope."),
    Document("no"),
]

pytestmark = pytest.mark.skipif(shutil.which("go") is None, reason="go is not on PATH")


def go(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["go", *arguments],
        cwd=SOURCE,
        env={**os.environ, "GOFLAGS": "-mod=readonly", "GOTOOLCHAIN": "local"},
        capture_output=True,
        text=True,
        timeout=10 * PATIENCE,
    )


@pytest.fixture(scope="module")
def modules() -> None:
    """What go.mod names, from the cache or from the network; a machine with neither cannot tell anything."""
    downloaded = go("mod", "download")
    if downloaded.returncode:
        pytest.skip(f"the Go modules cannot be had: {downloaded.stderr.strip()[-300:]}")


@pytest.fixture(scope="module")
def binary(modules: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("go") / "client"
    built = go("build", "-o", str(path), ".")
    assert built.returncode == 0, built.stderr
    return path


@pytest.fixture(scope="module")
def server(minilm_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServeProcess]:
    with serve_process(tmp_path_factory.mktemp("go") / "log", "--model", f"base={minilm_bundle}") as running:
        yield running


def run(binary: Path, *arguments: str) -> Any:
    done = subprocess.run([str(binary), *arguments], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_it_is_told_what_the_python_client_is_told(server: ServeProcess, binary: Path) -> None:
    with Client(server.address, timeout=PATIENCE) as client:
        client.create_collection("docs", model="base")
        client.upsert("docs", DOCUMENTS, model="base")
        told = run(binary, server.address, "base", "docs", *TEXTS)

        (model,) = client.list_models()
        (listed,) = told["models"]
        for name in ("name", "bundle_name", "dimension", "max_tokens", "query_fingerprint", "document_fingerprint"):
            assert listed[name] == getattr(model, name)

        queries = client.embed("base", TEXTS, "query")
        # All of a call goes through the model as before: bit for bit, but for the company that a text has.
        np.testing.assert_allclose(np.array(told["embed"]["vectors"], np.float32), queries.values, rtol=0, atol=1e-6)
        assert told["embed"]["fingerprint"] == queries.fingerprint
        assert told["embed"]["token_counts"] == queries.token_counts.tolist()
        assert told["embed"]["truncated"] == queries.truncated.tolist() == [False, False, False, True]

        found = client.search("docs", 3, model="base", texts=TEXTS, with_documents=True)
        assert len(told["search"]) == len(found.hits) == len(TEXTS)
        for theirs, ours in zip(told["search"], found.hits, strict=True):
            assert [(hit["id"], hit["text"]) for hit in theirs] == [(hit.id, hit.document.text) for hit in ours]
            np.testing.assert_allclose([hit["score"] for hit in theirs], [hit.score for hit in ours], atol=1e-6)

        documents = client.embed("base", TEXTS, "document")
        assert [batch["id"] for batch in told["stream"]] == list(range(len(TEXTS)))
        streamed = np.array([batch["vectors"][0] for batch in told["stream"]], np.float32)
        np.testing.assert_allclose(streamed, documents.values, rtol=0, atol=1e-6)
        assert {batch["fingerprint"] for batch in told["stream"]} == {documents.fingerprint}

        refusal = told["refusal"]
        assert (refusal["code"], refusal["error"]) == ("InvalidArgument", "InvalidInput")
        assert "input_type is unspecified" in refusal["message"]


def test_a_server_that_is_not_there(binary: Path) -> None:
    done = subprocess.run([str(binary), "127.0.0.1:1", "m", "c", "t"], capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stdout) == (1, "")
    assert "Unavailable" in done.stderr


def test_the_generated_code_is_current(modules: None, tmp_path: Path) -> None:
    subprocess.run(
        [str(ROOT / "scripts" / "generate_go.sh"), str(tmp_path)],
        env={**os.environ, "PYTHON": sys.executable},
        check=True,
        timeout=10 * PATIENCE,
    )
    fresh = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert fresh == {path.name: path.read_text() for path in (SOURCE / "crossfadev1").iterdir()}


def test_it_is_formatted_and_vetted(modules: None) -> None:
    formatted = subprocess.run(["gofmt", "-l", str(SOURCE / "main.go")], capture_output=True, text=True)
    assert (formatted.returncode, formatted.stdout) == (0, "")
    vetted = go("vet", "./...")
    assert vetted.returncode == 0, vetted.stderr
