"""Admission: as many calls at once as are allowed; the next is refused before any work."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any

from server.inner_grpc import message_first
from server.workers import TAKEN, Workers


class _OneThread(ThreadPoolExecutor):
    """The kind of pool that grpc takes beside its own; nobody who is silent holds its thread."""

    def __init__(self) -> None:
        super().__init__(1, thread_name_prefix="refuse")

    def submit(self, run: Any, /, *arguments: Any) -> Future[Any]:  # type: ignore[override] # grpc has no others
        def put(later: Any, its_arguments: tuple[Any, ...]) -> None:
            super(_OneThread, self).submit(later, *its_arguments)

        if not message_first(run, arguments, put):
            put(run, arguments)
        return TAKEN


class Admission:
    """Says which calls are one too many, and has a thread of its own to tell them.

    grpc's own limit answers without details, which callers need to know what happened.

    Args:
      workers: where admitted calls wait and run.
      max_calls: as many at once.
    """

    def __init__(self, workers: Workers, max_calls: int) -> None:
        self._workers = workers
        self._max_calls = max_calls
        self._refusing = _OneThread()

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

    def beside_the_workers(self, behavior: Any) -> None:
        """Tells grpc that the handler does not wait for a worker."""
        behavior.experimental_thread_pool = self._refusing
