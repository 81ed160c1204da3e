"""What of the store may be tuned."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import get_args

from crossfade.errors import InvalidInput
from crossfade.lexical import AnalyserSettings
from crossfade.store.metadata import MetadataSchema
from crossfade.store.types import Precision


@dataclass(frozen=True, slots=True)
class GraphSettings:
    """`least_rows`: a segment with fewer is searched exactly. `m`, `ef_construction`: as `kernels.build_graph` has
    them. `recall`, `recall_at`: what a search that does not say how far to walk aims at, measured on `sample` rows of
    each segment. `threads`: of a build; 0 uses every core.
    """

    least_rows: int = 8_192
    m: int = 16
    ef_construction: int = 200
    recall: float = 0.98
    recall_at: int = 10
    sample: int = 256
    threads: int = 0


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """`seal_rows`: rows of the tail, which is scanned whole, before they become a segment. `merge_factor`: segments of
    like size before they become one. `dead_part`: of a segment's rows, before it is written again without them.
    `selection_bytes`: remembered filters of each segment. `log_bytes`: of the database's log before it is emptied.
    `check_on_open`: whether every byte of every segment is held against its checksum when the store is opened.
    """

    seal_rows: int = 16_384
    merge_factor: int = 4
    dead_part: float = 0.3
    selection_bytes: int = 16 << 20
    log_bytes: int = 64 << 20
    check_on_open: bool = True
    graph: GraphSettings = field(default_factory=GraphSettings)


@dataclass(frozen=True, slots=True)
class CollectionSettings:
    """What a collection keeps of itself, beside its documents. `analyser`: how its texts become words. `precision`: how
    its segments hold vectors, for as long as it is there: "f32"; "f16", half the bytes, and scores of vectors that are
    rounded to it; or "int8", where a quarter is scanned, and scores are exact, of candidates.

    Raises InvalidInput for another precision.
    """

    fields: MetadataSchema = field(default_factory=MetadataSchema)
    analyser: AnalyserSettings = field(default_factory=AnalyserSettings)
    precision: Precision = "f32"

    def __post_init__(self) -> None:
        if self.precision not in get_args(Precision):
            raise InvalidInput(
                f"precision {self.precision!r} is not known: use one of {', '.join(get_args(Precision))}"
            )

    def to_json(self) -> str:
        return json.dumps(
            {
                "fields": self.fields.to_json(),
                "analyser": json.loads(self.analyser.to_json()),
                "precision": self.precision,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> CollectionSettings:
        """What `to_json` wrote, now or before there was a precision."""
        values = json.loads(text)
        return cls(
            MetadataSchema.from_json(values["fields"]),
            AnalyserSettings.from_json(json.dumps(values["analyser"])),
            values.get("precision", "f32"),
        )
