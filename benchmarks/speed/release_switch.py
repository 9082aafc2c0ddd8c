"""What callers see of a release switch: latency and errors before, during and after it.

    python -m benchmarks.speed.release_switch [--movies 10000] [--in-flight 16]

The gateway answers a closed loop of calls when `python -m trainer publish` publishes release 2,
whose vectors and histories are drawn anew for the same users and movies. "During" is from the start
of that command until one second after the gateway says that release 2 answers. Writes
benchmarks/results/release_switch.json.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.load.plan import Measured
from benchmarks.speed.answers import warm_up
from benchmarks.speed.contestants import ENGINE, HOP, Running, engine, hop, requests_of
from benchmarks.speed.machine import machine
from benchmarks.speed.releases import synthetic, users
from benchmarks.speed.rounds import BenchmarkError, plan_for, run
from benchmarks.speed.servers import (
    LOAD_CORE,
    ROOT,
    StartError,
    leave_in_order_on_sigterm,
    pinned,
)
from client import RecommenderClient
from serving.contract import MANIFEST_FILE, ModelsDir, read_manifest
from trainer.export.release import publish

RESULTS: Final = Path(__file__).parents[1] / "results" / "release_switch.json"
BEFORE_S: Final = 6.0
"""Of quiet load before the publish."""
SETTLED_S: Final = 1.0
"""After the switch, what still counts as during it."""
ASKED_EVERY_S: Final = 0.05
SLICE_S: Final = 0.5

Floats = NDArray[np.float64]


def stage_copy(source: Path, target: ModelsDir, release_id: str) -> None:
    """Stages a copy of release 1 of a models folder in another one."""
    made = ModelsDir(source)
    manifest = read_manifest(made.manifest(1))
    folder = target.staging / release_id
    for part in manifest.parts:
        shutil.copytree(made.part(part, 1), folder / part)
    unpublished = replace(manifest, release_version=0).to_json()
    (folder / MANIFEST_FILE).write_text(unpublished, encoding="utf-8")


def switch(asked: Running, models: ModelsDir, in_flight: int, seconds: float) -> dict[str, Any]:
    """Publishes the staged release under load.

    Args:
      seconds: of the whole load; the switch must be over well before its end.

    Raises:
      BenchmarkError: the load could not go on, or the switch took longer.
    """
    calls_file = models.root / "calls.npz"
    plan = replace(plan_for(asked, in_flight, seconds), calls_file=str(calls_file))
    with ThreadPoolExecutor(1) as pool:
        load: Future[Measured] = pool.submit(run, plan, asked.name)
        deadline = perf_counter() + seconds
        _pass(BEFORE_S, load)
        published = perf_counter()
        command = [sys.executable, "-m", "trainer", "publish", f"--models-dir={models.root}"]
        with subprocess.Popen(  # noqa: S603 - our own module
            pinned(LOAD_CORE, command), cwd=ROOT, stdout=subprocess.DEVNULL
        ) as publisher:
            switched = _when_answering(2, asked.target, deadline, load)
        load.result()
    if publisher.returncode:
        raise BenchmarkError(f"publish: exit status {publisher.returncode}")
    with np.load(calls_file) as calls:
        return seen(dict(calls), published, switched)


def _pass(seconds: float, load: Future[Measured]) -> None:
    """Lets the time pass, or raises as soon as the load has failed."""
    ended = threading.Event()
    load.add_done_callback(lambda _: ended.set())
    if ended.wait(seconds):
        load.result()


def _when_answering(version: int, target: str, deadline: float, load: Future[Measured]) -> float:
    with RecommenderClient(target, timeout=10) as client:
        while client.get_serving_status().releases.active != version:
            if perf_counter() > deadline:
                raise BenchmarkError(f"release {version} did not answer in time")
            _pass(ASKED_EVERY_S, load)
    return perf_counter()


def seen(calls: Mapping[str, Floats], published: float, switched: float) -> dict[str, Any]:
    """What callers saw in each part, and in each slice of SLICE_S.

    Args:
      calls: `ends`, `latencies` and `fault_ends`, as a plan's calls_file has them.
      published: when the publish began, on the same clock.
      switched: when the new release answered.
    """
    over = switched + SETTLED_S
    ends = calls["ends"]
    parts = {"before": (-np.inf, published), "during": (published, over), "after": (over, np.inf)}
    first = published - BEFORE_S + SLICE_S
    slices: Floats = np.arange(first, ends.max() - SLICE_S, SLICE_S)
    return {
        "switch_s": switched - published,
        **{name: _figures(calls, low, high) for name, (low, high) in parts.items()},
        "slices": [
            {"s": float(low - published), **_figures(calls, low, low + SLICE_S)} for low in slices
        ],
    }


def _figures(calls: Mapping[str, Floats], low: float, high: float) -> dict[str, float | None]:
    """Of the calls that ended in [low, high); percentiles are None without any."""
    inside = calls["latencies"][(low <= calls["ends"]) & (calls["ends"] < high)]
    faults = calls["fault_ends"]
    p50, p99 = np.percentile(inside, (50, 99)) * 1e3 if len(inside) else (None, None)
    return {
        "calls": len(inside),
        "faults": int(((low <= faults) & (faults < high)).sum()),
        "p50_ms": None if p50 is None else float(p50),
        "p99_ms": None if p99 is None else float(p99),
        "longest_ms": float(inside.max() * 1e3) if len(inside) else None,
    }


Start = Callable[[Path, Path, Any], AbstractContextManager[Running]]


def measure(start: Start, n_movies: int, in_flight: int, seconds: float) -> dict[str, Any]:
    """One contestant's switch, in a models folder of its own.

    Raises:
      BenchmarkError: see `switch`.
      StartError: the contestant did not start.
    """
    with tempfile.TemporaryDirectory(prefix="recserve-bench-") as folder:
        scratch = Path(folder)
        models = ModelsDir(scratch / "models")
        for seed, release_id in enumerate(("first", "second")):
            stage_copy(synthetic(n_movies, seed=seed), models, release_id)
        publish(models, "first")
        with start(models.root, scratch, requests_of(users())) as asked:
            warm_up(asked)
            return switch(asked, models, in_flight, seconds)


def main() -> int:
    """Measures both ways of ours and writes the results."""
    parser = argparse.ArgumentParser(description="A release switch as callers see it.")
    parser.add_argument("--movies", type=int, default=10_000)
    parser.add_argument("--in-flight", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    leave_in_order_on_sigterm()
    result: dict[str, Any] = {
        "machine": machine(),
        "movies": options.movies,
        "in_flight": options.in_flight,
    }
    starts: dict[str, Start] = {ENGINE: engine, HOP: hop}
    for name, start in starts.items():
        try:
            result[name] = measure(start, options.movies, options.in_flight, options.seconds)
        except (BenchmarkError, StartError) as error:
            print(f"benchmarks.speed.release_switch: {name}: {error}", file=sys.stderr)
            return 1
        print(f"{name}: release 2 answered after {result[name]['switch_s']:.2f} s")
        for part in ("before", "during", "after"):
            print(f"  {part:7}", result[name][part])
    options.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
