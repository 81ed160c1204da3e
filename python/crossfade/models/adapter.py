"""Query adapters: a linear map after the model, for queries only, so that documents keep their vectors and index."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from crossfade.errors import InvalidInput
from crossfade.models.bundle import Bundle
from crossfade.models.graph import GraphBuilder, serialise, vectors_info
from crossfade.models.heads import DenseLayer, finish
from crossfade.models.manifest import ADAPTER_FILE, Parent, check_name
from crossfade.models.session import ADAPTED, EMBEDDING
from crossfade.models.staging import check_target, moved, seal, staged

RELATION = "query_adapter"


def write_adapter_bundle(
    base: Bundle,
    weight: NDArray[np.float32],
    bias: NDArray[np.float32] | None,
    output: Path,
    *,
    name: str,
    overwrite: bool = False,
) -> Bundle:
    """A bundle like `base` whose query vectors are W x + b, brought to unit length where the base's are.

    `weight`: (dimension, dimension), row i makes value i of the result. `bias`: (dimension,) or None. The base's files
    are hard-linked where the file system can, copied where not; the base is recorded as the parent. Documents keep the
    base's fingerprint.

    Raises InvalidInput for a wrong shape, NaN, infinity, or a base that has an adapter already; AlreadyExists when
    `output` is a bundle and `overwrite` is false.
    """
    output = Path(output)
    check_target(output, overwrite=overwrite)
    check_name(name)
    if base.adapter_path is not None:
        raise InvalidInput(f"{base.name} has a query adapter already: make the new one from the bundle it came from")
    weight = _checked(weight, "weight", (base.dimension, base.dimension))
    if bias is not None:
        bias = _checked(bias, "bias", (base.dimension,))
    parent = Parent(base.name, base.document_fingerprint, base.query_fingerprint, RELATION)
    with staged(output, overwrite=overwrite) as staging:
        for file in base.manifest.files:
            link(base.path / file, staging / file)
        graph = _adapter_graph(DenseLayer(weight, bias, "Identity"), normalise=base.normalise)
        (staging / ADAPTER_FILE).write_bytes(serialise(graph))
        manifest = replace(base.manifest, name=name, parent=parent, adapter=ADAPTER_FILE)
        bundle = seal(staging, manifest)
    return moved(bundle, output)


def _adapter_graph(layer: DenseLayer, *, normalise: bool) -> onnx.ModelProto:
    """Input `embedding`, output `query_embedding`."""
    builder = GraphBuilder()
    finish(builder, EMBEDDING, [layer], normalise=normalise, output=ADAPTED)
    dimension = len(layer.weight)
    return builder.model([vectors_info(EMBEDDING, dimension)], vectors_info(ADAPTED, dimension))


def _checked(value: NDArray[np.float32], what: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):  # a float64 beyond float32 becomes infinity, which is refused below
        result = np.ascontiguousarray(value, dtype=np.float32)
    if result.shape != shape:
        raise InvalidInput(f"the adapter's {what} has shape {result.shape}, the model asks for {shape}")
    if not np.isfinite(result).all():
        raise InvalidInput(f"the adapter's {what} holds NaN or infinity: the fit went wrong")
    return result


def link(source: Path, target: Path) -> None:
    """Put a file of another bundle at `target`: a hard link where the file system can, else a copy."""
    try:
        os.link(source.resolve(), target)  # a link to a link would dangle where it is relative
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, target)
