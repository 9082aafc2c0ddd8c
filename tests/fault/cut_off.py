"""Runs a release command again and again, cut off one file operation later each time.

``python -m tests.fault.cut_off FAULT COMMAND TEMPLATE RUNS`` copies the models folder TEMPLATE to
RUNS/0, RUNS/1, ... and in each copy runs COMMAND, a function of `COMMANDS`, in a process of its
own. In copy i the fault strikes just before the i-th operation that changes the disk:

kill   the process gets SIGKILL
full   this operation and every later one that needs space fails with ENOSPC
rofs   this operation and every later one fails with EROFS

Python's audit events name the operations, so nothing here knows how a command works. What a
command raised is in RUNS/i.error. It ends after the first copy in which nothing struck.
"""

from __future__ import annotations

import errno
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from serving.contract import ContractError, ModelsDir
from trainer.export.gc import collect_garbage
from trainer.export.live import Retention
from trainer.export.release import PublishError, promote, publish, rollback

COMMANDS: dict[str, Callable[[ModelsDir], object]] = {
    "publish": publish,
    "candidate": lambda models: publish(models, candidate_share=0.1),
    "promote": promote,
    "rollback": rollback,
    "gc": lambda models: collect_garbage(models, Retention(keep=0)),
}
NEED_SPACE = {"open", "os.mkdir", "os.link"}
CHANGES = NEED_SPACE | {"os.rename", "os.remove", "os.rmdir"}


class Fault:
    """Strikes at the `at`-th change of the disk."""

    def __init__(self, kind: str, at: int) -> None:
        self.kind, self.left, self.struck = kind, at, False

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        if event not in CHANGES:
            return
        if event == "open":
            flags = arguments[2]
            if not (isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)):
                return
        self.left -= 1
        if self.left >= 0:
            return
        self.struck = True
        if self.kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.kind == "rofs":
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(arguments[0]))
        if event in NEED_SPACE:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(arguments[0]))


def cut(fault: Fault, command: str, models: ModelsDir, note: int) -> bool:
    """Runs the command under the fault; returns whether it struck."""
    # A killed process loses nothing that the kernel has: without waiting for the disk it's faster.
    os.fsync = lambda _: None
    sys.addaudithook(fault)
    try:
        COMMANDS[command](models)
    except (PublishError, ContractError) as error:
        os.write(note, str(error).encode())
    return fault.struck


def main(kind: str, command: str, template: Path, runs: Path) -> None:
    """Cuts off at every operation, one after the other."""
    struck, at = True, 0
    while struck:
        folder = runs / str(at)
        shutil.copytree(template, folder)
        # Opened before the fault: the note must get through.
        note = os.open(runs / f"{at}.error", os.O_WRONLY | os.O_CREAT)
        child = os.fork()
        if child == 0:
            os._exit(cut(Fault(kind, at), command, ModelsDir(folder), note))
        os.close(note)
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        assert code in (0, 1, -signal.SIGKILL), code
        struck, at = code != 0, at + 1


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))
