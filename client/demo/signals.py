"""Ctrl-C, SIGTERM and a lost terminal unwind the stack, so that children are stopped."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def unwind_on_signals() -> Iterator[None]:
    """The first signal raises SystemExit(128 + its number); later ones do not disturb the end."""

    def unwind(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  (a handler's shape)
        for stop in STOP_SIGNALS:
            signal.signal(stop, signal.SIG_IGN)
        sys.exit(128 + number)

    # What is ignored stays ignored: nohup asks for that.
    before = {stop: signal.getsignal(stop) for stop in STOP_SIGNALS}
    heeded = {stop: handler for stop, handler in before.items() if handler != signal.SIG_IGN}
    for stop in heeded:
        signal.signal(stop, unwind)
    try:
        yield
    finally:
        for stop, handler in heeded.items():
            signal.signal(stop, handler)
