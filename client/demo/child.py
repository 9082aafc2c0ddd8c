"""A child process that is watched, and gone when its block ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import IO, Final, Self

from client.demo.failures import DemoError

STOP_GRACE_S: Final = 10.0
"""What a child may take to stop cleanly before it is killed."""
LAST_LINES: Final = 15
"""Lines of a child's stderr that are shown when it dies."""

_TETHER: Final = Path(__file__).with_name("tether.py")


class Child:
    """`python -m ...` as a context manager; its whole process group is gone afterwards.

    Args:
      name: what a person calls it.
      arguments: what follows `python`, this interpreter.
      show_stderr: leave stderr to the terminal, for programs that show progress.
    """

    def __init__(self, name: str, arguments: Sequence[str], *, show_stderr: bool = False) -> None:
        self.name = name
        self._command = [sys.executable, str(_TETHER), str(os.getpid())]
        self._command += [sys.executable, *arguments]
        self._show_stderr = show_stderr
        self._output: list[str] = []
        self._errors: deque[str] = deque(maxlen=LAST_LINES)
        self._news = threading.Condition()
        self._readers: list[threading.Thread] = []

    def __enter__(self) -> Self:
        # A session of its own: Ctrl-C reaches us alone, and we stop the children in order.
        self._process = subprocess.Popen(  # noqa: S603  (our own interpreter and modules)
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=None if self._show_stderr else subprocess.PIPE,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        for stream, lines in (
            (self._process.stdout, self._output),
            (self._process.stderr, self._errors),
        ):
            if stream is not None:
                reader = threading.Thread(target=self._read, args=(stream, lines), daemon=True)
                reader.start()
                self._readers.append(reader)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self, grace_s: float = STOP_GRACE_S) -> None:
        """Ends the process and everything that it started; returns when they are gone."""
        self._signal(signal.SIGTERM)
        try:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(grace_s)
        finally:
            self._signal(signal.SIGKILL)
            self._process.wait()
        for reader in self._readers:
            reader.join()

    def wait_for(self, pattern: re.Pattern[str], deadline: float) -> re.Match[str]:
        """The first match in a line of stdout.

        Args:
          pattern: what to look for.
          deadline: on the monotonic clock.

        Raises:
          DemoError: the child died, or the deadline passed.
        """
        read = 0
        while True:
            with self._news:
                if len(self._output) == read:
                    # An end that no pipe reports, because a grandchild holds it, is seen as well.
                    self._news.wait(min(0.5, max(0.0, deadline - monotonic())))
                lines = self._output[read:]
            for line in lines:
                if found := pattern.search(line):
                    return found
            read += len(lines)
            if not lines:
                self.check_alive()
                if monotonic() >= deadline:
                    raise self._failure("is not ready in time")

    def check_alive(self) -> None:
        """Nothing, while the child runs.

        Raises:
          DemoError: it died; with its exit status and its last words.
        """
        status = self._process.poll()
        if status is not None:
            for reader in self._readers:
                reader.join(1.0)  # a grandchild may hold the pipe for longer
            raise self._failure(f"stopped with exit status {status}")

    def result(self) -> tuple[int, list[str]]:
        """Exit status and lines of stdout, once the child has ended by itself."""
        status = self._process.wait()
        for reader in self._readers:
            reader.join()
        return status, self._output

    def _failure(self, what: str) -> DemoError:
        last = "".join(f"\n  {line}" for line in self._errors)
        return DemoError(f"the {self.name} {what}" + (f"; its last words:{last}" if last else ""))

    def _signal(self, number: signal.Signals) -> None:
        # The group outlives its leader while something in it runs.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def _read(self, stream: IO[str], lines: list[str] | deque[str]) -> None:
        with stream:
            for line in stream:
                with self._news:
                    lines.append(line.rstrip("\n"))
                    self._news.notify_all()
        with self._news:
            self._news.notify_all()
