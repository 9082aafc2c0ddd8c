"""Log lines come out whole and in order, and hold up nobody."""

from __future__ import annotations

import io
import logging
import threading
from collections.abc import Iterator

import pytest

from server.log_writer import LINES_WAITING, QueuedLines


class Gate(io.StringIO):
    """A stream whose reader can stand still."""

    def __init__(self) -> None:
        super().__init__()
        self.is_open, self.is_asked = threading.Event(), threading.Event()
        self.n_writes = 0

    def write(self, text: str) -> int:
        self.is_asked.set()
        assert self.is_open.wait(30)
        self.n_writes += 1
        return super().write(text)


def record(message: str, *arguments: object) -> logging.LogRecord:
    return logging.LogRecord("x", logging.INFO, "", 0, message, arguments, None)


@pytest.fixture
def stream() -> Gate:
    return Gate()


@pytest.fixture
def handler(stream: Gate) -> Iterator[QueuedLines]:
    made = QueuedLines(stream)
    yield made
    stream.is_open.set()
    made.close()


def test_lines_of_many_threads_are_whole_and_in_their_order(
    stream: Gate, handler: QueuedLines
) -> None:
    """Eight threads log 200 lines each: none is lost, and each thread's keep their order."""
    stream.is_open.set()

    def log(thread: int) -> None:
        for n in range(200):
            handler.handle(record("%d %d", thread, n))

    threads = [threading.Thread(target=log, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    handler.flush()

    lines = [tuple(map(int, line.split())) for line in stream.getvalue().splitlines()]
    assert len(lines) == 1600
    for thread in range(8):
        assert [n for who, n in lines if who == thread] == list(range(200))


def test_a_reader_that_stands_still_holds_up_nobody(stream: Gate, handler: QueuedLines) -> None:
    """All calls return; later the lines that fit come out in few writes, and how many did not."""
    handler.handle(record("first"))
    assert stream.is_asked.wait(30)
    for n in range(LINES_WAITING + 500):
        handler.handle(record("%d", n))
    stream.is_open.set()
    handler.flush()

    first, *lines, told = stream.getvalue().splitlines()
    assert first == "first"
    assert lines == [str(n) for n in range(LINES_WAITING)]
    assert told == "500 log lines dropped"
    assert stream.n_writes <= 3


def test_a_stream_that_is_gone_ends_nothing(stream: Gate, handler: QueuedLines) -> None:
    """Logging into a closed stream and closing the handler both return."""
    stream.is_open.set()
    stream.close()
    handler.handle(record("unheard"))
    handler.flush()
    handler.close()


def test_closing_writes_what_waits(stream: Gate) -> None:
    """As at the end of a process."""
    handler = QueuedLines(stream)
    stream.is_open.set()
    handler.handle(record("last words"))
    handler.close()

    assert stream.getvalue() == "last words\n"
