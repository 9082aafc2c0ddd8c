"""Waits for conditions of another thread or process, with a deadline."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


def eventually(condition: Callable[[], bool], within_s: float = 30.0) -> None:
    """Returns once `condition` holds; fails the test if it does not within the deadline."""
    deadline = time.monotonic() + within_s
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        pause.wait(0.01)
