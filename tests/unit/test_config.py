"""Settings: file < environment < flags, and every mistake named."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossfade.config import load_settings
from crossfade.errors import InvalidInput


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CROSSFADE_CONFIG", "CROSSFADE_MAX_K", "CROSSFADE_THREADS"):
        monkeypatch.delenv(name, raising=False)


def test_flags_win_over_environment_over_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "crossfade.toml"
    file.write_text("max_k = 5\nthreads = 1\nmax_texts_per_call = 7\n")
    monkeypatch.setenv("CROSSFADE_CONFIG", str(file))
    monkeypatch.setenv("CROSSFADE_MAX_K", "6")
    monkeypatch.setenv("CROSSFADE_THREADS", "2")
    settings = load_settings(max_k=8, threads=None)
    assert (settings.max_k, settings.threads, settings.max_texts_per_call) == (8, 2, 7)


def test_a_bad_value_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSFADE_MAX_K", "many")
    with pytest.raises(InvalidInput, match=r"max_k.*many"):
        load_settings()


def test_an_unknown_setting_in_the_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "crossfade.toml"
    file.write_text("max_kk = 5\n")
    monkeypatch.setenv("CROSSFADE_CONFIG", str(file))
    with pytest.raises(InvalidInput, match="max_kk"):
        load_settings()


def test_a_broken_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "crossfade.toml"
    file.write_text("max_k = = 5\n")
    monkeypatch.setenv("CROSSFADE_CONFIG", str(file))
    with pytest.raises(InvalidInput, match=r"crossfade\.toml is not TOML"):
        load_settings()


def test_a_missing_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSFADE_CONFIG", str(tmp_path / "absent.toml"))
    with pytest.raises(InvalidInput, match=r"absent\.toml, which is not a file"):
        load_settings()
