"""One ONNX Runtime session, with every option stated."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from crossfade.errors import BundleError, InvalidInput
from crossfade.models.binding import BoundRuns
from crossfade.models.cores import usable_cores
from crossfade.models.devices import Device, check_available, check_in_use, gpus, load_runtime, providers
from crossfade.models.types import Pooling

INPUT_IDS = "input_ids"
ATTENTION_MASK = "attention_mask"
EMBEDDING = "embedding"
ADAPTED = "query_embedding"

PACKED = {"crossfade.layout": "packed"}
"""What a graph says of itself that computes padding in attention alone."""

# A token of padding, as a part of one of a text. Measured with MiniLM in batches of 2 to 40 texts of 4 to 250 tokens:
# 0.22 in float32, 0.29 in int8.
_PACKED_PADDING = 0.25


class _Value(Protocol):
    """A graph's input or output."""

    name: str
    type: str
    shape: Sequence[Any]


class _Session(Protocol):
    """What is used of onnxruntime.InferenceSession, which has no types of its own."""

    def run(self, outputs: Sequence[str], inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[np.float32]]: ...

    def get_inputs(self) -> Sequence[_Value]: ...

    def get_outputs(self) -> Sequence[_Value]: ...

    def get_providers(self) -> Sequence[str]: ...

    def get_modelmeta(self) -> Any: ...


class _Replica:
    """A session and how many calls are in it."""

    def __init__(self, session: _Session, device: Device) -> None:
        self.session = session
        self.calls = 0
        # A bundle's graph has its dimension in it; one that does not say, or is of another kind, runs without binding.
        dimension = next((value.shape[-1] for value in session.get_outputs() if value.name == EMBEDDING), None)
        self.bound = (
            BoundRuns(session, EMBEDDING, dimension)
            if device is not Device.CPU and isinstance(dimension, int)
            else None
        )


def open_session(
    path: Path, *, threads: int = 0, device: Device = Device.CPU, number: int = 0, content: bytes | None = None
) -> _Session:
    """Load a graph. `threads`: CPU threads inside an operator; 0 = all cores that this process may use. `number`:
    which GPU. `content`: a graph made of the one at `path`, to load in its place; weights beside that are found.

    Raises BundleError when the file is missing or cannot be run, InvalidInput when this machine lacks the device: a
    model never runs anywhere else than asked.
    """
    onnxruntime = load_runtime()
    check_available(onnxruntime, device)
    if not path.is_file():
        raise BundleError(f"{path} is missing: import the model again")
    options = onnxruntime.SessionOptions()
    # Its own 0 would bind one thread to each core of the machine, whoever else runs there.
    options.intra_op_num_threads = threads or usable_cores()
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    # Threads wait awake for the next operator, but sleep between calls: two models, the scorer and the server share
    # these cores. On two busy cores a single query took 12 ms so, 16 with no waiting awake, 27 with the default's.
    options.add_session_config_entry("session.intra_op.spin_duration_us", "20")
    # It remembers one pattern for every shape it meets, and texts come in every shape.
    options.enable_mem_pattern = False
    options.log_severity_level = 4  # fatal; errors arrive as exceptions, and stderr is the user's
    if content is not None:
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(path.parent))
    try:
        session: _Session = onnxruntime.InferenceSession(
            path if content is None else content, sess_options=options, providers=providers(device, number)
        )
    except Exception as error:  # noqa: BLE001 - its exceptions share no base but Exception
        raise BundleError(
            f"{path} cannot be loaded by ONNX Runtime: {_first_line(error)}; it is truncated, corrupt or of a newer "
            "ONNX: import the model again"
        ) from None
    check_in_use(device, session.get_providers())
    return session


class Replicas:
    """Sessions of one graph. Safe to run from many threads."""

    def __init__(
        self,
        path: Path,
        *,
        threads: int = 0,
        device: Device = Device.CPU,
        replicas: int = 1,
        content: bytes | None = None,
    ) -> None:
        """`threads`: CPU threads inside an operator of each; 0 = its share of the cores. `replicas`: how many, each
        with its own copy of the weights; on GPUs they are dealt out to all there are. `content`: as `open_session`
        takes it.

        Raises BundleError when the graph cannot be run, InvalidInput for the device and replicas.
        """
        if replicas < 1:
            raise InvalidInput(f"replicas must be 1 or more, not {replicas}")
        cards = 1 if device is Device.CPU or replicas == 1 else max(1, gpus())
        share = threads or max(1, usable_cores() // replicas)
        self._replicas = [
            _Replica(open_session(path, threads=share, device=device, number=number % cards, content=content), device)
            for number in range(replicas)
        ]
        self._lock = threading.Lock()
        self._path = path

    @property
    def first(self) -> _Session:
        """One of them, to ask what all of them have."""
        return self._replicas[0].session

    def run(self, output: str, inputs: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """One output of the graph. The call goes to the replica with the fewest; a session takes several at once."""
        with self._lock:
            replica = min(self._replicas, key=lambda each: each.calls)
            replica.calls += 1
        try:
            return _run(replica.session, self._path, output, inputs, replica.bound if output == EMBEDDING else None)
        finally:
            with self._lock:
                replica.calls -= 1


class TextGraph:
    """`model.onnx`: token ids in, one vector a text out. Safe to run from many threads."""

    def __init__(self, path: Path, *, threads: int = 0, device: Device = Device.CPU, replicas: int = 1) -> None:
        """`threads`, `replicas`: as `Replicas` takes them.

        Raises BundleError when the graph cannot be run or is not a bundle's, InvalidInput for the device and replicas.
        """
        self._replicas = Replicas(path, threads=threads, device=device, replicas=replicas)
        session = self._replicas.first
        _check_signature(session, path, {INPUT_IDS, ATTENTION_MASK}, EMBEDDING)
        self.device = device
        self.replicas = replicas
        self.properties: Mapping[str, str] = dict(session.get_modelmeta().custom_metadata_map)
        packed = PACKED.items() <= self.properties.items()
        self.padding_cost = _PACKED_PADDING if packed else 1.0
        """What a token of padding costs, as a part of what one of a text does."""

    def run(self, ids: NDArray[np.int64], mask: NDArray[np.int64]) -> NDArray[np.float32]:
        """Both int64, shape (batch, sequence), right-padded, mask 1 on a token. Result: float32, (batch, dimension)."""
        if not mask.any():
            return self._run_without_tokens(ids)
        return self._replicas.run(EMBEDDING, {INPUT_IDS: ids, ATTENTION_MASK: mask})

    def _run_without_tokens(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """Texts of no token at all. A packed graph has nothing to compute then, which ONNX Runtime does not allow: one
        token goes with them.
        """
        columns = max(1, ids.shape[1])
        company_ids = np.zeros((len(ids) + 1, columns), dtype=np.int64)
        company_mask = np.zeros_like(company_ids)
        company_ids[:-1, : ids.shape[1]] = ids
        company_mask[-1, 0] = 1
        return self.run(company_ids, company_mask)[:-1]


class QueryAdapter:
    """`query_adapter.onnx`: a vector of the model in, the query's vector out. Safe to run from many threads."""

    def __init__(self, path: Path) -> None:
        # One thread: the work of a few thousand multiplications is done before a second one wakes up.
        self._session = open_session(path, threads=1)
        self._path = path
        _check_signature(self._session, path, {EMBEDDING}, ADAPTED)

    def run(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32, (batch, dimension), both ways."""
        return _run(self._session, self._path, ADAPTED, {EMBEDDING: vectors})


def _run(
    session: _Session, path: Path, output: str, inputs: Mapping[str, NDArray[Any]], bound: BoundRuns | None = None
) -> NDArray[np.float32]:
    try:
        return session.run([output], inputs)[0] if bound is None else bound.run(inputs)
    except Exception as error:
        shapes = ", ".join(f"{name} {value.shape}" for name, value in inputs.items())
        raise BundleError(
            f"{path} failed on {shapes}: {_first_line(error)}; if memory is short, lower batch_tokens, else import "
            "the model again"
        ) from error


def graph_properties(pooling: Pooling, dimension: int, *, normalise: bool) -> dict[str, str]:
    """What a graph that crossfade builds says about itself, in its metadata."""
    return {
        "crossfade.dimension": str(dimension),
        "crossfade.normalise": str(normalise).lower(),
        "crossfade.pooling": pooling.value,
    }


def _check_signature(session: _Session, path: Path, inputs: set[str], output: str) -> None:
    found = {item.name for item in session.get_inputs()}
    outputs = {item.name: item for item in session.get_outputs()}
    if found != inputs or output not in outputs:
        raise BundleError(
            f"{path} has the inputs {sorted(found)} and outputs {sorted(outputs)}; a bundle's has {sorted(inputs)} and "
            f"{output!r}: import the model again"
        )
    if outputs[output].type != "tensor(float)":
        raise BundleError(f"{path}: {output} is of type {outputs[output].type}, not float32: import the model again")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
