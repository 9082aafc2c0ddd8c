"""The closed loop of a load run: a fixed number of calls in flight, and when each one ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from time import perf_counter

MAX_FAULTS_KEPT = 5
MARK_SPAN = 256


class LoadError(Exception):
    """The load cannot go on; the message says why."""


@dataclass(eq=False)
class Slots:
    """What the connections of a run share: the bodies in turn, and the record.

    Args:
      bodies: sent in turn, over and over.
      bad_marks: an answer with one of them in its last MARK_SPAN bytes is a fault.
    """

    bodies: Sequence[bytes]
    bad_marks: Sequence[bytes] = ()
    latencies: list[float] = field(default_factory=list)
    """Seconds of each call that ended well since `start_window`."""
    ends: list[float] = field(default_factory=list)
    """When each of them ended, by `perf_counter`."""
    fault_ends: list[float] = field(default_factory=list)
    """When each call ended that did not end well."""
    faults: list[str] = field(default_factory=list)
    """The first few calls that did not end well, since the beginning."""
    n_faults: int = 0
    running: bool = True
    """Whether an ended call is followed by the next."""

    def __post_init__(self) -> None:
        self._turn = cycle(self.bodies)
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def next_body(self) -> bytes:
        return next(self._turn)

    def start_window(self) -> None:
        """What ended before does not count."""
        self.latencies, self.ends, self.fault_ends = [], [], []

    def ended(self, started: float) -> None:
        """A call that was sent at `started` was answered well."""
        now = perf_counter()
        self.latencies.append(now - started)
        self.ends.append(now)

    def bad_mark(self, tail: bytes) -> bytes | None:
        """The mark that the end of an answer has, or None."""
        return next((mark for mark in self.bad_marks if mark in tail), None)

    def fault(self, what: str) -> None:
        """A call was answered badly."""
        self.n_faults += 1
        self.fault_ends.append(perf_counter())
        if len(self.faults) < MAX_FAULTS_KEPT:
            self.faults.append(what)

    def broken(self, why: str) -> None:
        """A connection cannot go on, and so the run cannot."""
        if not self.failed.done():
            self.failed.set_exception(LoadError(why))


Connection = Callable[[Slots, int], asyncio.Protocol]
"""Makes a protocol that keeps so many calls in flight as soon as it is connected."""
