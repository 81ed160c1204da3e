"""Sessions: which provider runs, on which card, with how many threads, and which replica takes a call."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from tiny_models import Tiny, write_model

from crossfade.errors import InvalidInput
from crossfade.models import Bundle, Device, Encoder
from crossfade.models.devices import gpus
from crossfade.models.importing import import_model
from crossfade.models.text_graph import TextGraph

CPU, CUDA, TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"
IDS = np.array([[2, 5, 6, 3], [2, 7, 3, 0]], dtype=np.int64)
MASK = (IDS > 0).astype(np.int64)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    directory = tmp_path_factory.mktemp("base")
    return import_model(str(write_model(directory / "source", Tiny())), directory / "bundle", name="base")


class FakeRuntime:
    """A runtime with any providers: records what a session is opened with, and runs it on the CPU."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, available: Sequence[str], *, in_use: str | None = None) -> None:
        self.opened: list[list[tuple[str, dict[str, Any]]]] = []
        self.threads: list[int] = []
        real = onnxruntime.InferenceSession

        def open_session(path: Path, sess_options: Any, providers: list[tuple[str, dict[str, Any]]]) -> Any:
            self.opened.append(providers)
            self.threads.append(sess_options.intra_op_num_threads)
            session = real(path, sess_options, providers=[CPU])
            names = [in_use] if in_use else [name for name, _ in providers]
            monkeypatch.setattr(session, "get_providers", lambda: names)
            return session

        # The CPU has none of the operators that a graph gets for GPUs: test_models_cuda_graph.py is about those.
        monkeypatch.setattr("crossfade.models.replicas.pack_attention", lambda _model: False)
        monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: list(available))
        monkeypatch.setattr(onnxruntime, "InferenceSession", open_session)


def test_the_cpu_by_default(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = FakeRuntime(monkeypatch, [CUDA, CPU])
    TextGraph(bundle.graph_path, threads=3)
    assert runtime.opened == [[(CPU, {})]]
    assert runtime.threads == [3]


def test_tensorrt_leaves_to_cuda_what_it_does_not_know(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = FakeRuntime(monkeypatch, [TENSORRT, CUDA, CPU])
    encoder = Encoder(bundle, device=Device.TENSORRT)
    assert encoder.dimension == 32
    assert runtime.opened == [[(TENSORRT, {"device_id": 0}), (CUDA, {"device_id": 0})]]


@pytest.mark.parametrize(
    ("device", "available", "message"),
    [
        (Device.CUDA, [CPU], rf"device cuda was asked for and .* has no {CUDA}: install crossfade\[gpu\]"),
        (Device.TENSORRT, [CUDA, CPU], rf"device tensorrt was asked for and .* has no {TENSORRT}: .* the device cuda"),
        (Device.TENSORRT, [TENSORRT, CPU], f"device tensorrt was asked for and .* has no {CUDA}"),
    ],
)
def test_a_provider_that_is_not_installed(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, device: Device, available: list[str], message: str
) -> None:
    runtime = FakeRuntime(monkeypatch, available)
    with pytest.raises(InvalidInput, match=message):
        TextGraph(bundle.graph_path, device=device)
    assert runtime.opened == []


@pytest.mark.parametrize("device", [Device.CUDA, Device.TENSORRT])
@pytest.mark.parametrize("in_use", [CPU, CUDA])
def test_a_session_that_falls_back(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, device: Device, in_use: str
) -> None:
    FakeRuntime(monkeypatch, [TENSORRT, CUDA, CPU], in_use=in_use)
    if (device, in_use) == (Device.CUDA, CUDA):
        assert TextGraph(bundle.graph_path, device=device).device is device
        return
    with pytest.raises(InvalidInput, match=f"the device {device} was asked for and {in_use} is in use"):
        TextGraph(bundle.graph_path, device=device)


@pytest.mark.parametrize(("cards", "expected"), [(0, [0, 0, 0]), (1, [0, 0, 0]), (2, [0, 1, 0])])
def test_replicas_are_dealt_out_to_the_cards(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, cards: int, expected: list[int]
) -> None:
    runtime = FakeRuntime(monkeypatch, [CUDA, CPU])
    monkeypatch.setattr("crossfade.models.replicas.gpus", lambda: cards)
    TextGraph(bundle.graph_path, device=Device.CUDA, replicas=3)
    assert [providers[0][1]["device_id"] for providers in runtime.opened] == expected


@pytest.mark.parametrize(("cores", "replicas", "expected"), [(8, 2, [4, 4]), (2, 3, [1, 1, 1]), (5, 1, [5])])
def test_replicas_share_the_cores(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, cores: int, replicas: int, expected: list[int]
) -> None:
    runtime = FakeRuntime(monkeypatch, [CPU])
    monkeypatch.setattr("crossfade.models.replicas.usable_cores", lambda: cores)
    TextGraph(bundle.graph_path, replicas=replicas)
    assert runtime.threads == expected
    TextGraph(bundle.graph_path, replicas=replicas, threads=7)
    assert runtime.threads[len(expected) :] == [7] * replicas


def test_no_replica_is_refused(bundle: Bundle) -> None:
    with pytest.raises(InvalidInput, match="replicas must be 1 or more, not 0"):
        Encoder(bundle, replicas=0)


def test_a_call_goes_to_the_replica_with_the_fewest(bundle: Bundle) -> None:
    """Two calls meet inside: each in a session of its own, or the barrier would break."""
    graph = TextGraph(bundle.graph_path, threads=1, replicas=2)
    expected = graph.run(IDS, MASK)
    barrier = threading.Barrier(2, timeout=30)
    taken: list[int] = []

    class Meeting:
        def __init__(self, number: int, session: Any) -> None:
            self.number, self.session = number, session

        def run(self, outputs: Sequence[str], inputs: Mapping[str, Any]) -> Any:
            taken.append(self.number)
            barrier.wait()
            return self.session.run(outputs, inputs)

    for number, replica in enumerate(graph._replicas._replicas):
        replica.session = Meeting(number, replica.session)
    with ThreadPoolExecutor(2) as pool:
        for _ in range(5):
            for found in pool.map(lambda _: graph.run(IDS, MASK), range(2)):
                np.testing.assert_array_equal(found, expected)
    assert [sorted(taken[row : row + 2]) for row in range(0, 10, 2)] == [[0, 1]] * 5
    assert [replica.calls for replica in graph._replicas._replicas] == [0, 0]


@pytest.mark.parametrize("replicas", [1, 3])
def test_many_threads_each_keep_their_result(bundle: Bundle, replicas: int) -> None:
    """What one call returned is not overwritten by the next: no buffer is shared."""
    graph = TextGraph(bundle.graph_path, threads=1, replicas=replicas)
    rng = np.random.default_rng(5)
    batches = [rng.integers(2, 40, (int(rng.integers(1, 9)), int(rng.integers(1, 20)))) for _ in range(64)]
    expected = [graph.run(ids, np.ones_like(ids)) for ids in batches]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda ids: graph.run(ids, np.ones_like(ids)), batches))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-6)


class FakeDriver:
    def __init__(self, *, code: int, count: int) -> None:
        self._code, self._count = code, count

    def cuInit(self, _: int) -> int:
        return self._code

    def cuDeviceGetCount(self, result: Any) -> int:
        result._obj.value = self._count
        return 0


@pytest.mark.parametrize(("code", "count", "expected"), [(0, 2, 2), (0, 0, 0), (100, 2, 0)])
def test_cards_are_counted_by_the_driver(monkeypatch: pytest.MonkeyPatch, code: int, count: int, expected: int) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: FakeDriver(code=code, count=count))
    assert gpus() == expected


def test_no_driver_no_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> None:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(ctypes, "CDLL", fail)
    assert gpus() == 0


def test_on_a_gpu_calls_are_bound_to_buffers(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on the CPU to the bit: calls that grow, that shrink, and many at once."""
    plain = TextGraph(bundle.graph_path, threads=1)
    FakeRuntime(monkeypatch, [CUDA, CPU])
    bound = TextGraph(bundle.graph_path, threads=1, device=Device.CUDA)

    def unused(*_: object) -> None:
        raise AssertionError("run was called, and not the binding")

    assert bound._replicas._replicas[0].bound is not None
    monkeypatch.setattr(bound._replicas._replicas[0].session, "run", unused)
    rng = np.random.default_rng(6)
    shapes = [(1, 3), (40, 20), (2, 2), (7, 19), (60, 31), (1, 1)] * 4
    batches = [rng.integers(2, 40, shape) for shape in shapes]
    masks = [(np.arange(ids.shape[1]) < rng.integers(1, ids.shape[1] + 1, (len(ids), 1))) * 1 for ids in batches]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(bound.run, batches, masks))
    for vectors, ids, mask in zip(found, batches, masks, strict=True):
        np.testing.assert_array_equal(vectors, plain.run(ids, mask))


def test_what_padding_costs_is_what_the_graph_says(bundle: Bundle, tmp_path: Path) -> None:
    assert TextGraph(bundle.graph_path).padding_cost == 0.25
    model = onnx.load(bundle.graph_path)
    kept = [entry for entry in model.metadata_props if entry.key != "crossfade.layout"]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    onnx.save(model, tmp_path / "model.onnx")
    assert TextGraph(tmp_path / "model.onnx").padding_cost == 1


def test_padding_does_not_reach_a_vector(bundle: Bundle) -> None:
    """A packed graph lets padding stand for another text's token, where nobody looks: however much of it there is,
    whatever its ids, and on whichever side the text has its company."""
    graph = TextGraph(bundle.graph_path, threads=1)
    alone = graph.run(IDS[1:, :3], MASK[1:, :3])[0]
    for width in (4, 9, 30):
        ids, mask = np.full((3, width), 9), np.zeros((3, width), dtype=np.int64)
        ids[1, :3], mask[1, :3] = IDS[1, :3], 1
        mask[0, : width - 1] = mask[2, :1] = 1
        np.testing.assert_allclose(graph.run(ids, mask)[1], alone, atol=1e-6)


def test_texts_of_no_token(bundle: Bundle) -> None:
    """As a tokenizer without special tokens makes them of empty texts: the same alone, together, and in company."""
    graph = TextGraph(bundle.graph_path)
    none = graph.run(np.zeros((2, 4), dtype=np.int64), np.zeros((2, 4), dtype=np.int64))
    assert none.shape == (2, 32)
    assert np.isfinite(none).all()
    empty = graph.run(np.zeros((1, 0), dtype=np.int64), np.zeros((1, 0), dtype=np.int64))
    np.testing.assert_array_equal(empty, none[:1])
    together = graph.run(np.concatenate([IDS, IDS[:1]]), np.concatenate([MASK, MASK[:1] * 0]))
    np.testing.assert_array_equal(together[2], none[0])
