"""Settings: file < environment < flags, and every mistake named."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossfade.config import Settings, load_settings
from crossfade.errors import InvalidInput
from crossfade.store import StoreSettings

STORE = {f"CROSSFADE_{name.upper()}": name for name in Settings.model_fields if name.startswith("store_")}


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CROSSFADE_CONFIG", "CROSSFADE_MAX_K", "CROSSFADE_THREADS", *STORE):
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


def test_the_store_has_the_defaults_that_users_are_told() -> None:
    assert StoreSettings.of(load_settings()) == StoreSettings()


@pytest.mark.parametrize("variable", STORE)
def test_every_setting_of_the_store_reaches_it(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = Settings.model_fields[STORE[variable]].default
    other = not usual if isinstance(usual, bool) else usual + 1
    monkeypatch.setenv(variable, str(other))
    changed, given = StoreSettings.of(load_settings()), StoreSettings()
    different = [
        (getattr(there, name), getattr(here, name))
        for there, here in ((changed, given), (changed.graph, given.graph))
        for name in there.__dataclass_fields__
        if name != "graph" and getattr(there, name) != getattr(here, name)
    ]
    assert different == [(other, usual)]


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("CROSSFADE_STORE_SEAL_ROWS", "255", "store_seal_rows: .*greater than or equal to 256"),
        ("CROSSFADE_STORE_SEAL_ROWS", "4000001", "store_seal_rows: .*less than or equal to 4000000"),
        ("CROSSFADE_STORE_SEAL_CHARACTERS", "1", "store_seal_characters: .*greater than or equal to 100000"),
        ("CROSSFADE_STORE_SELECTION_BYTES", "-1", "store_selection_bytes: .*greater than or equal to 0"),
        ("CROSSFADE_STORE_LOG_BYTES", "64MiB", "store_log_bytes: .*integer.*64MiB"),
        ("CROSSFADE_STORE_GRAPH_ROWS", "0", "store_graph_rows: .*greater than or equal to 256"),
        ("CROSSFADE_STORE_MERGE_FACTOR", "1", "store_merge_factor: .*greater than or equal to 2"),
        ("CROSSFADE_STORE_BUILD_THREADS", "-1", "store_build_threads: .*greater than or equal to 0"),
        ("CROSSFADE_STORE_CHECK_ON_OPEN", "maybe", "store_check_on_open: .*boolean"),
    ],
)
def test_what_the_store_cannot_use_is_named(
    variable: str, value: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(InvalidInput, match=message):
        load_settings()


def test_a_misspelt_variable_is_told(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("CROSSFADE_STORE_SEAL_ROW", "512")
    monkeypatch.setenv("CROSSFADE_MAXK", "7")
    # What Kubernetes sets for a service of that name, this project's own, and settings, in any case.
    for name in (
        "PORT",
        "SERVICE_HOST",
        "PORT_50051_TCP_ADDR",
        "FAULT",
        "BENCH_ROWS",
        "TEST_CACHE",
        "SEQUENCES",
        "CRASHES",
    ):
        monkeypatch.setenv(f"CROSSFADE_{name}", "1")
    monkeypatch.setenv("crossfade_max_k", "8")
    assert load_settings().max_k == 8
    assert [record.message for record in caplog.records] == [
        "environment variable CROSSFADE_MAXK is no setting and does nothing: is CROSSFADE_MAX_K meant?",
        "environment variable CROSSFADE_STORE_SEAL_ROW is no setting and does nothing: is CROSSFADE_STORE_SEAL_ROWS "
        "meant?",
    ]
