"""JSON lines in: one object a line, every fault by file and line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from crossfade.errors import DataError
from crossfade.evaluation.lines import decode, read_lines
from crossfade.json_kinds import json_fault, kind_of


def json_objects(
    path: Path, *, seen: Callable[[bytes], None] | None = None
) -> Iterator[tuple[int, bytes, dict[str, Any]]]:
    """Yield (line number from 1, the line, the object it holds); blank lines are left out, gzip is unpacked.

    `seen`: as of `read_lines`. Raises DataError on what is not UTF-8, not JSON, or no object, and as `read_lines` does.
    """
    for line, content in read_lines(path, seen=seen):
        text = decode(path, line, content)
        try:
            record = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise DataError(path, json_fault(error), line=line) from None
        if not isinstance(record, dict):
            raise DataError(path, f"{kind_of(record)}; expected a JSON object", line=line)
        yield line, content, record
