"""The models that are served, kept in bench/work/."""

from __future__ import annotations

from bench.machine import ROOT
from crossfade.errors import BundleError
from crossfade.models import Bundle
from crossfade.models.importing import import_model
from crossfade.models.quantising import quantise
from crossfade.models.types import Precision

WORK = ROOT / "bench" / "work"


def minilm() -> Bundle:
    """all-MiniLM-L6-v2 in float32."""
    path = WORK / "minilm"
    try:
        return Bundle.load(path)
    except BundleError:
        return import_model("minilm", path, overwrite=True)


def minilm_int8() -> Bundle:
    """The same in int8."""
    path, source = WORK / "minilm-int8", minilm()
    try:
        bundle = Bundle.load(path)
        if bundle.parent is not None and bundle.parent.document_fingerprint == source.document_fingerprint:
            return bundle
    except BundleError:
        pass
    return quantise(source, path, Precision.INT8, overwrite=True)
