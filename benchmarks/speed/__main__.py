"""python -m benchmarks.speed: the bars of issue 6, measured; what `make bench` runs.

Takes less than ten minutes once the peers' environments and the release are there, which the first
run makes and keeps. Writes benchmarks/results/latest.json (the bars' figures), speed.json
(everything) and speed.md (the table, which is printed too). The exit status is 1 when a figure
could not be measured; a bar that is missed is only told.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from benchmarks.speed import bars
from benchmarks.speed.curve import chosen
from benchmarks.speed.head_to_head import head_to_head
from benchmarks.speed.machine import machine
from benchmarks.speed.releases import synthetic, users
from benchmarks.speed.report import markdown
from benchmarks.speed.rounds import BenchmarkError
from benchmarks.speed.scripts import printed
from benchmarks.speed.servers import StartError, leave_in_order_on_sigterm
from benchmarks.speed.starts import IMPORTED, gateway_starts, import_cost

RESULTS: Final = Path(__file__).parents[1] / "results"
N_MOVIES: Final = 10_000
LEAST_RECALL: Final = 0.97
SCANN_SIZES: Final = {"1 M drawn": 1_000_000}


def measure(rounds: int, seconds: float, runs: int) -> dict[str, Any]:
    """Everything that the bars need.

    Raises:
      BenchmarkError: a figure would be wrong.
      StartError: a server did not start.
      CalledProcessError: a release or an environment could not be made.
    """
    about = machine()
    models = synthetic(N_MOVIES)
    loads = head_to_head(models, users(), rounds, seconds)
    starts = gateway_starts(models, runs)
    scann = {name: _scann("--movies", str(size)) for name, size in SCANN_SIZES.items()}
    million = scann["1 M drawn"]["chosen"]
    figures = {
        **loads.ratios(),
        "gateway_ready_s": starts["ready_s"],
        "gateway_rss_mb": starts["rss_mb"],
        "scann_speedup_1m": million["speedup"],
        "scann_recall_1m": million["recall"],
    }
    return {
        "machine": about,
        "figures": figures,
        "head_to_head": {
            "rounds": rounds,
            "seconds": seconds,
            "reply_bytes": loads.reply_bytes,
            "different_lists": loads.different,
            "shares_of_floor": loads.shares_of_floor(),
            "table": loads.table(),
            "memory_mb": loads.memory_mb,
        },
        "library": printed("benchmarks.speed.library_row", f"--models-dir={models}"),
        "start": {
            "gateway": starts,
            "imports": {module: import_cost(module, runs) for module in IMPORTED},
        },
        "scann": scann,
    }


def _scann(*flags: str) -> dict[str, Any]:
    curve: dict[str, Any] = printed("benchmarks.speed.scann_search", *flags)
    return {**curve, "chosen": chosen(curve, LEAST_RECALL)}


def main() -> int:
    """Runs the benchmark and writes its results."""
    parser = argparse.ArgumentParser(description="Speed beside the floor and the peers.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each run of load")
    parser.add_argument("--runs", type=int, default=5, help="starts and imports measured")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    leave_in_order_on_sigterm()
    try:
        result = measure(options.rounds, options.seconds, options.runs)
    except (BenchmarkError, StartError, ValueError, subprocess.CalledProcessError) as error:
        print(f"benchmarks.speed: {error}", file=sys.stderr)
        return 1
    text = markdown(result)
    for name, content in (("latest", bars.flat(result["figures"])), ("speed", result)):
        path = options.output / f"{name}.json"
        path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    (options.output / "speed.md").write_text(text, encoding="utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
