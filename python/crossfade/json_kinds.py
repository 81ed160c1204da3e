"""What JSON calls a value, for messages that say what was found in the place of what was expected."""

from __future__ import annotations


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
