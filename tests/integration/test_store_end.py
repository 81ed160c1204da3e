"""SIGTERM while a segment is made: the process gives it up at the next batch, and loses nothing."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np

from crossfade.store import DurableStore, StoreSettings

CHILD = """
import os, signal, sys, time
from pathlib import Path
import numpy as np
from crossfade.store import CollectionSpec, Document, DurableStore, StoreSettings, contents

def say(what):
    os.write(1, what.encode() + b"\\n")

write_tail = contents.write_tail
def slowly(*given):
    *rows, stopped = given
    def look():
        say("batch")
        time.sleep(0.2)  # a disk that takes its time: all of it would be a quarter of a minute
        stopped()
    return write_tail(*rows, look)
contents.write_tail = slowly

def end(*_):
    say("closing")
    store.close()
    say("closed")
    sys.exit(0)

signal.signal(signal.SIGTERM, end)
store = DurableStore(Path(sys.argv[1]), StoreSettings(seal_rows=10_000))
collection = store.create(CollectionSpec("c", 2, "ip", "f"))
count = 512 * 75
collection.upsert([Document(f"d{n}") for n in range(count)], np.arange(2 * count, dtype=np.float32).reshape(count, 2))
while True:
    signal.pause()
"""


def test_a_seal_in_progress_is_given_up(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path / "store")], stdout=subprocess.PIPE)
    assert process.stdout is not None
    said: list[str] = []
    with process:
        for line in process.stdout:
            said.append(line.decode().strip())
            if said.count("batch") == 3 and "closing" not in said:
                process.send_signal(signal.SIGTERM)
    assert process.returncode == 0
    assert said[-1] == "closed"
    # The one that it was at, and perhaps one that it had begun before it was told.
    assert said[said.index("closing") :].count("batch") <= 2
    assert said.count("batch") < 75
    segments = tmp_path / "store" / "segments"
    assert list(segments.glob("*/*")) == []
    with DurableStore(tmp_path / "store", StoreSettings(seal_rows=1 << 20), upkeep=False) as store:
        collection = store.get("c")
        (part,) = collection.snapshot().parts
        assert part.count == len(collection) == 512 * 75
        assert np.array_equal(part.vectors[:, 0], np.arange(0, 2 * 512 * 75, 2))
