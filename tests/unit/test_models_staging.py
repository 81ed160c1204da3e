"""A bundle exists whole or not at all, and nothing that is not a bundle is ever replaced."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tiny_models import Tiny, write_model

from crossfade.errors import AlreadyExists, BundleError, InvalidInput
from crossfade.models import Bundle
from crossfade.models.importing import import_model


@pytest.fixture
def source(tmp_path: Path) -> str:
    return str(write_model(tmp_path / "source", Tiny()))


def everything(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def test_an_existing_bundle_is_replaced_only_when_asked(source: str, tmp_path: Path) -> None:
    first = import_model(source, tmp_path / "bundle", name="first")
    with pytest.raises(AlreadyExists, match=r"is already a model bundle.*--overwrite"):
        import_model(source, tmp_path / "bundle", name="second")
    assert Bundle.load(first.path).name == "first"
    import_model(source, tmp_path / "bundle", name="second", overwrite=True)
    assert Bundle.load(first.path).name == "second"
    assert everything(tmp_path) == {"source", "bundle"}


def test_what_is_not_a_bundle_is_never_replaced(source: str, tmp_path: Path) -> None:
    precious = tmp_path / "thesis"
    precious.mkdir()
    (precious / "chapter.txt").write_text("years of work", encoding="utf-8")
    for target in (precious, precious / "chapter.txt"):
        with pytest.raises(InvalidInput, match="choose another output"):
            import_model(source, target, overwrite=True)
    (tmp_path / "link").symlink_to(precious)
    with pytest.raises(InvalidInput, match="choose another output"):
        import_model(source, tmp_path / "link", overwrite=True)
    assert (precious / "chapter.txt").read_text(encoding="utf-8") == "years of work"


def test_an_empty_directory_and_missing_parents_are_welcome(source: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert import_model(source, tmp_path / "empty").path == tmp_path / "empty"
    assert Bundle.load(import_model(source, tmp_path / "a" / "b" / "c").path).name == "source"


@pytest.mark.parametrize("output", [".", "..", "/"])
def test_places_that_cannot_be_a_bundle(source: str, output: str) -> None:
    with pytest.raises(InvalidInput, match="cannot be a bundle's directory"):
        import_model(source, Path(output))


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left on device", "x")])
@pytest.mark.parametrize("step", ["seal", "check_bundle", "write_graph", "bundle_tokenizer"])
def test_a_stop_at_any_step_leaves_nothing(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, stop: BaseException
) -> None:
    old = import_model(source, tmp_path / "bundle", name="old")

    def fail(*_: object, **__: object) -> None:
        raise stop

    monkeypatch.setattr(f"crossfade.models.importing.importer.{step}", fail)
    for output in (tmp_path / "new", tmp_path / "bundle"):
        with pytest.raises(type(stop)):
            import_model(source, output, overwrite=True)
    assert everything(tmp_path) == {"source", "bundle"}
    assert Bundle.load(old.path).name == "old"


def test_the_old_bundle_comes_back_when_the_new_one_cannot_take_its_place(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = import_model(source, tmp_path / "bundle", name="old")
    rename = Path.rename

    def refuse(self: Path, target: Path) -> Path:
        if self.suffix == ".partial":
            raise PermissionError(errno.EACCES, "Permission denied", str(target))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(PermissionError):
        import_model(source, tmp_path / "bundle", name="new", overwrite=True)
    assert everything(tmp_path) == {"source", "bundle"}
    assert Bundle.load(old.path).name == "old"


def test_a_write_that_fails_half_way_names_the_output(source: str, tmp_path: Path) -> None:
    """In a process of its own, whose files may not grow: what a full disk does."""
    script = (
        "import resource, sys; from pathlib import Path; from crossfade.models.importing import import_model\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "import_model(sys.argv[1], Path(sys.argv[2]))"
    )
    found = subprocess.run(
        [sys.executable, "-c", script, source, str(tmp_path / "bundle")], capture_output=True, text=True, timeout=60
    )
    assert f"BundleError: {tmp_path / 'bundle'} cannot be written: File too large; nothing was left" in found.stderr
    assert everything(tmp_path) == {"source"}


def test_a_disk_that_cannot_sync_is_an_error(source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(BundleError, match="cannot be put on the disk: Input/output error"):
        import_model(source, tmp_path / "bundle")
    assert everything(tmp_path) == {"source"}


def test_a_bundle_is_as_readable_as_the_umask_says(source: str, tmp_path: Path) -> None:
    bundle = import_model(source, tmp_path / "bundle")
    plain = tmp_path / "plain"
    plain.mkdir()
    assert bundle.path.stat().st_mode == plain.stat().st_mode


def test_weights_that_are_broken(tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    source = write_model(tmp_path / "source", Tiny())
    file = source / "model.safetensors"
    whole, weights = file.read_bytes(), load_file(file)
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BundleError, match=r"model\.safetensors is truncated or corrupt"):
        import_model(str(source), tmp_path / "bundle")
    bias = "encoder.layer.0.output.dense.bias"
    for change, message in [
        ({bias: np.full(32, np.nan, np.float32)}, f"weight {bias} holds NaN or infinity"),
        ({bias: np.zeros(31, np.float32)}, rf"weight {bias} has shape \(31,\), config.json asks for \(32,\)"),
        ({bias: None}, f"lacks the weight {bias}"),
    ]:
        changed = {name: value for name, value in (weights | change).items() if value is not None}
        save_file(changed, file)
        with pytest.raises(BundleError, match=message):
            import_model(str(source), tmp_path / "bundle")
    assert everything(tmp_path) == {"source"}
