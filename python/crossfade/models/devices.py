"""Where a graph can run, and how ONNX Runtime is told to run it there."""

from __future__ import annotations

import ctypes
import importlib
from collections.abc import Sequence
from typing import Any

from crossfade.config import Device
from crossfade.errors import InvalidInput

__all__ = ["Device", "check_available", "check_in_use", "first_provider", "gpus", "load_runtime", "providers"]

_ERRORS = 3  # of its severities

_CPU, _CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
_PROVIDERS = {Device.CPU: (_CPU,), Device.CUDA: (_CUDA,), Device.TENSORRT: ("TensorrtExecutionProvider", _CUDA)}
_REMEDIES = {
    Device.CUDA: "install crossfade[gpu]",
    Device.TENSORRT: "install crossfade[gpu] and TensorRT, or ask for the device cuda",
}


def load_runtime() -> Any:
    """ONNX Runtime: loaded when a model is, not when the package is; untyped, hence not by an import statement.

    Raises InvalidInput when it is not installed or cannot be loaded.
    """
    try:
        runtime = importlib.import_module("onnxruntime")
        # Errors arrive as exceptions, and stderr is the user's: it warns there of providers that are no plugins.
        runtime.set_default_logger_severity(_ERRORS)
        return runtime
    except ModuleNotFoundError:
        raise InvalidInput("ONNX Runtime is not installed: install crossfade[cpu] or crossfade[gpu]") from None
    except ImportError as error:
        # Ctrl-C while its native part starts comes out as an ImportError whose cause is the interrupt.
        if isinstance(error.__cause__ or error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        raise InvalidInput(f"ONNX Runtime is installed and cannot be loaded ({error}): install it again") from None


def first_provider(device: Device) -> str:
    """The execution provider that must be the one in use."""
    return _PROVIDERS[device][0]


def providers(device: Device, number: int) -> list[tuple[str, dict[str, Any]]]:
    """What InferenceSession is given, with the options of each. `number`: which of the machine's GPUs, from 0."""
    options = {} if device is Device.CPU else {"device_id": number}
    return [(name, dict(options)) for name in _PROVIDERS[device]]


def check_available(runtime: Any, device: Device) -> None:
    """Raises InvalidInput when the installed ONNX Runtime was built without a provider that the device needs."""
    available: Sequence[str] = runtime.get_available_providers()
    for provider in _PROVIDERS[device]:
        if provider not in available:
            raise InvalidInput(
                f"the device {device.value} was asked for and the installed ONNX Runtime has no {provider}: "
                f"{_REMEDIES.get(device, 'install crossfade[cpu]')}, or ask for the device cpu"
            )


def check_in_use(device: Device, in_use: Sequence[str]) -> None:
    """Raises InvalidInput when a session runs elsewhere: ONNX Runtime falls back by itself when a device cannot be
    initialised, and says so in a log only.
    """
    if in_use[0] != first_provider(device):
        raise InvalidInput(
            f"the device {device.value} was asked for and {in_use[0]} is in use: check the driver, or ask for the "
            "device cpu"
        )


def gpus() -> int:
    """How many GPUs this process may use (CUDA_VISIBLE_DEVICES counts); 0 when the driver is missing or knows none."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int(0)
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)):
        return 0
    return count.value
