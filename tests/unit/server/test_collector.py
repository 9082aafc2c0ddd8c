"""The collector looks seldom while calls are answered, and as before afterwards."""

from __future__ import annotations

import gc
import weakref

from server.collector import collecting_after


class Loop:
    """Refers to itself: nobody but the collector frees one."""

    def __init__(self) -> None:
        self.itself = self


def test_objects_are_looked_at_when_there_are_so_many_more() -> None:
    """A lost one outlives 5,000 others within a block of 20,000, and not 5,000 after it."""
    before = gc.get_threshold()
    gc.collect()
    with collecting_after(20_000):
        lost = weakref.ref(Loop())
        kept = [[number] for number in range(5_000)]
        assert lost() is not None
    assert gc.get_threshold() == before
    kept += [[number] for number in range(5_000)]

    assert lost() is None
    assert len(kept) == 10_000


def test_it_still_looks_within_the_block() -> None:
    """After 20,000 more."""
    with collecting_after(20_000):
        lost = weakref.ref(Loop())
        kept = [[number] for number in range(25_000)]
        assert lost() is None
    assert len(kept) == 25_000
