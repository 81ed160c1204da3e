"""Typed settings: file < environment < flags.

A settings file is TOML, named by `CROSSFADE_CONFIG`; every field can be overridden by an environment variable with the
prefix `CROSSFADE_` (`CROSSFADE_MAX_TEXTS_PER_CALL=512`), and again by a command-line flag.
"""

from __future__ import annotations

import logging
import os
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from crossfade.errors import InvalidInput

log = logging.getLogger(__name__)

_PREFIX = "CROSSFADE_"
# How like a setting's name another must be to be taken for it, of 1.
_ALIKE = 0.85


class Device(StrEnum):
    """Where a graph runs. TENSORRT is a GPU too, through TensorRT where it knows the operators, CUDA where not."""

    CPU = "cpu"
    CUDA = "cuda"
    TENSORRT = "tensorrt"


class Settings(BaseSettings):
    """Everything that may be tuned without changing a result's meaning."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, extra="forbid", frozen=True)

    device: Device = Field(default=Device.CPU, description="where models and rerankers run: cpu, cuda or tensorrt")
    threads: int = Field(default=0, ge=0, le=1024, description="CPU threads for inference and search; 0 = all cores")
    batch_tokens: int = Field(
        default=0, ge=0, description="padded tokens in one inference batch; 0 = what suits the device"
    )
    replicas: int = Field(
        default=1, ge=1, le=64, description="copies of each model, for as many batches at once; dealt out to all GPUs"
    )

    inference_niceness: int = Field(
        default=5, ge=0, le=19, description="how far threads that run models stand back for the front end (nice)"
    )
    max_texts_per_call: int = Field(default=1024, ge=1, description="texts, documents or vectors in one call")
    max_text_bytes: int = Field(default=1 << 20, ge=1, description="UTF-8 bytes of one text")
    max_message_bytes: int = Field(default=32 << 20, ge=1 << 16, description="bytes of one gRPC message")
    max_k: int = Field(default=10_000, ge=1, description="results asked of one query")
    max_results_per_call: int = Field(default=1_000_000, ge=1, description="results in one answer: queries times k")
    max_reranked_per_call: int = Field(default=3_200, ge=1, description="texts that a reranker reads for one call")
    max_score_vectors: int = Field(default=1_000_000, ge=1, description="vectors in one Score call, each side")
    max_queued_tokens: int = Field(
        default=1 << 18, ge=1, description="tokens admitted and not answered before RESOURCE_EXHAUSTED"
    )
    max_queue_seconds: float = Field(default=10.0, gt=0, description="the wait for a model that is still admitted")
    max_concurrent_calls: int = Field(default=4096, ge=1, description="calls in progress before RESOURCE_EXHAUSTED")
    max_connections: int = Field(default=1024, ge=1, description="connections; more wait until one ends")
    max_receiving_bytes: int = Field(
        default=256 << 20, ge=1 << 16, description="bytes of requests being read or worked on before RESOURCE_EXHAUSTED"
    )
    reranker_cache_bytes: int = Field(
        default=256 << 20, ge=0, description="token vectors of documents kept by each reranker that compares them"
    )
    cache_bytes: int = Field(default=0, ge=0, description="vectors kept for texts that come again; 0 = none")
    front_threads: int = Field(default=0, ge=0, le=256, description="threads of the front end; 0 = a quarter of cores")
    keepalive_seconds: float = Field(
        default=60.0, ge=1, description="silence after which a connection is asked whether it lives"
    )
    keepalive_timeout_seconds: float = Field(default=20.0, ge=1, description="time it gets to say so")
    write_all_versions: bool = Field(
        default=False,
        description="Upserts also go to every other index version of their collection with a served model",
    )
    # Of the store on disk, as `StoreSettings.of` takes them: one more is a field here, one there with the same default,
    # and a line of docs/store.md (tests hold the three together).
    store_seal_rows: int = Field(
        default=16_384, ge=256, le=4_000_000, description="rows in memory before they become a segment"
    )
    store_seal_characters: int = Field(
        default=64_000_000, ge=100_000, le=1_000_000_000, description="characters of their texts before they do"
    )
    store_unsealed_rows: int = Field(
        default=65_536, ge=256, le=64_000_000, description="rows in memory before who writes has to make a segment"
    )
    store_selection_bytes: int = Field(
        default=16 << 20, ge=0, le=1 << 32, description="remembered filters of each segment; 0 = none"
    )
    store_log_bytes: int = Field(
        default=64 << 20, ge=1 << 20, le=1 << 36, description="the database's log before it is emptied"
    )
    store_graph_rows: int = Field(
        default=8_192, ge=256, le=1_000_000_000, description="rows of a segment from which on it gets a graph"
    )
    store_merge_factor: int = Field(default=4, ge=2, le=64, description="segments of like size before they become one")
    store_build_threads: int = Field(default=0, ge=0, le=1024, description="CPU threads that build a graph; 0 = all")
    store_check_on_open: bool = Field(default=True, description="read all segments against their checksums on opening")
    store_scrub_seconds: float = Field(
        default=3_600.0,
        ge=0,
        le=31_536_000,
        description="how often each segment is read against its checksums after that; 0 = never",
    )
    store_scrub_bytes: int = Field(
        default=64 << 20, ge=1 << 20, le=1 << 36, description="bytes a second that are read for that"
    )
    drain_seconds: float = Field(default=30.0, ge=0, description="time that calls in progress get after SIGTERM")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        sources: tuple[PydanticBaseSettingsSource, ...] = (init_settings, env_settings)
        if path := os.environ.get("CROSSFADE_CONFIG"):
            sources += (TomlConfigSettingsSource(settings_cls, toml_file=path),)
        return sources


def load_settings(**flags: Any) -> Settings:
    """Read the settings; `flags` that are None are not set. Logs variables that look like misspelt settings.

    Raises InvalidInput, naming the setting, when a value cannot be used or the settings file is missing or not TOML.
    """
    _tell_of_misspelt()
    path = os.environ.get("CROSSFADE_CONFIG")
    if path and not Path(path).is_file():
        raise InvalidInput(f"CROSSFADE_CONFIG names {path}, which is not a file: correct it or unset it")
    try:
        return Settings(**{name: value for name, value in flags.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(f"setting {name}: {first['msg']} (given: {first.get('input')!r})") from None
    except ValueError as error:  # tomllib.TOMLDecodeError
        raise InvalidInput(f"settings file {path} is not TOML: {error}") from None


def _tell_of_misspelt() -> None:
    """Others with the prefix are passed over: of a service named crossfade, Kubernetes sets CROSSFADE_PORT and more."""
    known = [_PREFIX + name.upper() for name in Settings.model_fields]
    for name in sorted(os.environ):
        if name.upper().startswith(_PREFIX) and name.upper() not in known:
            for meant in get_close_matches(name.upper(), known, 1, _ALIKE):
                log.warning("environment variable %s is no setting and does nothing: is %s meant?", name, meant)
