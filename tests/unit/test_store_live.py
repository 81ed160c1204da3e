"""Living rows as bits, beside the same as an array of truth values."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from crossfade.store.live import Live

MOST = 40


def same(live: Live, mask: NDArray[np.bool_]) -> None:
    """As if made of the mask. Where all are alive, bits may be there all the same."""
    assert (live.rows, live.count) == (len(mask), int(mask.sum()))
    np.testing.assert_array_equal(live.mask(), mask)
    if live.bits is not None:
        np.testing.assert_array_equal(live.bits, np.packbits(mask, bitorder="little"))
        assert not live.bits.flags.writeable


@given(st.lists(st.booleans(), max_size=MOST), st.data())
def test_rows_die_and_come_as_in_an_array(alive: list[bool], data: st.DataObject) -> None:
    mask = np.array(alive, dtype=np.bool_)
    live = Live.of(mask)
    same(live, mask)
    for _ in range(4):
        before = (live, mask.copy())
        if len(mask) and data.draw(st.booleans()):
            dead = np.array(data.draw(st.lists(st.integers(0, len(mask) - 1), max_size=6)), dtype=np.int64)
            live = live.without(dead)
            mask[dead] = False
        else:
            more = data.draw(st.integers(0, 20))
            live = live.grown(len(mask) + more)
            mask = np.concatenate([mask, np.ones(more, dtype=np.bool_)])
        same(live, mask)
        same(*before)  # nobody's bits have changed
