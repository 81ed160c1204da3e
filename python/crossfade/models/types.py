"""The words the models package shares."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray


class InputType(StrEnum):
    """What a text is for. A model may read queries and documents differently (prompt, adapter)."""

    QUERY = "query"
    DOCUMENT = "document"


class Pooling(StrEnum):
    """How token vectors become one vector a text."""

    MEAN = "mean"
    CLS = "cls"
    LAST_TOKEN = "last_token"  # noqa: S105 - a pooling's name, not a secret


class Precision(StrEnum):
    """What the graph computes in. Vectors leave it as float32 whatever it is."""

    FP32 = "fp32"
    FP16 = "fp16"
    BF16 = "bf16"
    INT8 = "int8"
    INT4 = "int4"


@dataclass(frozen=True, slots=True)
class Embeddings:
    """Rows in the order of the texts.

    `vectors`: float32, shape (n, dimension), C-contiguous. `token_counts`: int32, shape (n,), special tokens included,
    after the cut at the model's limit. `truncated`: bool, shape (n,), true where a text's end was not read.
    `tokenise_ns`, `infer_ns`: wall time of the two stages, in nanoseconds.
    """

    vectors: NDArray[np.float32]
    token_counts: NDArray[np.int32]
    truncated: NDArray[np.bool_]
    tokenise_ns: int
    infer_ns: int
