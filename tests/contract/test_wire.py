"""The wire contract: what was once sent is read for ever, and the committed stubs are what the .proto files say."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from wire_samples import PATH, message_class, plain, wanted

ROOT = Path(__file__).parents[2]
SAMPLES = json.loads(PATH.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", SAMPLES)
def test_a_frozen_message_is_read_as_it_was_meant(name: str) -> None:
    data = bytes.fromhex(SAMPLES[name]["bytes"])
    message = message_class(name).FromString(data)
    assert plain(message) == SAMPLES[name]["says"]
    assert message.SerializeToString(deterministic=True) == data


def test_every_message_has_a_sample() -> None:
    missing = set(wanted()) - set(SAMPLES)
    assert not missing, "run `python tests/contract/wire_samples.py`, which adds them and changes no other"


def test_committed_stubs_are_what_the_proto_files_say(tmp_path: Path) -> None:
    subprocess.run(
        [ROOT / "scripts" / "generate_proto.sh", tmp_path],
        check=True,
        env={**os.environ, "PYTHON": sys.executable},
        capture_output=True,
    )
    committed = ROOT / "python" / "crossfade" / "_pb"
    fresh = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert fresh
    assert {path.name: path.read_text() for path in committed.glob("*_pb2*")} == fresh
