"""How soon things are there: imports of client and gateway, and the gateway's start."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.gateway_start import fill, measure
from benchmarks.speed.servers import ROOT, SERVER_CORE, pinned

IMPORTED: Final = ("client", "server.app", "grpc", "numpy")

_IMPORT: Final = """
import time
started = time.perf_counter()
import {module}
seconds = time.perf_counter() - started
resident = int(open("/proc/self/statm").read().split()[1])
import os
print(seconds, resident * os.sysconf("SC_PAGE_SIZE") / 1e6)
"""


def import_cost(module: str, runs: int) -> dict[str, float]:
    """Median seconds of an import in a fresh process, and the process's MB after it."""
    found = []
    for _ in range(runs + 1):
        done = subprocess.run(  # noqa: S603 - our own interpreter
            pinned(SERVER_CORE, [sys.executable, "-c", _IMPORT.format(module=module)]),
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        )
        found.append(tuple(map(float, done.stdout.split())))
    # The first one reads from the disk and writes bytecode.
    seconds, resident = zip(*found[1:], strict=True)
    return {"s": median(seconds), "rss_mb": median(resident)}


def gateway_starts(models: Path, runs: int) -> dict[str, float]:
    """Medians over starts of the gateway with a loaded store, default settings."""
    with tempfile.TemporaryDirectory(prefix="recserve-bench-") as folder:
        store = Path(folder) / "store.sqlite3"
        fill(models, store)
        starts = [asdict(measure(models, store)) for _ in range(runs)]
    return {name: median(start[name] for start in starts) for name in starts[0]}
