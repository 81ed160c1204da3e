"""Weights out of safetensors files, by name, checked for shape and sanity."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossfade.errors import BundleError

SINGLE_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"


def has_weights(directory: Path) -> bool:
    return (directory / SINGLE_FILE).is_file() or (directory / INDEX_FILE).is_file()


class Weights:
    """The tensors of a model, from one file or several."""

    def __init__(self, directory: Path, readers: dict[str, Any]) -> None:
        self._directory = directory
        self._readers = readers

    @property
    def names(self) -> set[str]:
        return set(self._readers)

    def get(self, name: str, *shape: int) -> NDArray[np.float32]:
        """The tensor as float32. Raises BundleError when it is missing, of another shape, or not finite."""
        reader = self._readers.get(name)
        if reader is None:
            raise BundleError(
                f"{self._directory} lacks the weight {name}: its files do not hold the architecture that config.json "
                "promises, or are incomplete"
            )
        value = reader.get_tensor(name)
        if value.shape != shape:
            raise BundleError(f"{self._directory}: weight {name} has shape {value.shape}, config.json asks for {shape}")
        result: NDArray[np.float32] = value.astype(np.float32, copy=False)
        if not np.isfinite(result).all():
            raise BundleError(f"{self._directory}: weight {name} holds NaN or infinity: the training went wrong")
        return result


@contextlib.contextmanager
def open_weights(directory: Path) -> Iterator[Weights]:
    """Open model.safetensors, or the shards that its index names. Raises BundleError when one is missing or corrupt."""
    from safetensors import SafetensorError, safe_open

    with contextlib.ExitStack() as stack:
        readers: dict[str, Any] = {}
        for file, wanted in _files(directory).items():
            path = directory / file
            try:
                reader = stack.enter_context(safe_open(path, framework="numpy"))
            except FileNotFoundError:
                raise BundleError(f"{path} is missing: download or save the model again") from None
            except (SafetensorError, OSError) as error:
                raise BundleError(f"{path} is truncated or corrupt: {error}; download or save it again") from None
            present = set(reader.keys())
            if missing := sorted((wanted or set()) - present):
                raise BundleError(f"{path} lacks {missing[0]}, which {INDEX_FILE} promises: download it again")
            readers.update(dict.fromkeys(present, reader))
        yield Weights(directory, readers)


def _files(directory: Path) -> dict[str, set[str] | None]:
    """File name -> the tensors promised to be in it (None: no promise)."""
    if (directory / SINGLE_FILE).is_file():
        return {SINGLE_FILE: None}
    index = directory / INDEX_FILE
    try:
        content = json.loads(index.read_bytes())
        placed: dict[str, set[str] | None] = {}
        for tensor, file in sorted(content["weight_map"].items()):
            if Path(file).name != file:
                raise BundleError(f"{index} names {file!r}, which is not a file beside it")
            names = placed.setdefault(file, set())
            if names is not None:
                names.add(tensor)
    except FileNotFoundError:
        raise BundleError(f"{directory} has neither {SINGLE_FILE} nor {INDEX_FILE}") from None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BundleError(f"{index} is not an index of safetensors files: {error}") from None
    return placed
