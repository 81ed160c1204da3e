"""A bundle's graphs: of a text's tokens its vector, and of a query's vector the adapted one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crossfade.models.devices import Device
from crossfade.models.replicas import Replicas
from crossfade.models.session import (
    ADAPTED,
    ATTENTION_MASK,
    EMBEDDING,
    INPUT_IDS,
    PACKED,
    check_signature,
    open_session,
    run_session,
)

# A token of padding, as a part of one of a text. Measured with MiniLM in batches of 2 to 40 texts of 4 to 250 tokens:
# 0.22 in float32, 0.29 in int8.
_PACKED_PADDING = 0.25
# Where attention is packed too: BERT base in float16 on an H100, texts of 20 and 200 tokens (bench serving/gpu).
_PADDING_ON_GPUS = 0.1


class TextGraph:
    """`model.onnx`: token ids in, one vector a text out. Safe to run from many threads."""

    def __init__(self, path: Path, *, threads: int = 0, device: Device = Device.CPU, replicas: int = 1) -> None:
        """`threads`, `replicas`: as `Replicas` takes them.

        Raises BundleError when the graph cannot be run or is not a bundle's, InvalidInput for the device and replicas.
        """
        self._replicas = Replicas(path, threads=threads, device=device, replicas=replicas)
        session = self._replicas.first
        check_signature(session, path, {INPUT_IDS, ATTENTION_MASK}, EMBEDDING)
        self.device = device
        self.replicas = replicas
        self.properties: Mapping[str, str] = dict(session.get_modelmeta().custom_metadata_map)
        packed = PACKED.items() <= self.properties.items()
        self.padding_cost = _PACKED_PADDING if packed else 1.0
        if self._replicas.packs_attention:
            self.padding_cost = _PADDING_ON_GPUS
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
        check_signature(self._session, path, {EMBEDDING}, ADAPTED)

    def run(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32, (batch, dimension), both ways."""
        return run_session(self._session, self._path, ADAPTED, {EMBEDDING: vectors})
