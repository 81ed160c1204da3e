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

rows_of_range = contents.rows_of_range
def slowly(*given):
    for batch in rows_of_range(*given):
        say("batch")
        time.sleep(0.2)  # a disk that takes its time: all of it would be minutes
        yield batch
contents.rows_of_range = slowly

def end(*_):
    say("closing")
    store.close()
    say("closed")
    sys.exit(0)

signal.signal(signal.SIGTERM, end)
store = DurableStore(Path(sys.argv[1]), StoreSettings(seal_rows=10_000))
collection = store.create(CollectionSpec("c", 2, "ip", "f"))
count = 128 * 300
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
    assert said.count("batch") < 300
    segments = tmp_path / "store" / "segments"
    assert list(segments.glob("*/*")) == []
    with DurableStore(tmp_path / "store", StoreSettings(seal_rows=1 << 20), upkeep=False) as store:
        collection = store.get("c")
        (part,) = collection.snapshot().parts
        assert part.count == len(collection) == 128 * 300
        assert np.array_equal(part.vectors[:, 0], np.arange(0, 2 * 128 * 300, 2))
