"""From the grades of several judges to one: the rules, and what a tie is under each.

| rule | the grade | a tie |
|---|---|---|
| majority | the one that most judges gave | several were given equally often |
| median | the middle one, or the mean of both middle ones | that mean lies half way between two grades |
| mean | the mean, rounded to the nearest grade | it lies half way between two grades |
| max, min | the greatest, the least | none |

Under "adjudicated" the grade of one named judge stands wherever there is one; elsewhere another rule applies.
All arithmetic is in whole numbers: a half is a half.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal

from crossfade.errors import InvalidInput

Rule = Literal["majority", "median", "mean", "max", "min", "adjudicated"]
PlainRule = Literal["majority", "median", "mean", "max", "min"]
Ties = Literal["lower", "higher", "drop", "refuse"]
"""Of a tie: the lower or the higher of the grades between which it is; leave the pair out; or refuse to merge."""


def candidates(grades: Sequence[int], rule: PlainRule) -> tuple[int, int]:
    """The grade that the rule gives, twice; or, where there is a tie, the lowest and the highest grade it is between.

    `grades`: one of each judge, in any order. Raises InvalidInput when there is none, or the rule is not known.
    """
    if not grades:
        raise InvalidInput("there is no grade to merge")
    ordered = sorted(grades)
    match rule:
        case "majority":
            counts = Counter(ordered)
            most = max(counts.values())
            tied = [grade for grade, count in counts.items() if count == most]
            return tied[0], tied[-1]
        case "median":
            return _half(ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2])
        case "mean":
            return _nearest(sum(ordered), len(ordered))
        case "max":
            return ordered[-1], ordered[-1]
        case "min":
            return ordered[0], ordered[0]
    raise InvalidInput(f"merge rule {rule!r} is not known: use majority, median, mean, max or min")


def merge_grades(grades: Sequence[int], rule: PlainRule = "majority", ties: Ties = "lower") -> int | None:
    """One grade of several. None where there is a tie and `ties` is "drop".

    Raises InvalidInput as `candidates` does, and for a tie under "refuse".
    """
    low, high = candidates(grades, rule)
    if low == high:
        return low
    match ties:
        case "lower":
            return low
        case "higher":
            return high
        case "drop":
            return None
        case "refuse":
            raise InvalidInput(
                f"the {rule} of {', '.join(map(str, sorted(grades)))} is a tie: say which grade counts "
                "(lower, higher), or leave such pairs out (drop)"
            )
    raise InvalidInput(f"ties {ties!r} is not known: use lower, higher, drop or refuse")


def _half(twice: int) -> tuple[int, int]:
    return _nearest(twice, 2)


def _nearest(total: int, count: int) -> tuple[int, int]:
    whole, rest = divmod(total, count)
    if 2 * rest == count:
        return whole, whole + 1
    nearest = whole + (2 * rest > count)
    return nearest, nearest
