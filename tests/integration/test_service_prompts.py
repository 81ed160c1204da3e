"""Named prompts of a real model: what the server answers is what the encoder gives."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np

from crossfade.client import Client
from crossfade.config import Settings
from crossfade.models import Bundle, Encoder, InputType
from crossfade.serving.server import Server
from crossfade.store import MemoryStore

TEXTS = ["how do I open a file?", "sourdough bread", ""]


def test_a_named_prompt_is_served_as_it_is_evaluated(minilm_bundle: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(minilm_bundle, tmp_path / "bundle", copy_function=os.symlink)
    manifest = (minilm_bundle / "bundle.toml").read_text(encoding="utf-8")
    (copy / "bundle.toml").unlink()  # a link to the bundle that all tests share
    named = '[prompts.named]\ncluster = "cluster: "\nplain = ""\n\n[files]'
    (copy / "bundle.toml").write_text(manifest.replace("[files]", named), encoding="utf-8")
    bundle = Bundle.load(copy, verify=False)
    assert bundle.query_fingerprint == Bundle.load(minilm_bundle, verify=False).query_fingerprint
    encoder = Encoder(bundle, threads=1)
    server = Server({"base": encoder}, MemoryStore(), Settings(threads=1))
    try:
        with Client(server.start("127.0.0.1:0")) as client:
            assert [model.prompt_names for model in client.list_models()] == [("cluster", "plain")]
            for name in (None, "cluster", "plain"):
                for kind in InputType:
                    served = client.embed("base", TEXTS, kind.value, prompt_name=name)
                    expected = encoder.encode(TEXTS, kind, prompt_name=name)
                    # Batches differ, and with them the order of additions.
                    np.testing.assert_allclose(served.values, expected.vectors, atol=2e-6)
                    assert served.token_counts.tolist() == expected.token_counts.tolist()
                    assert served.fingerprint == encoder.fingerprint(kind, name)
            (streamed,) = client.embed_stream("base", [TEXTS], "query", prompt_name="cluster")
            assert streamed.fingerprint == bundle.prompt_fingerprint("cluster", InputType.QUERY)
    finally:
        server.drain(0)
