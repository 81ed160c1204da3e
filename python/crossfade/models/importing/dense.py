"""A Dense module of sentence-transformers: what its config.json says, and its weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from crossfade.errors import BundleError, InvalidInput
from crossfade.models.heads import DenseLayer, check_activation
from crossfade.models.importing.files import read_object
from crossfade.models.importing.weights import has_weights, open_weights


@dataclass(frozen=True, slots=True)
class DenseModule:
    """A layer whose weights are not read yet."""

    path: Path
    inputs: int
    outputs: int
    bias: bool
    activation: str


def describe_dense(path: Path) -> DenseModule:
    """Read config.json. Raises InvalidInput for what is not supported, BundleError when it is broken."""
    config = read_object(path / "config.json")
    for key in ("module_input_name", "module_output_name"):
        if config.get(key, "sentence_embedding") not in {"sentence_embedding", None}:
            raise InvalidInput(f"{path}: a dense layer on {config[key]} is not supported")
    if config.get("use_residual"):
        raise InvalidInput(f"{path}: a dense layer with a residual connection is not supported")
    activation = check_activation(str(config.get("activation_function", "torch.nn.modules.activation.Tanh")))
    try:
        inputs, outputs = int(config["in_features"]), int(config["out_features"])
    except (KeyError, TypeError, ValueError):
        raise BundleError(f"{path / 'config.json'} lacks in_features or out_features; download it again") from None
    return DenseModule(path, inputs, outputs, bool(config.get("bias", True)), activation)


def has_dense_weights(module: DenseModule) -> bool:
    return has_weights(module.path)


def read_dense(module: DenseModule) -> DenseLayer:
    """The layer. Raises BundleError when its weights are missing or of another shape."""
    with open_weights(module.path) as weights:
        weight = weights.get("linear.weight", module.outputs, module.inputs)
        bias = weights.get("linear.bias", module.outputs) if module.bias else None
    return DenseLayer(weight, bias, module.activation)


def check_widths(modules: Sequence[DenseModule], width: int) -> int:
    """What `width` values become in the layers. Raises BundleError where one does not fit the one before."""
    for module in modules:
        if module.inputs != width:
            raise BundleError(f"{module.path}: the dense layer takes {module.inputs} values and would get {width}")
        width = module.outputs
    return width
