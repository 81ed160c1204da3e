"""Models: a bundle is a directory that is a model, an encoder is a bundle that is loaded.

`crossfade.models.importing.import_model` makes bundles; `crossfade.models.adapter.write_adapter_bundle` and
`crossfade.models.quantising.quantise` derive one.
"""

from crossfade.models.bundle import Bundle, Manifest, Parent, Prompts
from crossfade.models.devices import Device
from crossfade.models.encoder import Encoder, load_encoders
from crossfade.models.types import Embeddings, InputType, Pooling, Precision

__all__ = [
    "Bundle",
    "Device",
    "Embeddings",
    "Encoder",
    "InputType",
    "Manifest",
    "Parent",
    "Pooling",
    "Precision",
    "Prompts",
    "load_encoders",
]
