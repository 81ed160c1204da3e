"""How alike two orders are: the door to the Rust rank correlations.

`kendall_tau` and `ap_correlation` compare two scorings of the same items (systems by two measures, say); `rbo` compares
two rankings that need not hold the same items (the documents that two models find).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Literal, get_args

from numpy.typing import ArrayLike

from crossfade import _native, arguments
from crossfade.errors import InvalidInput

ApTies = Literal["accuracy", "agreement"]


def kendall_tau(x: ArrayLike, y: ArrayLike) -> float:
    """Kendall's tau-b of two scorings of the same items (Kendall 1945), in O(n log n) (Knight 1966).

    `x`, `y`: shape (items,). (C - D) / sqrt((N - X)(N - Y)) over the N pairs, of which C are in the same order in
    both, D in opposite orders, X tied in `x` and Y in `y`. Without ties it is Kendall's (1938) tau.

    Raises InvalidInput for different lengths, fewer than two items, values that are not finite, and when all values of
    one are tied.
    """
    return _native.kendall_tau(arguments.sample(x, "x", "items"), arguments.sample(y, "y", "items"))


def ap_correlation(x: ArrayLike, y: ArrayLike, *, ties: ApTies = "accuracy") -> float:
    """AP correlation of two scorings of the same items (Yilmaz, Aslam and Robertson 2008), in O(n log n).

    `x`, `y`: shape (items,), higher scores first. Like Kendall's tau, but a swap near the top of `y` costs more: 2 /
    (n - 1) Σ C(i) / (i - 1) - 1 over the ranks i = 2..n of `y`, where C(i) counts the items above rank i that `x` too
    puts above the item at i.

    Ties after Urbano and Marrero (2017). "accuracy": `x` is the truth and has none; those of `y` are broken at random,
    and the result is the mean over all ways. "agreement": neither is the truth, both may have ties, and the coefficient
    is symmetric, the mean of both directions, with or without ties.

    Raises InvalidInput for different lengths, fewer than two items, values that are not finite, an `x` with ties under
    "accuracy", and an `x` or `y` that is all ties under "agreement".
    """
    if ties not in get_args(ApTies):
        raise InvalidInput(f'ties {ties!r} is not known: use "accuracy" or "agreement"')
    return _native.ap_correlation(arguments.sample(x, "x", "items"), arguments.sample(y, "y", "items"), ties)


def rbo(first: Sequence[Hashable], second: Sequence[Hashable], *, p: float = 0.9) -> float:
    """Extrapolated rank-biased overlap of two rankings, best first (Webber, Moffat and Zobel 2010, equation 32).

    From 0, disjoint, to 1, the same; it assumes that the agreement seen goes on below. `p`: how far down one looks; the
    expected depth is 1 / (1 - p). The rankings may differ in length and in what they hold. They are without ties: order
    what ties by a rule that is the same for both, as runs here are ordered by score and then id.

    Raises InvalidInput for a ranking that is empty or holds an item twice, and for a `p` not between 0 and 1.
    """
    for ranking, name in ((first, "first"), (second, "second")):
        if isinstance(ranking, str):
            raise InvalidInput(f"the {name} ranking must be a sequence of ids, not the str {ranking!r}")
    return _native.rank_biased_overlap(list(first), list(second), arguments.real(p, "p", "a number between 0 and 1"))
