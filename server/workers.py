"""The threads that answer calls.

Of those that are idle the one that worked last is woken, and another one only once that one has
taken a task and left some. So while tasks do nothing but compute, two or three threads do them all,
one after the other, and the rest sleep; while tasks wait for somebody, as many come as there are
tasks. A pool that wakes a thread for each task has all of them take turns at the interpreter.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Final

from server.arrivals import Arguments, Run, message_first

_log = logging.getLogger(__name__)

_TAKEN: Final[Future[None]] = Future()
"""All that grpc wants to know of a task."""
_TAKEN.set_result(None)


class Workers:
    """At most `n_threads`, each started when it is needed first; a pool for grpc.

    They end when the `with` block has ended, those that are busy after their task.
    """

    def __init__(self, n_threads: int) -> None:
        self._most_threads = n_threads
        self._n_threads = 0
        self._lock = threading.Lock()
        self._tasks: deque[tuple[Run, Arguments]] = deque()
        self._alarms: list[threading.Lock] = []
        """Of those that sleep; to release one is to wake its thread."""
        self._is_one_coming = False
        """A thread was woken or started and has not looked at the tasks since."""
        self._in_flight = 0
        self._is_closed = False

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._lock:
            self._is_closed = True
            while self._alarms:
                self._alarms.pop().release()

    @property
    def in_flight(self) -> int:
        """Tasks that are not done, calls that wait for their message included."""
        return self._in_flight

    def submit(self, run: Run, /, *arguments: Any) -> Future[None]:
        """Has a task done; what it raises goes to the log.

        Returns:
          A future that is done, whatever becomes of the task.
        """
        with self._lock:
            self._in_flight += 1
        try:
            if not message_first(run, arguments, self._put):
                self._put(run, arguments)
        except BaseException:
            self._done()
            raise
        return _TAKEN

    def _put(self, run: Run, arguments: Arguments) -> None:
        with self._lock:
            self._tasks.append((run, arguments))
            try:
                self._call_one()
            except RuntimeError:
                self._tasks.pop()
                raise

    def _call_one(self) -> None:
        """Has a thread look at the tasks, unless one comes anyhow or all are busy.

        Raises:
          RuntimeError: the system gives no thread, and there is none yet.
        """
        if self._is_one_coming:
            return
        if self._alarms:
            self._is_one_coming = True
            self._alarms.pop().release()
        elif self._n_threads < self._most_threads:
            self._is_one_coming = True
            try:
                threading.Thread(target=self._work, name=f"rpc_{self._n_threads}").start()
            except RuntimeError:
                self._is_one_coming = False
                if not self._n_threads:
                    raise
            else:
                self._n_threads += 1

    def _work(self) -> None:
        alarm = threading.Lock()
        alarm.acquire()
        task = self._next(alarm, has_come=True)
        while task is not None:
            run, arguments = task
            try:
                run(*arguments)
            except BaseException:  # noqa: BLE001 - whatever it was, the thread is there for others, too
                _log.exception("a task failed")
            self._done()
            # Nothing of it is kept while the thread sleeps.
            del task, run, arguments
            task = self._next(alarm, has_come=False)

    def _next(self, alarm: threading.Lock, *, has_come: bool) -> tuple[Run, Arguments] | None:
        """A task, maybe after a sleep; None = there will be no more.

        Args:
          alarm: wakes this thread.
          has_come: whether the thread was called, and not here since.
        """
        while True:
            with self._lock:
                if has_come:
                    self._is_one_coming = False
                if self._tasks:
                    task = self._tasks.popleft()
                    if self._tasks:
                        self._call_one()
                    return task
                if self._is_closed:
                    self._n_threads -= 1
                    return None
                self._alarms.append(alarm)
            alarm.acquire()
            has_come = True

    def _done(self) -> None:
        with self._lock:
            self._in_flight -= 1
