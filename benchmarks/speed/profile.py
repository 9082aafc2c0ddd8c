"""What limits us: the functions that a gateway spends its time in under load, by py-spy.

    python -m benchmarks.speed.profile [--who engine] [--in-flight 64] [--seconds 10] [--top 25]

The load is that of `make bench`. py-spy looks from outside 250 times a second at the thread that
holds the GIL, without stopping the process: stopping sixty threads each time would be what is
measured. So the table says where Python's time goes; arithmetic that lets go of the GIL, and
gRPC's own threads, are in the processor time of a call alone. Own time is without what a function
calls. `--stacks FILE` keeps the folded stacks, which flame graph programs read.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from benchmarks.load.plan import Measured
from benchmarks.speed.answers import warm_up
from benchmarks.speed.contestants import ENGINE, HOP, Running, engine, hop, requests_of
from benchmarks.speed.peer_environments import environment
from benchmarks.speed.releases import synthetic, users
from benchmarks.speed.report import table
from benchmarks.speed.rounds import BenchmarkError, load
from benchmarks.speed.servers import (
    LOAD_CORE,
    ROOT,
    StartError,
    leave_in_order_on_sigterm,
    pinned,
)

PINS: Final = Path(__file__).parent / "py_spy.txt"
MODEL_SERVER: Final = "model-server"
SAMPLES_PER_S: Final = 250
LOAD_LONGER_S: Final = 2.0
"""The load must still run when the last sample is taken."""


@dataclass(frozen=True)
class Share:
    """One function's part of the samples."""

    function: str
    """name (file:first line)."""
    own: float
    """Of 0 to 1: itself, without what it calls."""
    total: float
    """With what it calls; recursion counts once."""


def shares(folded: Iterable[str]) -> list[Share]:
    """Functions by falling own share.

    Args:
      folded: lines of "outermost;...;innermost count".
    """
    own: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for line in folded:
        stack, _, count = line.rstrip().rpartition(" ")
        frames = stack.split(";")
        own[frames[-1]] += int(count)
        for frame in set(frames):
            total[frame] += int(count)
    n_samples = own.total()
    return sorted(
        (Share(name, own[name] / n_samples, total[name] / n_samples) for name in total),
        key=lambda share: (-share.own, -share.total),
    )


def profiled(
    asked: Running, in_flight: int, seconds: int, stacks: Path
) -> tuple[list[Share], Measured]:
    """The shares of a contestant's first process while it is under load, and that load.

    Raises:
      BenchmarkError: a call failed, or py-spy could not look into the process.
    """
    command = [str(environment(PINS) / "py-spy"), "record", f"--output={stacks}"]
    command += [f"--pid={asked.pids[0]}", "--gil", "--nonblocking", "--function", "--format=raw"]
    command += [f"--duration={seconds}", f"--rate={SAMPLES_PER_S}"]
    with subprocess.Popen(  # noqa: S603 - of an environment of our own
        pinned(LOAD_CORE, command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as recorder:
        found = load(asked, in_flight, seconds + LOAD_LONGER_S)
        said, _ = recorder.communicate()
    if recorder.returncode:
        last = said.splitlines()[-1] if said else "it said nothing"
        raise BenchmarkError(f"py-spy: exit status {recorder.returncode}: {last}")
    lines = stacks.read_text(encoding="utf-8").splitlines()
    if not lines:
        raise BenchmarkError("py-spy saw nobody at work")
    return shares(lines), found


def told(found: Sequence[Share], cpu_ms: float, top: int) -> str:
    """A table of the functions with the most own time; `cpu_ms` of a call is shared out."""
    rows = [
        (
            f"`{_shortened(share.function)}`",
            f"{share.own:.1%}",
            f"{share.own * cpu_ms:.3f}",
            f"{share.total:.1%}",
        )
        for share in found[:top]
    ]
    return table(("function", "own", "own ms/call", "with callees"), rows)


def _shortened(function: str) -> str:
    """Without this checkout's and this interpreter's folders."""
    name, _, place = function.partition(" (")
    for folder in (str(ROOT), sys.prefix, sys.base_prefix):
        place = place.removeprefix(folder)
    return f"{name} ({place.lstrip('/')}"


def main() -> int:
    """Profiles once."""
    parser = argparse.ArgumentParser(description="Where the time goes under load.")
    parser.add_argument("--who", choices=(ENGINE, HOP, MODEL_SERVER), default=ENGINE)
    parser.add_argument("--movies", type=int, default=10_000)
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--top", type=int, default=25)
    parser.add_argument("--stacks", type=Path, help="keep the folded stacks in this file")
    options = parser.parse_args()
    leave_in_order_on_sigterm()
    models, contestant = synthetic(options.movies), engine if options.who == ENGINE else hop
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="recserve-bench-")))
        try:
            asked = stack.enter_context(contestant(models, scratch, requests_of(users())))
            warm_up(asked)
            pid = asked.pids[1 if options.who == MODEL_SERVER else 0]
            found, measured = profiled(
                replace(asked, pids=(pid,)),
                options.in_flight,
                options.seconds,
                options.stacks or scratch / "stacks",
            )
        except (BenchmarkError, StartError) as error:
            print(f"benchmarks.speed.profile: {error}", file=sys.stderr)
            return 1
    print(
        f"{options.who}, {options.movies:,} movies, {options.in_flight} in flight:"
        f" {measured.rps:.0f} calls/s, {measured.cpu_ms:.3f} ms of processor time a call"
        f" ({measured.server_busy:.0%} of the core)\n"
    )
    print(told(found, measured.cpu_ms, options.top), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
