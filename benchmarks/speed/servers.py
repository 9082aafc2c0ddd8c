"""Server processes on a core of their own, and the core of the load."""

from __future__ import annotations

import os
import re
import selectors
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import IO, Final

from benchmarks.load.processes import is_group_running

ROOT: Final = Path(__file__).parents[2]
LOAD_CORE: Final = 0
SERVER_CORE: Final = 1
START_DEADLINE_S: Final = 300.0
STOP_GRACE_S: Final = 10.0

ONE_THREAD: Final = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "CUDA_VISIBLE_DEVICES": "-1",
    "PYTHONUNBUFFERED": "1",
}
"""One core is all that a server has: more threads would only take turns on it."""


class StartError(Exception):
    """A server did not come up; the message has its last words."""


def leave_in_order_on_sigterm() -> None:
    """Lets SIGTERM end this process as an error does, so that it stops its servers first."""
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))


def pinned(core: int | str, command: Sequence[str]) -> list[str]:
    """The command on one core."""
    return ["taskset", "--cpu-list", str(core), *command]


@contextmanager
def serving(
    command: Sequence[str],
    ready: re.Pattern[str],
    *,
    cwd: Path = ROOT,
    env: Mapping[str, str] | None = None,
    deadline_s: float = START_DEADLINE_S,
) -> Iterator[tuple[int, re.Match[str]]]:
    """A server on SERVER_CORE; gone, with all that it started, when the block ends.

    Args:
      command: the program and its arguments.
      ready: found in a line of its stdout or stderr once it serves.
      cwd: where it runs.
      env: added to ours and to ONE_THREAD.
      deadline_s: for it to come up.

    Yields:
      Its pid and the match.

    Raises:
      StartError: it ended or did not become ready in time.
    """
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output,
        subprocess.Popen(  # noqa: S603 - our own programs
            pinned(SERVER_CORE, command),
            cwd=cwd,
            env={**os.environ, **ONE_THREAD, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
    ):
        try:
            yield process.pid, _wait_for(ready, output, process, command, deadline_s)
        finally:
            _stop(process)


def _wait_for(
    ready: re.Pattern[str],
    output: IO[str],
    process: subprocess.Popen[bytes],
    command: Sequence[str],
    deadline_s: float,
) -> re.Match[str]:
    deadline = monotonic() + deadline_s
    with selectors.DefaultSelector() as pause:
        while True:
            ended = process.poll() is not None
            # Both share one place in the file, which the server writes at: read from a copy.
            text = Path(f"/proc/self/fd/{output.fileno()}").read_text("utf-8", errors="replace")
            if found := ready.search(text):
                return found
            if ended or monotonic() > deadline:
                last = "\n  ".join(text.splitlines()[-15:])
                raise StartError(f"{' '.join(command[:6])} ... did not start:\n  {last}")
            pause.select(0.05)


def _stop(process: subprocess.Popen[bytes]) -> None:
    _signal(process, signal.SIGTERM)
    try:
        process.wait(STOP_GRACE_S)
    except subprocess.TimeoutExpired:
        pass
    finally:
        _signal(process, signal.SIGKILL)
        process.wait()
        _wait_until_gone(process.pid)


def _wait_until_gone(group: int) -> None:
    """What the server started is nobody's child now, so that nobody can await it."""
    deadline = monotonic() + STOP_GRACE_S
    with selectors.DefaultSelector() as pause:
        while is_group_running(group) and monotonic() < deadline:
            pause.select(0.01)


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        # All of them have gone already.
        return
