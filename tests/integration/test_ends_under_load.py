"""Servers and clients that end while calls are in progress: in order, by a signal, or without a word."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import grpc
import pytest
from load import CODE, Load
from serving_harness import PATIENCE, hosted_process, serve_process, until

from crossfade._pb import embedding_pb2, embedding_pb2_grpc, vectors_pb2
from crossfade.client import Client

DRAIN_SECONDS = 20


def check(endings: Counter[tuple[grpc.StatusCode, str]], callers: int = 8) -> None:
    assert endings.total() == callers
    assert {code for code, _ in endings} == {CODE.UNAVAILABLE}, endings


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_signal_ends_a_loaded_server_in_order(minilm_bundle: Path, tmp_path: Path, number: signal.Signals) -> None:
    """What has been let in is answered, what comes is told UNAVAILABLE, and streams are told between two batches."""
    log = tmp_path / "log"
    settings = ("--model", f"base={minilm_bundle}", "--drain-seconds", str(DRAIN_SECONDS))
    with serve_process(log, *settings) as server, Load(server.address, "base") as load:
        began = time.monotonic()
        server.process.send_signal(number)
        check(load.wait())
        assert server.wait() == 0
        assert time.monotonic() - began < DRAIN_SECONDS
    written = log.read_text()
    assert "Traceback" not in written
    assert "still in progress and are cut" not in written
    assert written.rstrip().endswith("stopped")


def test_clients_that_are_killed_hurt_nobody(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from load import Load\n"
        "with Load(sys.argv[1], 'wide', unary=4, streams=4) as load:\n"
        "    print('going', flush=True)\n"
        "    load.wait()\n"
    )
    here = str(Path(__file__).parent)
    with hosted_process("drain", tmp_path / "log") as server, Client(server.address, timeout=PATIENCE) as client:
        for _ in range(3):
            killed = subprocess.Popen(
                [sys.executable, "-c", f"import sys; sys.path.insert(0, {here!r})\n{script}", server.address],
                stdout=subprocess.PIPE,
            )
            try:
                assert killed.stdout.readline() == b"going\n"
                assert client.embed("wide", ["four"], "query").values[0, 0] == 4
                assert server.counts()["active_calls"] > 0
            finally:
                killed.kill()
                killed.wait()
                killed.stdout.close()
            assert client.embed("wide", ["four"], "query").values[0, 0] == 4
            for name in ("searched", "written"):
                client.delete_collection(name)
            until(lambda: server.counts()["active_calls"] == 0)
            assert server.counts()["queued_tokens"] == server.counts()["waiting"] == 0
        assert server.end() == 0
        assert "Traceback" not in server.log.read_text()


@pytest.mark.parametrize(("end", "code"), [("exit", 7), ("raise", 1)])
def test_a_program_may_end_without_a_drain(tmp_path: Path, end: str, code: int) -> None:
    with hosted_process(end, tmp_path / "log") as server, Load(server.address, "wide") as load:
        assert server.end() == code
        check(load.wait())
        log = server.log.read_text()
    assert log.count("Traceback") == log.count("RuntimeError: an exception that nobody catches") == (end == "raise")
    assert "panicked" not in log
    assert "Fatal" not in log


def test_a_program_may_end_while_its_model_runs(tmp_path: Path) -> None:
    with hosted_process("exit", tmp_path / "log") as server, grpc.insecure_channel(server.address) as channel:
        request = embedding_pb2.EmbedRequest(model="wide", input_type=vectors_pb2.INPUT_TYPE_QUERY, texts=["busy"])
        call = embedding_pb2_grpc.EmbeddingServiceStub(channel).Embed.future(request, timeout=PATIENCE)
        until(lambda: server.counts()["batches"] == 1)
        assert server.end() == 7
        assert call.code() in {CODE.OK, CODE.UNAVAILABLE}


@pytest.mark.parametrize("end", ["fork-_exit", "fork-exit"])
def test_a_child_that_ends_takes_nothing_with_it(tmp_path: Path, end: str) -> None:
    with hosted_process(end, tmp_path / "log") as server, Load(server.address, "wide") as load:
        assert server.end() == 0
        assert server.process.stdout.read() == "3\n"
        check(load.wait())
        assert "Traceback" not in server.log.read_text()
