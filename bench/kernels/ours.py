"""crossfade's kernels as the benches call them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from bench.harness import skip
from bench.kernels.peers import Answer
from crossfade import kernels


def lacks(*features: str) -> str | None:
    """Why a case cannot be measured with this build: the kernels, or arguments of `top_k`, that it lacks."""
    known = set(dir(kernels)) | set(inspect.signature(kernels.top_k).parameters)
    missing = [feature for feature in features if feature not in known]
    return f"this build has no {', '.join(missing)}" if missing else None


def absent(case: str, *features: str) -> bool:
    """Whether the build lacks one of the features; then the case is reported as left out."""
    reason = lacks(*features)
    if reason is not None:
        skip(case, reason)
    return reason is not None


def answer(found: Any) -> Answer:
    """A `TopK` as the peers give theirs."""
    return found.scores, found.indices


def top_k(*arguments: Any, **options: Any) -> Callable[[], Any]:
    """A search to be timed, on all cores."""
    return lambda: kernels.top_k(*arguments, **options)


def kernel(name: str) -> Any:
    """A kernel by name, where `lacks` has found it."""
    return getattr(kernels, name)
