"""The threads that answer calls: few while tasks compute, as many as needed while they wait."""

from __future__ import annotations

import logging
import statistics
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from server.turns import LONG_S, turns_of
from server.workers import Workers
from tests.fault.waiting import eventually


def test_tasks_that_compute_are_done_by_few_threads() -> None:
    """300 at once, of 64 threads that there may be; now and then the system wakes more of them."""
    threads: set[str] = set()
    done = threading.Semaphore(0)
    counts = []

    def task() -> None:
        threads.add(threading.current_thread().name)
        done.release()

    for _ in range(15):
        threads.clear()
        with turns_of(LONG_S), Workers(64) as workers:
            for _ in range(300):
                workers.submit(task)
            assert all(done.acquire(timeout=30) for _ in range(300))
        counts.append(len(threads))

    assert statistics.median(counts) <= 16


def test_tasks_that_wait_have_a_thread_each() -> None:
    """Eight that wait for one another meet in eight threads; again after all of them slept."""
    meeting = threading.Barrier(9)
    with Workers(8) as workers:
        for _ in range(2):
            for _ in range(8):
                workers.submit(meeting.wait, 10)
            meeting.wait(10)
            eventually(lambda: len(workers._alarms) == 8)


def test_there_are_no_more_threads_than_allowed() -> None:
    """Of five tasks for two threads three wait, and are done when the first ones leave."""
    entered, leave = threading.Semaphore(0), threading.Event()

    def task() -> None:
        entered.release()
        assert leave.wait(30)

    with Workers(2) as workers:
        for _ in range(5):
            workers.submit(task)
        assert entered.acquire(timeout=30)
        assert entered.acquire(timeout=30)
        assert not entered.acquire(timeout=0.1)
        assert workers.in_flight == 5

        leave.set()

        assert all(entered.acquire(timeout=30) for _ in range(3))
        eventually(lambda: workers.in_flight == 0)


def test_what_a_task_raises_is_logged_and_the_thread_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Even SystemExit; the only thread does the next task, and no task counts for ever."""
    done = threading.Event()

    def broken() -> None:
        raise SystemExit(3)

    with Workers(1) as workers, caplog.at_level(logging.ERROR):
        workers.submit(broken)
        workers.submit(done.set)
        assert done.wait(30)
        eventually(lambda: workers.in_flight == 0)

    assert "SystemExit: 3" in caplog.text


def test_threads_end_after_the_block() -> None:
    """Those that sleep at once, one that is busy after its task, and what waits is done before."""
    entered, leave, last = threading.Event(), threading.Event(), threading.Event()
    threads: list[threading.Thread] = []

    def held() -> None:
        threads.append(threading.current_thread())
        entered.set()
        assert leave.wait(30)

    with Workers(1) as workers:
        workers.submit(held)
        workers.submit(last.set)
        assert entered.wait(30)
    (thread,) = threads
    assert thread.is_alive()
    leave.set()
    thread.join(30)

    assert not thread.is_alive()
    assert last.is_set()

    with Workers(4) as workers:
        workers.submit(lambda: threads.append(threading.current_thread()))
        eventually(lambda: len(threads) == 2 and workers.in_flight == 0)
    threads[1].join(30)
    assert not threads[1].is_alive()


def test_no_task_is_forgotten() -> None:
    """Four threads give 2000 tasks, some of which wait; each is done once."""
    done: list[int] = []
    never = threading.Event()

    def task(number: int) -> None:
        if number % 10 == 3:
            never.wait(number / 1e6)
        done.append(number)

    with Workers(6) as workers, ThreadPoolExecutor(4) as givers:
        for number in range(2000):
            givers.submit(workers.submit, task, number)
        givers.shutdown()
        eventually(lambda: workers.in_flight == 0)

    assert sorted(done) == list(range(2000))


def test_who_gets_no_more_threads_does_with_those_that_are_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without a single one a task is refused; with one that is busy it waits for that one."""
    entered, leave, done = threading.Event(), threading.Event(), threading.Event()

    def held() -> None:
        entered.set()
        assert leave.wait(30)

    def none_left(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with Workers(4) as workers:
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", none_left)
            with pytest.raises(RuntimeError):
                workers.submit(done.set)
        assert workers.in_flight == 0
        workers.submit(held)
        assert entered.wait(30)
        assert not done.is_set()
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", none_left)
            workers.submit(done.set)

        leave.set()

        assert done.wait(30)
