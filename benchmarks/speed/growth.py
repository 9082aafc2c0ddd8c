"""How latency, throughput and memory grow with movies, history and excluded movies.

    python -m benchmarks.speed.growth [--movies 10000 100000 1000000]

Writes benchmarks/results/growth.json; what was measured before an error is kept.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.load.plan import encoded
from benchmarks.load.processes import rss_mb
from benchmarks.speed.answers import warm_up
from benchmarks.speed.contestants import Running, engine, hop, requests_of
from benchmarks.speed.machine import machine
from benchmarks.speed.releases import synthetic, users
from benchmarks.speed.rounds import BenchmarkError, load
from benchmarks.speed.servers import leave_in_order_on_sigterm

RESULTS: Final = Path(__file__).parents[1] / "results" / "growth.json"
MOVIES: Final = (10_000, 100_000, 1_000_000)
HISTORIES: Final = (10, 100)
EXCLUDED: Final = (0, 1000)
IN_FLIGHT: Final = (1, 16)


def excluded_movies(n_users: int, n_movies: int, n_excluded: int) -> list[tuple[str, ...]]:
    """Movies that each user's request excludes, drawn anew for each."""
    rng = np.random.default_rng(n_excluded)
    drawn = (rng.choice(n_movies, n_excluded, replace=False) for _ in range(n_users))
    return [tuple(f"m{movie}" for movie in movies) for movies in drawn]


def cells(n_movies: int, n_history: int, seconds: float) -> Iterator[dict[str, Any]]:
    """One release: both ways of ours, at each number of excluded movies and calls in flight.

    Raises:
      BenchmarkError: nobody answers in full, even unhurriedly.
      StartError: a server did not start.
    """
    models = synthetic(n_movies, n_history)
    who = users()
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="recserve-bench-")))
        ours = [
            stack.enter_context(engine(models, scratch, requests_of(who))),
            stack.enter_context(hop(models, scratch, requests_of(who))),
        ]
        for n_excluded in EXCLUDED:
            bodies = encoded(requests_of(who, excluded_movies(len(who), n_movies, n_excluded)))
            for one in ours:
                asked = Running(one.name, one.target, one.pids, bodies, one.grpc_method)
                warm_up(asked)
                for in_flight in IN_FLIGHT:
                    yield {
                        "who": one.name,
                        "movies": n_movies,
                        "history": n_history,
                        "excluded": n_excluded,
                        "in_flight": in_flight,
                        **_figures(asked, in_flight, seconds),
                        "memory_mb": rss_mb(one.pids),
                    }


def _figures(asked: Running, in_flight: int, seconds: float) -> dict[str, Any]:
    """What the load found; where calls fail, as under more than the machine can do, what failed."""
    try:
        return asdict(load(asked, in_flight, seconds))
    except BenchmarkError as error:
        return {"error": str(error)}


def _told(cell: Mapping[str, Any]) -> str:
    asked = (
        f"{cell['who']:7} {cell['movies']:>9,} movies, history {cell['history']:3},"
        f" excluded {cell['excluded']:4}, {cell['in_flight']:2} in flight"
    )
    if "error" in cell:
        return f"{asked}: {cell['error']}"
    return (
        f"{asked}: {cell['rps']:7.1f} calls/s, p50 {cell['p50_ms']:7.2f} ms,"
        f" {cell['memory_mb']:6.0f} MB"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures every release and writes the results."""
    parser = argparse.ArgumentParser(description="Growth with movies, history, exclusions.")
    parser.add_argument("--movies", type=int, nargs="+", default=MOVIES)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each run of load")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    leave_in_order_on_sigterm()
    result: dict[str, Any] = {"machine": machine(), "cells": []}
    for n_movies in options.movies:
        for n_history in HISTORIES:
            for cell in cells(n_movies, n_history, options.seconds):
                result["cells"].append(cell)
                options.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
                print(_told(cell))
    return 0


if __name__ == "__main__":
    sys.exit(main())
