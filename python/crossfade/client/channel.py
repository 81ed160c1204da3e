"""How the client's channels are set up."""

from __future__ import annotations

import json

from crossfade.errors import InvalidInput

DEFAULT_TIMEOUT = 60.0

# Calls that change nothing are tried again when the server could not be reached. A write is not: its first try may
# have been taken, and a second one could undo what somebody else wrote in between.
_REPEATABLE = [
    {"service": "crossfade.v1.EmbeddingService"},
    {"service": "crossfade.v1.ScoringService"},
    {"service": "crossfade.v1.EvaluationService"},
    {"service": "crossfade.v1.ModelService"},
    {"service": "crossfade.v1.CollectionService", "method": "Search"},
    {"service": "crossfade.v1.CollectionService", "method": "ListCollections"},
    {"service": "grpc.health.v1.Health", "method": "Check"},
]
_SERVICE_CONFIG = {
    "methodConfig": [
        {
            "name": _REPEATABLE,
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.1s",
                "maxBackoff": "2s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ]
}

OPTIONS: list[tuple[str, int | str]] = [
    ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
    ("grpc.max_receive_message_length", -1),  # an answer is as large as what was asked for
    ("grpc.max_send_message_length", -1),  # the server's limit decides
    ("grpc.primary_user_agent", "crossfade-python"),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
]


TENANT_KEY = "crossfade-tenant"


def tenant_metadata(tenant: str | None) -> tuple[tuple[str, str], ...]:
    """What every call of a tenant's bears. Raises InvalidInput for a name that cannot travel."""
    if tenant is None:
        return ()
    if not 1 <= len(tenant) <= 256 or not tenant.isascii() or not tenant.isprintable():
        raise InvalidInput(f"tenant {tenant[:80]!r} cannot be used: give 1 to 256 printable ASCII characters")
    return ((TENANT_KEY, tenant),)


def check_target(target: str) -> str:
    """Raises InvalidInput unless `target` names a server."""
    if not target.strip():
        raise InvalidInput("the server's address is empty: give host:port, such as 127.0.0.1:50051")
    return target
