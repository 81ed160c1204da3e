"""The base model in eight bits, made once and kept beside the vectors."""

from __future__ import annotations

import hashlib
from pathlib import Path

from crossfade.errors import AlreadyExists, BundleError
from crossfade.models import Bundle, Precision
from crossfade.models.quantising import quantise
from crossfade.versions import own


def int8_bundle(base: Bundle, directory: Path) -> Bundle:
    """The base's int8 variant in `directory`, quantised there unless it is there already.

    Raises InvalidInput when the base is not in float32, BundleError when the variant cannot be run.
    """
    made_of = f"{base.document_fingerprint}\n{base.query_fingerprint}\n{own()}"
    place = directory / f"int8-{hashlib.sha256(made_of.encode()).hexdigest()[:16]}"
    try:
        return Bundle.load(place)
    except BundleError:
        pass
    directory.mkdir(parents=True, exist_ok=True)
    try:
        return quantise(base, place, Precision.INT8, overwrite=True)
    except AlreadyExists:  # another diagnosis made it meanwhile
        return Bundle.load(place)
