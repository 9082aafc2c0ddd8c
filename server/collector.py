"""When Python looks for objects that only refer to each other.

It looks whenever some hundreds more were made than are gone. Calls that are answered together have
thousands alive, none of which is such an object: to look at them took a twentieth of the processor.
https://docs.python.org/3/library/gc.html#gc.set_threshold
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

SELDOM: Final = 20_000
"""For a process that answers calls."""


@contextmanager
def collecting_after(n_objects: int) -> Iterator[None]:
    """Within the block the youngest objects are looked at when there are so many more than before.

    One block at a time, or one inside another.
    """
    before = gc.get_threshold()
    gc.set_threshold(n_objects, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
