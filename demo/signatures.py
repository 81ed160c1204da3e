"""A document's title: the public name, and for what is called, how it is called.

Used inside the child process of `demo.harvest`; standard library only.
"""

from __future__ import annotations

import enum
import inspect
from typing import Any

MAXIMUM_CHARACTERS = 100
"""A longer signature loses its defaults, then its last parameters: a title names the thing, it is no manual."""

MAXIMUM_LITERAL = 24


def title_of(name: str, kind: str, target: Any, *, drops_first: bool) -> str:
    """`json.loads(s, *, cls=None, ...)` where there is a signature, the bare name otherwise.

    Annotations are left out, and so are defaults that only mean something inside this process (sentinels, paths).
    `drops_first` leaves out the parameter that a call through an instance or a class fills in.
    """
    if kind in ("module", "property") or (inspect.isclass(target) and issubclass(target, enum.Enum)):
        return name
    parameters = parameters_of(target)
    if parameters is None:
        return name
    if drops_first and parameters and parameters[0].kind in (_POSITIONAL_ONLY, _POSITIONAL):
        parameters = parameters[1:]
    if parameters and all(one.kind in (_VAR_POSITIONAL, _VAR_KEYWORD) for one in parameters):
        return name  # `(*args, **kwargs)` says nothing
    full = f"{name}({_render(parameters, defaults=True)})"
    if len(full) <= MAXIMUM_CHARACTERS:
        return full
    short = f"{name}({_render(parameters, defaults=False)})"
    while len(short) > MAXIMUM_CHARACTERS and len(parameters) > 1:
        parameters = parameters[:-1]
        short = f"{name}({_render(parameters, defaults=False)}, ...)"
    return short


_POSITIONAL_ONLY = inspect.Parameter.POSITIONAL_ONLY
_POSITIONAL = inspect.Parameter.POSITIONAL_OR_KEYWORD
_VAR_POSITIONAL = inspect.Parameter.VAR_POSITIONAL
_KEYWORD_ONLY = inspect.Parameter.KEYWORD_ONLY
_VAR_KEYWORD = inspect.Parameter.VAR_KEYWORD


def parameters_of(target: Any) -> list[inspect.Parameter] | None:
    """The parameters, or None where the interpreter knows none (many functions written in C)."""
    try:
        return list(inspect.signature(target).parameters.values())
    except (ValueError, TypeError, NameError, AttributeError):
        return None


def _render(parameters: list[inspect.Parameter], *, defaults: bool) -> str:
    words: list[str] = []
    starred = False
    for index, one in enumerate(parameters):
        if one.kind is _KEYWORD_ONLY and not starred:
            words.append("*")
            starred = True
        if one.kind is _VAR_POSITIONAL:
            words.append(f"*{one.name}")
            starred = True
        elif one.kind is _VAR_KEYWORD:
            words.append(f"**{one.name}")
        elif one.default is inspect.Parameter.empty or not defaults:
            words.append(one.name)
        else:
            words.append(f"{one.name}={literal(one.default)}")
        following = parameters[index + 1] if index + 1 < len(parameters) else None
        if one.kind is _POSITIONAL_ONLY and (following is None or following.kind is not _POSITIONAL_ONLY):
            words.append("/")
    return ", ".join(words)


def literal(value: object) -> str:
    """A default as a reader would write it; `...` where its text would depend on the machine or say nothing."""
    if isinstance(value, type) or (inspect.isroutine(value) and hasattr(value, "__qualname__")):
        return str(value.__qualname__)
    if isinstance(value, enum.Enum):
        return f"{type(value).__qualname__}.{value.name}"
    if value is None or type(value) in (bool, int, float, str, bytes):
        text = repr(value)
        is_path = isinstance(value, str) and value.startswith("/") and len(value) > 1
        return "..." if is_path or len(text) > MAXIMUM_LITERAL else text
    if type(value) in (tuple, list, dict) and not value:
        return repr(value)
    return "..."
