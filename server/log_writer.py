"""Log lines written by a thread of their own, all that came since its last write at once.

A write lets other threads run, and whoever writes waits for its turn again: done by the callers it
took as long as all of grpc (64 calls in flight on one core). Whoever reads the log slowly, or not
at all, does not hold up the calls either.
"""

from __future__ import annotations

import logging
import threading
from queue import Empty, SimpleQueue
from typing import IO, Final

LINES_WAITING: Final = 10_000
"""The most that wait to be written; what comes beyond is counted and dropped."""


class QueuedLines(logging.Handler):
    """Writes each record as one line to `stream`, in the order in which they were logged."""

    def __init__(self, stream: IO[str]) -> None:
        super().__init__()
        self._stream = stream
        self._lines: SimpleQueue[str | threading.Event] = SimpleQueue()
        self._dropped: SimpleQueue[None] = SimpleQueue()
        """One for each line that found no room; only the writing thread counts them."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def createLock(self) -> None:  # noqa: N802 - logging's name
        """Nothing is shared but the queue, which needs no lock of ours."""
        self.lock = None

    def emit(self, record: logging.LogRecord) -> None:
        """Formats a record and leaves it to the writing thread."""
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001 - as every handler: a log call never fails its caller
            self.handleError(record)
            return
        if self._lines.qsize() < LINES_WAITING:
            self._lines.put(line + "\n")
        else:
            self._dropped.put(None)

    def flush(self) -> None:
        """Returns when everything logged before has been written."""
        written = threading.Event()
        self._lines.put(written)
        while self._thread.is_alive() and not written.wait(0.1):
            pass

    def close(self) -> None:
        """Writes what waits and ends the thread."""
        self._stop.set()
        self.flush()
        self._thread.join()
        super().close()

    def _run(self) -> None:
        while True:
            self._write([self._lines.get(), *self._waiting()])
            if self._stop.is_set() and self._lines.empty():
                return

    def _waiting(self) -> list[str | threading.Event]:
        found: list[str | threading.Event] = []
        try:
            while True:
                found.append(self._lines.get_nowait())
        except Empty:
            return found

    def _write(self, entries: list[str | threading.Event]) -> None:
        lines = [entry for entry in entries if isinstance(entry, str)]
        n_dropped = self._dropped.qsize()
        for _ in range(n_dropped):
            self._dropped.get()
        if n_dropped:
            lines.append(self.format(_told(f"{n_dropped} log lines dropped")) + "\n")
        try:
            self._stream.write("".join(lines))
            self._stream.flush()
        except (OSError, ValueError):
            # Nobody reads any more, or the stream is closed: there is no place left to say so.
            pass
        for entry in entries:
            if isinstance(entry, threading.Event):
                entry.set()


def _told(message: str) -> logging.LogRecord:
    level = {"levelno": logging.WARNING, "levelname": "WARNING"}
    return logging.makeLogRecord({"name": __name__, "msg": message, **level})
