"""A circuit breaker: a server that hangs is asked now and then, not by everybody at once.

After Nygard, Release It! (2007). A server that refuses costs nothing and never opens it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

THRESHOLD: Final = 3
"""Calls in a row without an answer in time."""


class Breaker:
    """Open after THRESHOLD timeouts in a row: then one call each `retry_s` seconds may try.

    Args:
      retry_s: between two tries.
      clock: seconds, never going back.
    """

    def __init__(self, retry_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._retry_s = retry_s
        self._clock = clock
        self._lock = threading.Lock()
        self._timeouts = 0
        self._next_try = 0.0

    @property
    def is_open(self) -> bool:
        """Whether calls are held back."""
        return self._timeouts >= THRESHOLD

    def admits(self) -> bool:
        """Whether a call may be made now; while open, the one that may is the try."""
        with self._lock:
            if not self.is_open:
                return True
            now = self._clock()
            if now < self._next_try:
                return False
            self._next_try = now + self._retry_s
            return True

    def answered(self) -> None:
        """The server answered, whatever it said."""
        with self._lock:
            self._timeouts = 0

    def timed_out(self) -> None:
        """The server had all the time that a call may take, and did not answer."""
        with self._lock:
            self._timeouts += 1
            if self._timeouts == THRESHOLD:
                self._next_try = self._clock() + self._retry_s
