"""crossfade's kernels as the benches call them: on all cores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bench.kernels.peers import Answer
from crossfade import kernels


def top_k(*arguments: Any, **options: Any) -> Callable[[], kernels.TopK]:
    """A search to be timed."""
    return lambda: kernels.top_k(*arguments, **options)


def answer(found: kernels.TopK) -> Answer:
    """As the peers give theirs."""
    return found.scores, found.indices
