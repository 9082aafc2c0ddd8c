"""Scripts of this package that print one JSON object, run alone on the server's core."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from benchmarks.speed.rounds import BenchmarkError
from benchmarks.speed.servers import ONE_THREAD, ROOT, SERVER_CORE, pinned


def printed(module: str, *flags: str, cores: str = str(SERVER_CORE)) -> Any:
    """What `python -m <module> <flags>` prints.

    Raises:
      BenchmarkError: it failed; with its last words.
    """
    done = subprocess.run(  # noqa: S603 - our own modules
        pinned(cores, [sys.executable, "-m", module, *flags]),
        cwd=ROOT,
        env={**os.environ, **ONE_THREAD},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = "\n  ".join(done.stderr.splitlines()[-15:])
        raise BenchmarkError(f"{module}: exit status {done.returncode}:\n  {last}")
    return json.loads(done.stdout)
