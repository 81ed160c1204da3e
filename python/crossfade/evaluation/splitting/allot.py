"""Groups of queries given out to splits by shares."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crossfade.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Allotment:
    """`queries`: split to the ids that it has. `groups`: split to how many groups."""

    queries: dict[str, list[str]]
    groups: dict[str, int]


def allot(groups: Sequence[Sequence[str]], shares: Mapping[str, float], seed: int) -> Allotment:
    """Give every group whole to one split. The same seed gives the same splits.

    The largest groups come first, while there is room for them; each goes to a split that still has room for it, drawn
    by how much room it has, so that large groups do not all lie in the largest split. Where none has room, the one with
    the most takes it.

    Raises InvalidInput for shares that are not above 0 or do not add up to 1, and for fewer groups than splits.
    """
    _check(shares)
    if len(groups) < len(shares):
        raise InvalidInput(
            f"there are {len(groups):,} groups of queries for {len(shares):,} splits: each split needs one at least"
        )
    generator = random.Random(seed)  # noqa: S311  # which queries are where is no secret
    order = list(groups)
    generator.shuffle(order)
    order.sort(key=len, reverse=True)
    total = sum(map(len, order))
    room = {name: share * total for name, share in shares.items()}
    found = Allotment({name: [] for name in shares}, dict.fromkeys(shares, 0))
    for group in order:
        # Rounded: one query of a hundred is not to fail for a share of a millionth.
        fitting = [name for name, left in room.items() if left + 0.5 >= len(group)]
        weights = [room[name] for name in fitting]
        if fitting and sum(weights) > 0:
            name = generator.choices(fitting, weights)[0]
        else:
            name = max(room, key=lambda name: room[name])
        room[name] -= len(group)
        found.queries[name].extend(group)
        found.groups[name] += 1
    for ids in found.queries.values():
        ids.sort()
    return found


def _check(shares: Mapping[str, float]) -> None:
    if not shares:
        raise InvalidInput("no split: name at least one with its share, as in train=0.8,test=0.2")
    for name, share in shares.items():
        if not 0.0 < share <= 1.0:
            raise InvalidInput(f"the share of {name} is {share}: it must be above 0 and at most 1")
    if abs(sum(shares.values()) - 1.0) > 1e-6:
        raise InvalidInput(f"the shares add up to {sum(shares.values()):g}: they must add up to 1")
