"""Seconds, peak memory and quality of training, beside implicit's ALS and Surprise's SVD.

    python -m benchmarks.speed.training [--data ml-100k ml-latest-small "1 M" "10 M"]

Every fit is one of `python -m trainer compare`, which runs it in a process of its own, scores it on
the same split and notes both; each has one thread. Ours is the whole of what `train` does before it
exports: choices on validation, then the final fit. The peers' settings were chosen beforehand, so
theirs is one fit. Writes benchmarks/results/training.json, where a data set that is not measured
this time stays as it is.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from benchmarks.speed.machine import machine
from benchmarks.speed.peer_environments import cache_folder
from benchmarks.speed.servers import ONE_THREAD, ROOT, leave_in_order_on_sigterm
from benchmarks.speed.synthetic_ratings import SIZES, write_ratings

RESULTS: Final = Path(__file__).parents[1] / "results" / "training.json"
REAL: Final = ("ml-100k", "ml-latest-small")
DATA: Final = (*REAL, *SIZES)
PEERS: Final = (
    *("implicit-als-default", "implicit-als-tuned"),
    *("surprise-svd-default", "surprise-svd-tuned"),
)
KEPT: Final = ("model", "kind", "train_s", "train_cpu_s", "peak_mb", "rmse", "ndcg@10", "notes")
"""Of a row of `compare`."""
ALL_SAME_FIT: Final = ":"
"""In the name of a row that asks the fit of another row in another way."""


def measure(data: str, models: str, peers: str, data_dir: Path | None) -> dict[str, Any]:
    """The fits of one data set: our models, and the peers.

    Raises:
      CalledProcessError: nothing could be trained.
    """
    about = machine()
    with tempfile.TemporaryDirectory(prefix="recserve-bench-") as scratch:
        output = Path(scratch) / "rows.json"
        command = [sys.executable, "-m", "trainer", "compare", f"--json={output}"]
        command += [f"--models={models}", f"--peers={peers}"]
        if data in SIZES:
            folder = cache_folder() / "ratings" / data.replace(" ", "")
            if not (folder / "mapping.toml").is_file():
                write_ratings(folder, SIZES[data])
            command.append(f"--mapping={folder / 'mapping.toml'}")
        else:
            command.append(f"--dataset={data}")
            if data_dir is not None:
                command.append(f"--data-dir={data_dir}")
        # Some contestants failing is exit status 1, and the file says which.
        subprocess.run(command, cwd=ROOT, check=False, env={**os.environ, **ONE_THREAD})  # noqa: S603 - our own module
        found = json.loads(output.read_text(encoding="utf-8"))
    return {
        "machine": about,
        **{key: found["dataset"][key] for key in ("users", "movies", "ratings")},
        "split": found["split"],
        "fits": fits(found),
        "left_out": found.get("left_out", []),
    }


def fits(comparison: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What counts of each row of a comparison, but for other ways to ask the same fit."""
    return [
        {key: row[key] for key in KEPT if key in row}
        for row in comparison["rows"]
        if ALL_SAME_FIT not in row["model"]
    ]


def main() -> int:
    """Trains everything and writes the results."""
    parser = argparse.ArgumentParser(description="Training beside implicit and Surprise.")
    parser.add_argument("--data", nargs="+", default=DATA, choices=DATA)
    parser.add_argument("--models", default="best", help="as `trainer compare` takes them")
    parser.add_argument("--peers", default=",".join(PEERS), help="likewise")
    parser.add_argument("--data-dir", type=Path, help="a copy of ml-latest-small")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    leave_in_order_on_sigterm()
    for data in options.data:
        own_copy = options.data_dir if data == "ml-latest-small" else None
        measured = measure(data, options.models, options.peers, own_copy)
        path = options.output
        result = json.loads(path.read_text("utf-8")) if path.is_file() else {}
        result[data] = measured
        ordered = {name: result[name] for name in DATA if name in result}
        path.write_text(json.dumps(ordered, indent=2) + "\n", encoding="utf-8")
        for row in measured["fits"]:
            figures = ", ".join(
                f"{key} {row[key]:.4g}" for key in KEPT[2:] if isinstance(row.get(key), float)
            )
            print(f"{data:16} {row['model']:24} {figures}")
        for why in measured["left_out"]:
            print(f"{data:16} left out: {why}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
