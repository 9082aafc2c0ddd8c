"""Interleaved rounds: in each, every contestant takes its turn, so that a slow minute hits all."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import isfinite
from statistics import median
from typing import Final

from benchmarks.load.plan import Measured, Plan, encoded
from benchmarks.speed.contestants import Running
from benchmarks.speed.method import DEGRADED
from benchmarks.speed.servers import LOAD_CORE, ROOT, pinned

Round = Mapping[str, Mapping[int, Measured]]
"""contestant -> calls in flight -> what was measured."""

BUSY_GENERATOR: Final = 0.9
"""Share of a core from which on the generator, not the server, may be the limit."""


class BenchmarkError(Exception):
    """A figure would be wrong; the message says which and why."""


def load(contestant: Running, in_flight: int, seconds: float) -> Measured:
    """One run of load from a process on LOAD_CORE.

    Raises:
      BenchmarkError: a call failed, none was answered, or the generator was the limit.
    """
    who = f"{contestant.name} with {in_flight} in flight"
    measured = run(plan_for(contestant, in_flight, seconds), who)
    if measured.n_faults or not measured.n_calls:
        raise BenchmarkError(f"{who}: {measured.n_faults} calls failed: {measured.faults}")
    return measured


def plan_for(contestant: Running, in_flight: int, seconds: float) -> Plan:
    """The plan of a run, where an answer that is second best is a fault."""
    return Plan(
        target=contestant.target,
        in_flight=in_flight,
        bodies=contestant.bodies,
        grpc_method=contestant.grpc_method,
        bad_marks=encoded(DEGRADED) if contestant.grpc_method else (),
        seconds=seconds,
        watched=contestant.pids,
    )


def run(plan: Plan, who: str) -> Measured:
    """A generator of its own on LOAD_CORE; `who` is for the errors.

    Raises:
      BenchmarkError: it could not go on, or was the limit.
    """
    done = subprocess.run(  # noqa: S603 - our own module
        pinned(LOAD_CORE, [sys.executable, "-m", "benchmarks.load"]),
        cwd=ROOT,
        input=json.dumps(asdict(plan)),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BenchmarkError(f"{who}: {done.stderr.strip()}")
    measured = Measured(**json.loads(done.stdout))
    if measured.generator_busy > BUSY_GENERATOR:
        raise BenchmarkError(f"{who}: the generator used {measured.generator_busy:.0%} of its core")
    return measured


def one_round(
    contestants: Sequence[Running], in_flight: Sequence[int], seconds: float
) -> dict[str, dict[int, Measured]]:
    """A turn of each at each number of calls in flight."""
    measured: dict[str, dict[int, Measured]] = {c.name: {} for c in contestants}
    for n_calls in in_flight:
        for contestant in contestants:
            found = load(contestant, n_calls, seconds)
            measured[contestant.name][n_calls] = found
            print(
                f"  {contestant.name:14} {n_calls:3} in flight {found.rps:7.0f} calls/s"
                f"  p50 {found.p50_ms:7.2f}  p99 {found.p99_ms:7.2f} ms"
                f"  CPU {found.cpu_ms:6.3f} ms/call",
                file=sys.stderr,
            )
    return measured


def fastest_floor(one: Round, floors: Sequence[str], in_flight: int) -> Measured:
    """The floor of a round: whichever constant-reply server answered most calls in it."""
    return max((one[name][in_flight] for name in floors), key=lambda measured: measured.rps)


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Median over the rounds of ours / theirs, each within its round.

    Raises:
      BenchmarkError: a round has no such ratio.
    """
    ratios = [a / b if b else float("nan") for a, b in zip(ours, theirs, strict=True)]
    if not ratios or not all(map(isfinite, ratios)):
        raise BenchmarkError(f"no ratio of {list(ours)} and {list(theirs)}")
    return median(ratios)


def medians(rounds: Sequence[Round], name: str, in_flight: int) -> dict[str, float]:
    """Each figure of a contestant's, its median over the rounds."""
    runs = [asdict(one[name][in_flight]) for one in rounds]
    figures = ("rps", "p50_ms", "p90_ms", "p99_ms", "cpu_ms", "server_busy", "generator_busy")
    return {figure: median(run[figure] for run in runs) for figure in figures}
