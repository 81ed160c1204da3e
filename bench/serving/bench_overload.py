"""Ten times what the server can do, for a minute: what it still does, how soon it refuses the rest, its memory.

The peak is measured first, by callers that wait for their answers. Then calls come at ten times that rate whatever
becomes of them, each with a deadline.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.harness import report_values, session, skip
from bench.serving import models, texts
from bench.serving.servers import Running, crossfade, example

# Texts of a call, in tokens, and how many calls show the peak.
KINDS = {13: 6000, 92: 1000}
CALLERS = 64
TIMES = 10
SECONDS = 60
DEADLINE_MS = 1000


def ran(*command: object) -> dict[str, float]:
    done = subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def resident(server: Running) -> float:
    """MiB of memory that the server has."""
    status = Path(f"/proc/{server.pid}/status").read_text(encoding="utf-8")
    (line,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


def measured(tokens: int, load: Path, overload: Path) -> None:
    quick = session().quick
    seconds = 5 if quick else SECONDS
    with (
        tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file,
        crossfade(models.minilm().path) as server,
    ):
        file.write("\n".join(texts.of_length(tokens, 1000)))
        file.flush()
        calls = KINDS[tokens] // (10 if quick else 1)
        peak = ran(load, server.address, "model", CALLERS, calls, file.name)["calls_per_second"]
        before = resident(server)
        # A tenth of the time first: what a load takes for its queues, it takes once.
        settling = ran(overload, server.address, "model", peak * TIMES, seconds / 10, DEADLINE_MS, file.name)
        settled = resident(server)
        found = ran(overload, server.address, "model", peak * TIMES, seconds, DEADLINE_MS, file.name)
        after = resident(server)
    values = {
        "goodput over peak": found["ok"] / found["seconds"] / peak,
        "10 ms over p99 of refusals": 10_000 / max(found["refused_p99_us"], 1),
        "deadline over p99 of admitted": DEADLINE_MS * 1000 / max(found["ok_p99_us"], 1),
        "memory settled over memory after": settled / after,
    }
    least = {
        "goodput over peak": 0.9,
        "10 ms over p99 of refusals": 1.0,
        "deadline over p99 of admitted": 1.0,
        "memory settled over memory after": 0.95,
    }
    memory = {"before_mib": before, "settled_mib": settled, "after_mib": after}
    details = {"peak": {"calls_per_second": peak}, "settling": settling, "overload": found, "memory": memory}
    report_values(title(tokens), "ratio", values, least, details=details)


def title(tokens: int) -> str:
    return f"{TIMES}x overload, {tokens} tokens a call, deadline {DEADLINE_MS} ms"


def main() -> int:
    load, overload = example("load"), example("overload")
    for tokens in KINDS:
        if load is None or overload is None:
            skip(title(tokens), "cargo is not on PATH")
        elif session().wants(title(tokens)):
            measured(tokens, load, overload)
    return 0


if __name__ == "__main__":
    sys.exit(main())
