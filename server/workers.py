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
from collections.abc import Sequence
from concurrent.futures import Future
from time import thread_time
from types import TracebackType
from typing import Any, Final, TypeAlias

from server.asking import Company, Run
from server.inner_grpc import Arguments, company_of, message_first, worked_out

_Task: TypeAlias = tuple[Run, Arguments]

_log = logging.getLogger(__name__)

AT_ONCE: Final = 16
"""Answers that are sent together at most."""
LINGER_S: Final = 0.004
"""How long they take together, as others did that were worked out lately; a longer one is alone."""
SECONDS_OF: Final = 16
"""Lately, in times that answers were worked out."""

TAKEN: Final[Future[None]] = Future()
"""All that grpc wants to know of a task."""
TAKEN.set_result(None)


class Workers:
    """At most `n_threads`, each started when it is needed first; a pool for grpc.

    They end when the `with` block has ended, those that are busy after their task.
    """

    def __init__(self, n_threads: int) -> None:
        self._most_threads = n_threads
        self._n_threads = 0
        self._lock = threading.Lock()
        self._tasks: deque[_Task] = deque()
        self._alarms: list[threading.Lock] = []
        """Of those that sleep; to release one is to wake its thread."""
        self._is_one_coming = False
        """A thread was woken or started and has not looked at the tasks since."""
        self._in_flight = 0
        self._seconds = LINGER_S
        """Processor time of one that computes, as far as that is known."""
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
        return TAKEN

    def _put(self, run: Run, arguments: Arguments) -> None:
        with self._lock:
            self._tasks.append((run, arguments))
            try:
                self._call_one()
            except RuntimeError:
                self._tasks.pop()
                raise

    def _put_first(self, tasks: Sequence[_Task]) -> None:
        """Puts tasks before those that wait: they waited themselves."""
        with self._lock:
            self._in_flight += len(tasks)
            # This thread comes for them, and calls others.
            self._tasks.extendleft(reversed(tasks))

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
        company, tasks = self._next(alarm, has_come=True)
        while tasks:
            if company is not None:
                self._answer(company, tasks)
            else:
                ((run, arguments),) = tasks
                _try(run, *arguments)
                # Nothing of it is kept while the thread sleeps.
                del run, arguments
            self._done(len(tasks))
            del tasks
            company, tasks = self._next(alarm, has_come=False)

    def _answer(self, company: Company, tasks: Sequence[_Task]) -> None:
        """Works out all answers, then sends them."""
        began = thread_time()
        send_all, left = _try(worked_out, company, tasks) or ((), ())
        if left:
            self._put_first(left)
        seconds = (thread_time() - began) / len(tasks)
        # Threads may write over each other's: all of them know about as much.
        self._seconds += (seconds - self._seconds) / SECONDS_OF
        for send in send_all:
            _try(send)

    def _next(
        self, alarm: threading.Lock, *, has_come: bool
    ) -> tuple[Company | None, Sequence[_Task]]:
        """A task, or some of one company, maybe after a sleep; empty = there will be no more.

        Args:
          alarm: wakes this thread.
          has_come: whether the thread was called, and not here since.
        """
        while True:
            with self._lock:
                if has_come:
                    self._is_one_coming = False
                if self._tasks:
                    some = self._some()
                    if self._tasks:
                        self._call_one()
                    return some
                if self._is_closed:
                    self._n_threads -= 1
                    return None, ()
                self._alarms.append(alarm)
            alarm.acquire()
            has_come = True

    def _some(self) -> tuple[Company | None, Sequence[_Task]]:
        """The next task, and with one that has company those behind it, as many as may."""
        tasks = [self._tasks.popleft()]
        company = company_of(tasks[0][1])
        if company is not None:
            left_s = LINGER_S - self._seconds
            while self._tasks and len(tasks) < AT_ONCE and company_of(self._tasks[0][1]) is company:
                left_s -= self._seconds
                if left_s < 0:
                    break
                tasks.append(self._tasks.popleft())
        return company, tasks

    def _done(self, n_tasks: int = 1) -> None:
        with self._lock:
            self._in_flight -= n_tasks


def _try(run: Run, *arguments: Any) -> Any:
    """What it returns; None where it raises something, which is logged."""
    try:
        return run(*arguments)
    except BaseException:  # noqa: BLE001 - whatever it was, the thread is there for others, too
        _log.exception("a task failed")
        return None
