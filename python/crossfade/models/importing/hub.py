"""Models on the hub: the files that an import needs, through huggingface_hub and its cache."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from crossfade.errors import CrossfadeError, InvalidInput, NotFound, Unavailable
from crossfade.models.importing.bert import SUPPORTED
from crossfade.models.importing.exported import find_export
from crossfade.models.importing.source import Source, read_source
from crossfade.models.importing.weights import has_weights

_ID = re.compile(r"(?P<repository>[\w.-]+/[\w.-]+?)(?:@(?P<revision>[\w./-]+))?", re.ASCII)
_WEIGHTS = ("model.safetensors", "model-*.safetensors")
_GRAPHS = tuple(f"{folder}model.onnx{suffix}" for folder in ("", "onnx/") for suffix in ("", "_data", ".data"))


def is_hub_id(source: str) -> bool:
    """Whether it is of the form "org/name" or "org/name@revision"."""
    return _ID.fullmatch(source) is not None


def hub_name(source: str) -> str:
    """The name without organisation and revision."""
    return source.partition("@")[0].rpartition("/")[2]


def fetch(source: str, tell: Callable[[str], None]) -> Path:
    """A directory with the model's files, from the hub or its cache; HF_HUB_OFFLINE=1 means the cache alone.

    Configuration first; then weights when the architecture can be built from them, else the exported graph. Raises
    NotFound for an unknown repository or revision, Unavailable when the hub cannot be reached and the cache lacks it.
    """
    match = _ID.fullmatch(source)
    if match is None:
        raise InvalidInput(f"{source!r} is not a hub id: give org/name or org/name@revision")
    repository, revision = match["repository"], match["revision"]
    tell("downloading the configuration")
    path = _snapshot(source, repository, revision, ["*.json"])
    described = read_source(path)
    # The same commit from here on, whatever is pushed meanwhile.
    commit = path.name
    if described.config.get("model_type") in SUPPORTED:
        tell("downloading the weights")
        _snapshot(source, repository, commit, _weight_patterns(path, described))
        if has_weights(described.transformer):
            return path
    tell("downloading the graph")
    _snapshot(source, repository, commit, [*_GRAPHS, *_dense_patterns(path, described)])
    if find_export(path) is None and not has_weights(described.transformer):
        raise InvalidInput(
            f"{source} has neither safetensors weights nor an exported ONNX graph that could be had "
            f"(model type {described.config.get('model_type')}): export it with optimum and import the directory"
        )
    return path


def _weight_patterns(path: Path, source: Source) -> list[str]:
    folder = "" if source.transformer == path else f"{source.transformer.relative_to(path).as_posix()}/"
    return [f"{folder}{name}" for name in _WEIGHTS] + _dense_patterns(path, source)


def _dense_patterns(path: Path, source: Source) -> list[str]:
    return [f"{module.path.relative_to(path).as_posix()}/model.safetensors" for module in source.dense]


def _snapshot(source: str, repository: str, revision: str | None, patterns: list[str]) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(repository, revision=revision, allow_patterns=patterns))
    except Exception as error:  # noqa: BLE001 - besides its own errors come those of the HTTP library of its choice
        _explain(source, error)


def _explain(source: str, error: Exception) -> NoReturn:
    from huggingface_hub import constants, errors

    explained: CrossfadeError
    if isinstance(error, errors.HFValidationError):
        explained = InvalidInput(f"{source!r} is neither a directory here nor a hub id: {error}")
    elif isinstance(error, errors.GatedRepoError):
        explained = NotFound(f"{source} is gated: accept its terms on its page, then log in with `hf auth login`")
    elif isinstance(error, errors.RevisionNotFoundError):
        explained = NotFound(f"{source}: the hub has no such revision; leave @revision out or correct it")
    elif isinstance(error, errors.RepositoryNotFoundError):
        explained = NotFound(
            f"{source} is neither a directory here nor a model on the hub that you may read: correct the name, or log "
            "in with `hf auth login` if it is private"
        )
    elif constants.HF_HUB_OFFLINE:
        explained = Unavailable(
            f"{source} is not a directory here, its files are not (all) in the hub's local cache, and HF_HUB_OFFLINE "
            "forbids to download: unset it, or download the model where there is a network"
        )
    else:
        explained = Unavailable(
            f"{source} is not a directory here, and the hub could not be reached ({type(error).__name__}): check the "
            "network, or give a directory"
        )
    raise explained from error
