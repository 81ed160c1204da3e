"""Reads the small JSON files of a model directory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from crossfade.errors import BundleError


def read_json(path: Path) -> Any:
    """The content of a JSON file; None when there is no such file. Raises BundleError when it is not JSON."""
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise BundleError(f"{path} cannot be read as JSON: {error}; download or save the model again") from None


def read_object(path: Path) -> dict[str, Any]:
    """The same for a file that must hold a JSON object; empty when there is no such file."""
    content = read_json(path)
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise BundleError(f"{path} must hold a JSON object; download or save the model again")
    return content
