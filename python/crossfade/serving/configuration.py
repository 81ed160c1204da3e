"""What the front end is told when it starts; `rust/py/src/server/configuration.rs` reads it by these names."""

from __future__ import annotations

from typing import Any

from crossfade.config import Settings
from crossfade.models.cores import usable_cores
from crossfade.serving.models import ServedModels


def configuration(listen: str, models: ServedModels, settings: Settings) -> dict[str, Any]:
    """`listen`: "host:port", port 0 for any free one, "[::1]:port", "unix:/path"."""
    devices = max((lane.device for lane in models.lanes), default=0) + 1
    return {
        "listen": listen,
        "tokenizers": models.tokenizers,
        "models": models.configuration,
        "lanes": [(lane.device, lane.batch_tokens, lane.padding_cost) for lane in models.lanes],
        # A batch has all of a device, or its replica's share.
        "runners": [
            max((lane.replicas for lane in models.lanes if lane.device == device), default=1)
            for device in range(devices)
        ],
        "queued_tokens": settings.max_queued_tokens,
        "longest_wait_seconds": settings.max_queue_seconds,
        "cache_bytes": settings.cache_bytes,
        "limits": {
            "texts_per_call": settings.max_texts_per_call,
            "text_bytes": settings.max_text_bytes,
            "message_bytes": settings.max_message_bytes,
            "k": settings.max_k,
            "results_per_call": settings.max_results_per_call,
            "score_vectors": settings.max_score_vectors,
        },
        "calls": settings.max_concurrent_calls,
        "connections": settings.max_connections,
        "receiving_bytes": settings.max_receiving_bytes,
        "front_threads": settings.front_threads or max(1, usable_cores() // 4),
        "search_threads": settings.threads,
        "keepalive_seconds": settings.keepalive_seconds,
        "keepalive_timeout_seconds": settings.keepalive_timeout_seconds,
    }
