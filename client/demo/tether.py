"""Runs a command that ends when its parent does: tether.py PARENT_PID PROGRAM [ARGUMENT ...].

A parent that is killed outright cannot stop its children; the kernel can. It is asked here, in
the child and before the program starts, because doing so between fork and exec of a process with
threads is not safe. The request survives exec. Elsewhere than on Linux this only runs the program.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Becomes the program named on the command line."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it was gone before the kernel knew
            sys.exit(1)
    os.execv(command[0], command)  # noqa: S606  (the command of our own parent)


if __name__ == "__main__":
    main()
