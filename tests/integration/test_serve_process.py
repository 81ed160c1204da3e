"""`crossfade serve` as users start it: the whole path with real models, and how it ends."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from serving_harness import PATIENCE, ServeProcess, serve_process

from crossfade.cli.main import run
from crossfade.client import Client, Document, Upserted
from crossfade.errors import FingerprintMismatch, InvalidInput, Overloaded, Unavailable
from crossfade.models import Bundle, InputType, load_encoders
from crossfade.models.adapter import write_adapter_bundle

DOCUMENTS = [
    Document("bread", "Baking bread", "Mix flour, water, salt and yeast, knead the dough and bake it."),
    Document("engine", "Car engines", "A combustion engine burns petrol to turn the wheels."),
    Document("stars", "", "A telescope shows distant galaxies and stars."),
    Document("empty"),
]


@pytest.fixture(scope="module")
def tuned_bundle(minilm_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sibling of the base model that negates its queries: the worst document comes first."""
    base = Bundle.load(minilm_bundle)
    weight = -np.eye(base.dimension, dtype=np.float32)
    return write_adapter_bundle(base, weight, None, tmp_path_factory.mktemp("bundles") / "tuned", name="tuned").path


@pytest.fixture(scope="module")
def server(minilm_bundle: Path, tuned_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServeProcess]:
    log = tmp_path_factory.mktemp("serve") / "log"
    with serve_process(log, "--model", f"base={minilm_bundle}", "--model", f"tuned={tuned_bundle}") as running:
        yield running


def test_two_models_over_one_collection(server: ServeProcess, minilm_bundle: Path, tuned_bundle: Path) -> None:
    with Client(server.address) as client:
        base, tuned = client.list_models()
        assert (base.name, base.dimension, base.max_tokens, base.pooling) == ("base", 384, 256, "mean")
        assert (tuned.name, tuned.parent_name, tuned.document_fingerprint) == (
            "tuned",
            base.bundle_name,
            base.document_fingerprint,
        )
        assert tuned.query_fingerprint != base.query_fingerprint

        made = client.create_collection("docs", model="base")
        assert (made.dimension, made.metric, made.document_fingerprint) == (384, "cosine", base.document_fingerprint)
        upserted = client.upsert("docs", DOCUMENTS, model="tuned")  # their documents are the same
        assert (upserted.added, upserted.replaced) == (4, 0)

        local = load_encoders({"base": minilm_bundle, "tuned": tuned_bundle})
        texts = ["sourdough recipe", "astronomy", ""]
        for name, encoder in local.items():
            for kind in InputType:
                remote = client.embed(name, texts, kind.value)
                here = encoder.encode(texts, kind)
                np.testing.assert_allclose(remote.values, here.vectors, atol=1e-6)
                assert remote.fingerprint == encoder.bundle.fingerprint(kind)
                assert remote.token_counts.tolist() == here.token_counts.tolist()
                assert remote.times.infer_ns > 0

        best = client.search("docs", 1, model="base", texts=texts[:2], with_documents=True).hits
        assert [hits[0].document for hits in best] == [DOCUMENTS[0], DOCUMENTS[2]]
        by_vector = client.search("docs", 4, vectors=client.embed("base", texts, "query"))
        assert by_vector.hits[0][0].id == "bread"
        worst = client.search("docs", 4, vectors=client.embed("tuned", texts, "query"))
        assert worst.query_fingerprint == tuned.query_fingerprint
        assert [hit.id for hit in worst.hits[0]] == [hit.id for hit in reversed(by_vector.hits[0])]

        client.create_collection("foreign", dimension=384, fingerprint="cf1-foreign", metric="ip")
        with pytest.raises(FingerprintMismatch, match="'foreign' holds cf1-foreign"):
            client.search("foreign", 1, model="base", texts=["x"])
        assert client.delete("docs", ["bread"]) == 1
        assert client.search("docs", 1, model="base", texts=texts[:1]).hits[0][0].id != "bread"


def test_a_truncated_text_says_so(server: ServeProcess) -> None:
    with Client(server.address) as client:
        embedded = client.embed("base", ["word " * 1000, "word"], "document")
    assert (embedded.token_counts[0], embedded.truncated.tolist()) == (256, [True, False])


def upsert_insistently(client: Client, documents: list[Document]) -> Upserted:
    """Until it is let in: the looks of `wait_full` take a place for a moment too."""
    while True:
        try:
            return client.upsert("docs", documents, model="base")
        except Overloaded:
            continue


def wait_full(client: Client) -> None:
    """Until the server has all the calls it takes in progress."""
    while True:
        try:
            client.list_collections()
        except Overloaded:
            return


def wait_free(client: Client) -> None:
    """Until the server takes a call again."""
    while True:
        try:
            client.list_collections()
        except Overloaded:
            continue
        return


def test_sigterm_lets_calls_in_progress_finish(minilm_bundle: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    documents = [Document(str(number), text=f"a sentence of some words, number {number}") for number in range(200)]
    with (
        serve_process(log, "--model", f"base={minilm_bundle}", "--max-concurrent-calls", "4") as server,
        Client(server.address) as client,
        ThreadPoolExecutor() as pool,
    ):
        client.create_collection("docs", model="base")
        client.limits()  # asked once: from here on an Upsert is one call
        futures = [pool.submit(upsert_insistently, client, documents) for _ in range(4)]
        wait_full(client)
        server.terminate()
        counts = [future.result(PATIENCE) for future in futures]
        assert sum(count.added for count in counts) == 200
        assert sum(count.replaced for count in counts) == 600
        assert server.wait() == 0
        with pytest.raises(Unavailable):
            client.list_models()
        assert "Traceback" not in log.read_text()
        assert "stopped" in log.read_text()
        assert server.process.stdout.read() == ""  # one line of data, and that is all


@pytest.mark.parametrize("how", ["bound", "second signal"])
def test_a_drain_ends_by_its_bound_or_by_a_second_signal(minilm_bundle: Path, tmp_path: Path, how: str) -> None:
    log = tmp_path / "log"
    seconds = "0.1" if how == "bound" else "600"
    limits = ("--max-concurrent-calls", "1", "--drain-seconds", seconds, "--threads", "1")
    long = [Document(str(number), text=f"{number} word " * 300) for number in range(1000)]  # minutes of work
    with (
        serve_process(log, "--model", f"base={minilm_bundle}", *limits) as server,
        Client(server.address, timeout=PATIENCE) as client,
        ThreadPoolExecutor() as pool,
    ):
        client.create_collection("docs", model="base")
        client.limits()  # asked once: from here on an Upsert is one call
        future = pool.submit(upsert_insistently, client, long)
        wait_full(client)
        server.terminate()
        if how == "second signal":
            while "draining" not in log.read_text():
                assert server.process.poll() is None
            server.process.send_signal(signal.SIGINT)
        with pytest.raises(Unavailable, match="the server shut down before the call was done"):
            future.result(PATIENCE)
        assert server.wait() == 0
        assert "1 calls were still in progress and are cut" in log.read_text()
        assert "Traceback" not in log.read_text()


def test_work_that_nobody_waits_for_does_not_hold_up_the_end(minilm_bundle: Path, tmp_path: Path) -> None:
    long = [Document(str(number), text=f"{number} word " * 300) for number in range(256)]  # many seconds of work
    log = tmp_path / "log"
    with (
        serve_process(
            log, "--model", f"base={minilm_bundle}", "--max-concurrent-calls", "1", "--threads", "1"
        ) as server,
        Client(server.address) as client,
        ThreadPoolExecutor() as pool,
    ):
        client.create_collection("docs", model="base")
        with Client(server.address) as leaver:
            leaver.limits()
            future = pool.submit(upsert_insistently, leaver, long)
            wait_full(client)
        with pytest.raises(InvalidInput, match="closed"):
            future.result(PATIENCE)
        wait_free(client)
        server.terminate()
        assert server.wait() == 0
        assert "draining: 0 calls in progress" in log.read_text()
        assert "stopped" in log.read_text()


def test_settings_come_from_the_environment(minilm_bundle: Path, tmp_path: Path) -> None:
    with (
        serve_process(tmp_path / "log", "--model", f"base={minilm_bundle}", CROSSFADE_MAX_TEXTS_PER_CALL="7") as server,
        Client(server.address) as client,
    ):
        assert client.limits().texts_per_call == 7
        assert client.embed("base", ["x"] * 15, "query").values.shape == (15, 384)


class TestBadArguments:
    """One line on stderr, exit code 2, no traceback."""

    def check(self, capsys: pytest.CaptureFixture[str], words: str, *arguments: str) -> None:
        assert run(["serve", *arguments]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert words in captured.err
        assert captured.err.count("\n") == 1

    @pytest.mark.parametrize("pair", ["base", "=dir", "base=", ""])
    def test_a_model_that_is_not_name_equals_directory(self, capsys: pytest.CaptureFixture[str], pair: str) -> None:
        self.check(capsys, f"--model {pair!r} cannot be read: write NAME=DIR", "--model", pair)

    def test_a_name_twice(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.check(capsys, "--model names 'a' twice: give each its own name", "--model", "a=x", "--model", "a=y")

    def test_no_model(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.check(capsys, "--model")

    def test_a_directory_that_is_missing(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        missing = tmp_path / "missing"
        self.check(
            capsys, f"model bundle {missing} does not exist", "--model", f"a={missing}", "--listen", "127.0.0.1:0"
        )

    @pytest.mark.parametrize("listen", ["nowhere", ":50051", "127.0.0.1:", "127.0.0.1:99999", "unix:"])
    def test_an_address_that_is_none(self, capsys: pytest.CaptureFixture[str], listen: str) -> None:
        self.check(capsys, f"cannot listen on {listen!r}: give host:port", "--model", "a=x", "--listen", listen)

    def test_a_port_that_is_taken(self, capsys: pytest.CaptureFixture[str]) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            self.check(
                capsys, f"cannot listen on {address}: Address already in use", "--model", "a=x", "--listen", address
            )

    def test_a_setting_out_of_range(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.check(capsys, "setting threads", "--model", "a=x", "--threads", "-1")

    def test_the_real_process_too(self, tmp_path: Path) -> None:
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "crossfade.cli.main",
                "serve",
                "--model",
                f"a={tmp_path}",
                "--listen",
                "127.0.0.1:0",
            ],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("crossfade: error: ")
        assert done.stderr.count("\n") == 1
