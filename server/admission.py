"""Admission: as many calls at once as are allowed; the next is refused before any work."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


class CountingPool(ThreadPoolExecutor):
    """A thread pool that knows how many of its tasks wait or run."""

    def __init__(self, max_workers: int, thread_name_prefix: str) -> None:
        super().__init__(max_workers, thread_name_prefix)
        self._count_lock = threading.Lock()
        self._in_flight = 0

    @property
    def in_flight(self) -> int:
        """Tasks that are not done."""
        return self._in_flight

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Runs a task; counted until it is done or cancelled."""
        self._add(1)
        try:
            future = super().submit(fn, *args, **kwargs)
        except BaseException:
            self._add(-1)
            raise
        future.add_done_callback(lambda _: self._add(-1))
        return future

    def _add(self, n_tasks: int) -> None:
        with self._count_lock:
            self._in_flight += n_tasks


class Admission:
    """Says which calls are one too many, and has a thread of its own to tell them.

    grpc's own limit answers without details, which callers need to know what happened.

    Args:
      workers: where admitted calls wait and run.
      max_calls: as many at once.
    """

    def __init__(self, workers: CountingPool, max_calls: int) -> None:
        self._workers = workers
        self._max_calls = max_calls
        self._refusing = ThreadPoolExecutor(1, thread_name_prefix="refuse")

    def __enter__(self) -> Admission:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._refusing.shutdown()

    @property
    def is_full(self) -> bool:
        """Whether the next call is one too many."""
        return self._workers.in_flight >= self._max_calls

    def beside_the_workers(self, behavior: Any) -> Any:
        """The handler, told to grpc as one that does not wait for a worker."""
        behavior.experimental_thread_pool = self._refusing
        return behavior
