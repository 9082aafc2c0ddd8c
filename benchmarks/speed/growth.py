"""How latency, throughput and memory grow with movies, history and excluded movies.

    python -m benchmarks.speed.growth [--movies 10000 100000 1000000]

One release for each number of movies, whose users have in turn short and long histories; engine and
hop have the machine one after the other. Writes benchmarks/results/growth.json, where a number of
movies that is not measured this time stays as it is. Who cannot answer, or not in full, has that
said in the place of figures.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.load.plan import encoded
from benchmarks.load.processes import rss_mb
from benchmarks.speed.answers import warm_up
from benchmarks.speed.contestants import ENGINE, HOP, Running, engine, hop, requests_of
from benchmarks.speed.machine import machine
from benchmarks.speed.releases import synthetic, users
from benchmarks.speed.rounds import BenchmarkError, load
from benchmarks.speed.servers import StartError, leave_in_order_on_sigterm

RESULTS: Final = Path(__file__).parents[1] / "results" / "growth.json"
MOVIES: Final = (10_000, 100_000, 1_000_000)
HISTORIES: Final = (10, 100)
EXCLUDED: Final = (0, 1000)
IN_FLIGHT: Final = (1, 16)
OURS: Final = {ENGINE: engine, HOP: hop}


def excluded_movies(n_users: int, n_movies: int, n_excluded: int) -> list[tuple[str, ...]]:
    """Movies that each user's request excludes, drawn anew for each."""
    rng = np.random.default_rng(n_excluded)
    drawn = (rng.choice(n_movies, n_excluded, replace=False) for _ in range(n_users))
    return [tuple(f"m{movie}" for movie in movies) for movies in drawn]


def bodies_of(n_movies: int) -> dict[tuple[int, int], Sequence[str]]:
    """{(history, excluded): the requests of all users with such a history}, encoded."""
    everybody = users()
    bodies: dict[tuple[int, int], Sequence[str]] = {}
    for turn, n_history in enumerate(HISTORIES):
        # The release gives its users these lengths in turn.
        who = everybody[turn :: len(HISTORIES)]
        for n_excluded in EXCLUDED:
            excluded = excluded_movies(len(who), n_movies, n_excluded)
            bodies[n_history, n_excluded] = encoded(requests_of(who, excluded))
    return bodies


def cells(n_movies: int, seconds: float) -> Iterator[dict[str, Any]]:
    """One release: both ways of ours, at each history, exclusion and number of calls in flight."""
    models = synthetic(n_movies, HISTORIES)
    bodies = bodies_of(n_movies)
    for name, start in OURS.items():
        about = {"who": name, "movies": n_movies}
        with tempfile.TemporaryDirectory(prefix="recserve-bench-") as scratch:
            try:
                with start(models, Path(scratch), ()) as one:
                    for (n_history, n_excluded), own in bodies.items():
                        asked = replace(one, bodies=own)
                        for cell in _answered(asked, seconds):
                            yield {**about, "history": n_history, "excluded": n_excluded, **cell}
            except StartError as error:
                yield {**about, "error": str(error)}


def _answered(asked: Running, seconds: float) -> Iterator[dict[str, Any]]:
    """What the load found at each number of calls in flight, or why there is no figure."""
    for in_flight in IN_FLIGHT:
        try:
            warm_up(asked)
            figures = asdict(load(asked, in_flight, seconds))
        except BenchmarkError as error:
            figures = {"error": str(error)}
        yield {"in_flight": in_flight, **figures, "memory_mb": rss_mb(asked.pids)}


def _told(cell: Mapping[str, Any]) -> str:
    asked = f"{cell['who']:7} {cell['movies']:>9,} movies"
    if "history" in cell:
        asked += (
            f", history {cell['history']:3}, excluded {cell['excluded']:4},"
            f" {cell['in_flight']:2} in flight"
        )
    if "error" in cell:
        return f"{asked}: {cell['error']}"
    return (
        f"{asked}: {cell['rps']:7.1f} calls/s, p50 {cell['p50_ms']:7.2f},"
        f" p99 {cell['p99_ms']:7.2f} ms, {cell['memory_mb']:6.0f} MB"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures every release and writes the results."""
    parser = argparse.ArgumentParser(description="Growth with movies, history, exclusions.")
    parser.add_argument("--movies", type=int, nargs="+", default=MOVIES)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each run of load")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    leave_in_order_on_sigterm()
    for n_movies in options.movies:
        measured: dict[str, Any] = {"machine": machine(), "cells": []}
        for cell in cells(n_movies, options.seconds):
            measured["cells"].append(cell)
            print(_told(cell), flush=True)
        result = json.loads(options.output.read_text("utf-8")) if options.output.is_file() else {}
        result[str(n_movies)] = measured
        ordered = {size: result[size] for size in sorted(result, key=int)}
        options.output.write_text(json.dumps(ordered, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
