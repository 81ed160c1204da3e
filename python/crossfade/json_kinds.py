"""What JSON calls a value, for messages that say what was found in the place of what was expected."""

from __future__ import annotations

import json
import sys


def kind_of(value: object) -> str:
    """With its article; the type of what JSON has no such value for."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a string"
    if isinstance(value, list):
        return "an array"
    return "an object" if isinstance(value, dict) else f"of type {type(value).__name__}"


def json_fault(error: ValueError | RecursionError) -> str:
    """What is wrong with what `json.loads` does not take, and where."""
    if isinstance(error, json.JSONDecodeError):
        # Some of Python's messages end as if the place came next, and others do not.
        return f"not JSON: {error.msg.removesuffix(' at')} at column {error.colno}"
    if isinstance(error, RecursionError):
        return "not usable JSON: brackets within brackets, deeper than can be read; flatten it"
    most = sys.get_int_max_str_digits()
    return f"not usable JSON: a whole number of more than {most:,} digits; write it as a string"
