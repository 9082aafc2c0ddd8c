"""How long a thread may keep the interpreter while others wait for it.

The switch interval of Python: whoever waits wakes up that often to ask for its turn. Calls take a
millisecond and give the interpreter away several times meanwhile, so that nobody has to ask: sixty
threads that do cost a sixth of the processor. What has a long way to go without giving it away, as
the reading of a release, takes short turns.
https://docs.python.org/3/library/sys.html#sys.setswitchinterval
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

LONG_S: Final = 0.1
"""For a process that answers calls."""
SHORT_S: Final = 0.005
"""Python's own."""
_HALF_A_US: Final = 5e-7
"""Python keeps whole microseconds and cuts the rest off: each restored turn would be 1 us less."""


@contextmanager
def turns_of(seconds: float) -> Iterator[None]:
    """Within the block no thread of this process keeps the interpreter for longer, if others wait.

    One block at a time, or one inside another in the same thread.
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(seconds + _HALF_A_US)
    try:
        yield
    finally:
        sys.setswitchinterval(before + _HALF_A_US)
