"""Sessions of one graph, between which calls are dealt out."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from crossfade.errors import BundleError, InvalidInput
from crossfade.models.binding import BoundRuns
from crossfade.models.cores import usable_cores
from crossfade.models.cuda_graph import pack_attention
from crossfade.models.devices import Device, check_available, gpus, load_runtime
from crossfade.models.graph import read_graph, serialise
from crossfade.models.session import EMBEDDING, Session, open_session, run_session

log = logging.getLogger(__name__)


class _Replica:
    """A session and how many calls are in it."""

    def __init__(self, session: Session, device: Device) -> None:
        self.session = session
        self.calls = 0
        # A bundle's graph has its dimension in it; one that does not say, or is of another kind, runs without binding.
        dimension = next((value.shape[-1] for value in session.get_outputs() if value.name == EMBEDDING), None)
        self.bound = (
            BoundRuns(session, EMBEDDING, dimension)
            if device is not Device.CPU and isinstance(dimension, int)
            else None
        )


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
        check_available(load_runtime(), device)
        cards = 1 if device is Device.CPU or replicas == 1 else max(1, gpus())
        share = threads or max(1, usable_cores() // replicas)

        def opened(content: bytes | None) -> list[_Replica]:
            return [
                _Replica(
                    open_session(path, threads=share, device=device, number=number % cards, content=content), device
                )
                for number in range(replicas)
            ]

        packed = None if device is Device.CPU else _packed(path, content)
        self.packs_attention = packed is not None
        """Whether padding costs attention nothing either, as on a GPU."""
        try:
            self._replicas = opened(content if packed is None else packed)
        except BundleError as error:
            if packed is None:
                raise
            # Where it fell back to the CPU, this says so; an ONNX Runtime without those operators runs it as it is.
            self._replicas = opened(content)
            self.packs_attention = False
            log.warning("attention over packed tokens is not used: %s", error)
        self._lock = threading.Lock()
        self._path = path

    @property
    def first(self) -> Session:
        """One of them, to ask what all of them have."""
        return self._replicas[0].session

    def run(self, output: str, inputs: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """One output of the graph. The call goes to the replica with the fewest; a session takes several at once."""
        with self._lock:
            replica = min(self._replicas, key=lambda each: each.calls)
            replica.calls += 1
        try:
            return run_session(
                replica.session, self._path, output, inputs, replica.bound if output == EMBEDDING else None
            )
        finally:
            with self._lock:
                replica.calls -= 1


def _packed(path: Path, content: bytes | None) -> bytes | None:
    """The graph with attention over packed tokens; None when it cannot be rewritten so, or is missing."""
    if content is None and not path.is_file():
        return None
    model = read_graph(path) if content is None else onnx.load_from_string(content)
    return serialise(model) if pack_attention(model) else None
