"""What the server writes to stderr."""

from __future__ import annotations

import logging
import sys


def set_up() -> None:
    """Log to stderr, one line an event."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("grpc._cython.cygrpc").addFilter(calm)


def calm(record: logging.LogRecord) -> bool:
    """gRPC logs an answer to a client that is gone as an error of the server, with a traceback: one line will do."""
    if record.exc_info and record.exc_info[0] is not None and record.exc_info[0].__name__ == "ExecuteBatchError":
        record.levelno, record.levelname = logging.INFO, "INFO"
        record.msg, record.args = "a client went away before its answer was sent (%s)", (record.getMessage(),)
        record.exc_info = record.exc_text = None
    return True
