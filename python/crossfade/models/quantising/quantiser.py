"""Makes a bundle of another precision out of a float32 one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from crossfade.errors import BundleError, InvalidInput
from crossfade.models.adapter import link
from crossfade.models.bundle import Bundle
from crossfade.models.graph import write_graph
from crossfade.models.importing.check import check_bundle
from crossfade.models.manifest import GRAPH_DATA_FILE, GRAPH_FILE, Parent, check_name
from crossfade.models.quantising.fp16 import to_fp16
from crossfade.models.quantising.int8 import to_int8
from crossfade.models.staging import check_target, moved, seal, staged
from crossfade.models.types import Precision

QUANTISED = "quantised"
"""The relation of a quantised bundle to its parent, as bundle.toml records it."""

_TARGETS = {Precision.INT8: to_int8, Precision.FP16: to_fp16}
_LONGEST_NAME = 128


def quantise(
    source: Bundle,
    output: Path,
    precision: Precision,
    *,
    name: str | None = None,
    overwrite: bool = False,
    progress: Callable[[str], None] | None = None,
) -> Bundle:
    """Make a bundle like `source` that computes in `precision`, check it by running it on the CPU, and return it.

    `precision`: INT8 (for CPUs) or FP16 (for GPUs). `name`: by default the source's and the precision. The new bundle
    has fingerprints of its own and names its parent; tokenizer and query adapter are the parent's files (hard links,
    where the file system has them). Nothing is left at `output` unless all of it worked.

    Raises InvalidInput when the source is not in float32, its graph has nothing to quantise, or the precision is
    another; BundleError when the new bundle cannot be run; AlreadyExists when `output` is a bundle and `overwrite` is
    false.
    """
    output = Path(output)
    tell = progress or (lambda _step: None)
    if precision not in _TARGETS:
        known = ", ".join(_TARGETS)
        raise InvalidInput(f"a bundle cannot be quantised to {precision}: choose one of {known}")
    check_target(output, overwrite=overwrite)
    if output.resolve() == source.path.resolve():
        raise InvalidInput(f"{output} is the bundle to be quantised: it stays as it is; choose another output")
    suffix = f"-{precision}"
    name = check_name(name or f"{source.name[: _LONGEST_NAME - len(suffix)]}{suffix}")
    check_source(source)
    tell("reading the graph")
    model = _read(source.graph_path)
    properties = {entry.key: entry.value for entry in model.metadata_props}
    tell("quantising")
    if not _TARGETS[precision](model):
        raise InvalidInput(
            f"{source.graph_path} cannot be quantised: no matrix product with weights was found before its pooling; "
            "import the model from its weights, or export it in the precision you want and import that"
        )
    parent = Parent(source.name, source.document_fingerprint, source.query_fingerprint, QUANTISED)
    with staged(output, overwrite=overwrite) as staging:
        for file in source.manifest.files:
            if file not in (GRAPH_FILE, GRAPH_DATA_FILE):
                link(source.path / file, staging / file)
        write_graph(model, staging, properties)
        bundle = seal(staging, replace(source.manifest, name=name, precision=precision, parent=parent))
        tell("checking the bundle")
        try:
            check_bundle(bundle)
        except BundleError as error:
            raise BundleError(
                f"{source.name} does not work in {precision}: {error}; nothing was written, and {source.path} is as "
                "it was. Use it in float32"
            ) from None
    return moved(bundle, output)


def check_source(source: Bundle) -> None:
    """Raises InvalidInput unless the bundle is in float32: rounding what is rounded adds up to more than it saves."""
    if source.precision is Precision.FP32:
        return
    made_from = (
        f"quantise {source.parent.name}, which it was made from"
        if source.parent is not None and source.parent.relation == QUANTISED
        else "quantise a bundle in fp32"
    )
    raise InvalidInput(f"{source.name} ({source.path}) is in {source.precision} already: {made_from}")


def _read(path: Path) -> onnx.ModelProto:
    try:
        return onnx.load(path)
    except (DecodeError, onnx.checker.ValidationError, OSError, ValueError) as error:
        raise BundleError(f"{path} is truncated, corrupt or lacks its weights: {error}; import it again") from None
