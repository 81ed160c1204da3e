"""One Embed at a time on an idle server, against the same call in this process: what the service adds."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable

from bench.harness import installed, report_values, session
from bench.serving import models, texts
from bench.serving.clients import Caller
from bench.serving.servers import crossfade
from crossfade.models import Encoder, InputType

TOKENS = 13
CALLS = 400
# So long between two calls: threads have gone to sleep, as on a server at night.
PAUSE_SECONDS = 0.01
# Milliseconds that the service may add.
MOST = {"p50": 0.3, "p99": 1.0}


def main() -> int:
    installed("onnxruntime", "grpcio")
    bundle = models.minilm()
    encoder = Encoder(bundle)
    some = texts.of_length(TOKENS, 40 if session().quick else CALLS)
    with crossfade(bundle.path) as server:
        caller = Caller(server.address)
        ways: dict[str, Callable[[str], object]] = {
            "service": caller.one,
            "in process": lambda text: encoder.encode([text], InputType.DOCUMENT),
        }
        taken: dict[str, list[float]] = {name: [] for name in ways}
        for number, text in enumerate(some):
            for name, call in ways.items() if number % 2 else reversed(ways.items()):
                time.sleep(PAUSE_SECONDS)
                begin = time.perf_counter()
                call(text)
                if number >= len(some) // 10:
                    taken[name].append((time.perf_counter() - begin) * 1e3)
    for title, part in (("p50", 50), ("p99", 99)):
        values = {name: statistics.quantiles(times, n=100)[part - 1] for name, times in taken.items()}
        added = values["service"] - values["in process"]
        # More is better in a table of reaches: how often what was added fits in what may be.
        report_values(
            f"idle latency, {TOKENS} tokens, {title}",
            "ms",
            {**values, "added by the service": added},
            {},
        )
        report_values(
            f"idle latency, {TOKENS} tokens, {title}: {MOST[title]} ms over what was added",
            "ratio",
            {"crossfade": MOST[title] / max(added, 0.001)},
            {"crossfade": 1.0},
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
