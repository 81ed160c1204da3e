"""One ONNX Runtime session, with every option stated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from crossfade.errors import BundleError
from crossfade.models.binding import BoundRuns
from crossfade.models.cores import usable_cores
from crossfade.models.devices import Device, check_available, check_in_use, load_runtime, providers
from crossfade.models.types import Pooling

INPUT_IDS = "input_ids"
ATTENTION_MASK = "attention_mask"
EMBEDDING = "embedding"
ADAPTED = "query_embedding"

PACKED = {"crossfade.layout": "packed"}
"""What a graph says of itself that computes padding in attention alone."""


class Value(Protocol):
    """A graph's input or output."""

    name: str
    type: str
    shape: Sequence[Any]


class Session(Protocol):
    """What is used of onnxruntime.InferenceSession, which has no types of its own."""

    def run(self, outputs: Sequence[str], inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[np.float32]]: ...

    def get_inputs(self) -> Sequence[Value]: ...

    def get_outputs(self) -> Sequence[Value]: ...

    def get_providers(self) -> Sequence[str]: ...

    def get_modelmeta(self) -> Any: ...


def open_session(
    path: Path, *, threads: int = 0, device: Device = Device.CPU, number: int = 0, content: bytes | None = None
) -> Session:
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
        session: Session = onnxruntime.InferenceSession(
            path if content is None else content, sess_options=options, providers=providers(device, number)
        )
    except Exception as error:  # noqa: BLE001 - its exceptions share no base but Exception
        raise BundleError(
            f"{path} cannot be loaded by ONNX Runtime: {_first_line(error)}; it is truncated, corrupt or of a newer "
            "ONNX: import the model again"
        ) from None
    check_in_use(device, session.get_providers())
    return session


def run_session(
    session: Session, path: Path, output: str, inputs: Mapping[str, NDArray[Any]], bound: BoundRuns | None = None
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


def check_signature(session: Session, path: Path, inputs: set[str], output: str) -> None:
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
