"""How soon a gateway answers after its start, and how much memory it then takes.

python benchmarks/gateway_start.py [--models-dir DIR] [--runs N] [--output FILE]

The store is filled by a first start, which does not count. Each run then starts a process and
waits for health SERVING; no model server is there, as the first activation needs none. The
process's memory is read at that moment, and again after calls that reach every worker thread.
The exit status is 1 when a bar is missed. `make bench` measures the same of a synthetic release,
for benchmarks/results/speed.json; here it is one's own release, and --output keeps every run.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Final

import grpc
import psutil
from grpc_health.v1 import health_pb2, health_pb2_grpc

from client import RecommenderClient, ServingStatus

READY_BAR_S: Final = 1.0
RSS_BAR_MB: Final = 100.0
N_CALLS: Final = 1000
N_CALLERS: Final = 64

_LISTENING: Final = re.compile(r"listening on (\S+)")
_NO_MODEL_SERVER: Final = "127.0.0.1:1"


@dataclass(frozen=True)
class Start:
    """One start of the gateway."""

    ready_s: float
    """From before the process exists until its health says SERVING."""
    cpu_s: float
    """Processor time until then: what a quiet machine would take at least."""
    rss_mb: float
    """Then, in 10^6 bytes."""
    rss_after_calls_mb: float


@contextmanager
def started(models_dir: Path, store: Path) -> Iterator[tuple[psutil.Process, str]]:
    """A gateway process and its address; gone when the block ends."""
    command = [sys.executable, "-m", "server", "--port=0", f"--models-dir={models_dir}"]
    command += [f"--store-path={store}", f"--model-server={_NO_MODEL_SERVER}"]
    with subprocess.Popen(  # noqa: S603 - our own interpreter and module
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            found = _LISTENING.search(line)
            if not found:
                raise SystemExit(f"the gateway did not start, try: {' '.join(command[1:])}")
            yield psutil.Process(process.pid), found[1]
        finally:
            process.terminate()


def measure(models_dir: Path, store: Path) -> Start:
    """Starts the gateway once."""
    before = perf_counter()
    with started(models_dir, store) as (process, target):
        with grpc.insecure_channel(target) as channel:
            health = health_pb2_grpc.HealthStub(channel)
            answer = health.Check(health_pb2.HealthCheckRequest(), timeout=10)
        ready_s = perf_counter() - before
        if answer.status != health_pb2.HealthCheckResponse.SERVING:
            raise SystemExit(f"no release is active in {models_dir}")
        cpu, rss = process.cpu_times(), process.memory_info().rss
        with RecommenderClient(target, timeout=60) as client, ThreadPoolExecutor(N_CALLERS) as pool:
            list(pool.map(lambda n: client.recommend_user(str(n % 500)), range(N_CALLS)))
        after_calls = process.memory_info().rss
    return Start(ready_s, cpu.user + cpu.system, rss / 1e6, after_calls / 1e6)


def fill(models_dir: Path, store: Path) -> ServingStatus:
    """Fills the store with the release's users; what the gateway then says of itself."""
    with started(models_dir, store) as (_, target), RecommenderClient(target) as client:
        return client.get_serving_status()


def main() -> int:
    """Runs the benchmark and writes its results."""
    parser = argparse.ArgumentParser(description="Ready time and memory of the gateway.")
    parser.add_argument("--models-dir", type=Path, default=Path("serving/models"))
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--output", type=Path, help="also write the runs as JSON")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store.sqlite3"
        counts = fill(options.models_dir, store).counts
        starts = [measure(options.models_dir, store) for _ in range(options.runs)]

    medians = {name: median(asdict(s)[name] for s in starts) for name in asdict(starts[0])}
    ok = medians["ready_s"] < READY_BAR_S and medians["rss_mb"] < RSS_BAR_MB
    result = {
        "machine": {
            "system": platform.system(),
            "cpus": os.cpu_count(),
            "python": platform.python_version(),
        },
        "release": asdict(counts),
        "bars": {"ready_s": READY_BAR_S, "rss_mb": RSS_BAR_MB},
        "medians": medians,
        "runs": [asdict(start) for start in starts],
        "ok": ok,
    }
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(f"ready            {medians['ready_s']:6.2f} s   (bar {READY_BAR_S:g} s)")
    print(f"processor time   {medians['cpu_s']:6.2f} s")
    print(f"memory           {medians['rss_mb']:6.1f} MB  (bar {RSS_BAR_MB:g} MB)")
    print(f"after {N_CALLS} calls {medians['rss_after_calls_mb']:6.1f} MB")
    print(f"medians of {options.runs} starts; {counts.users} users, {counts.ratings} ratings")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
