"""What the server writes to stderr."""

from __future__ import annotations

import logging
import sys


def set_up() -> None:
    """Log to stderr, one line an event."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
