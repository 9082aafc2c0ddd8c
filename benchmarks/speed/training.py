"""Seconds, peak memory and quality of training, beside implicit's ALS and Surprise's SVD.

    python -m benchmarks.speed.training [--data ml-100k ml-latest-small "1 M" "10 M"]

Every fit is one of `python -m trainer compare`, which runs it in a process of its own, scores it on
the same split and notes both. Writes benchmarks/results/training.json; what was measured before an
error is kept.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from benchmarks.speed.machine import machine
from benchmarks.speed.peer_environments import cache_folder
from benchmarks.speed.servers import ROOT
from benchmarks.speed.synthetic_ratings import SIZES, write_ratings

RESULTS: Final = Path(__file__).parents[1] / "results" / "training.json"
REAL: Final = ("ml-100k", "ml-latest-small")
PEERS: Final = ("implicit-als-default", "implicit-als-tuned", "surprise-svd-default")
KEPT: Final = ("model", "kind", "train_s", "peak_mb", "rmse", "ndcg@10")


def fits(data: str, models: str, data_dir: Path | None) -> list[dict[str, Any]]:
    """The rows of one data set: our best models, and the peers.

    Raises:
      CalledProcessError: nothing could be trained.
    """
    with tempfile.TemporaryDirectory(prefix="recserve-bench-") as scratch:
        output = Path(scratch) / "rows.json"
        command = [sys.executable, "-m", "trainer", "compare", f"--json={output}"]
        command += [f"--models={models}", f"--peers={','.join(PEERS)}"]
        if data in SIZES:
            folder = cache_folder() / "ratings" / data.replace(" ", "")
            if not (folder / "mapping.toml").is_file():
                write_ratings(folder, SIZES[data])
            command.append(f"--mapping={folder / 'mapping.toml'}")
        else:
            command.append(f"--dataset={data}")
            if data_dir is not None:
                command.append(f"--data-dir={data_dir}")
        subprocess.run(command, cwd=ROOT, check=True)  # noqa: S603 - our own module
        rows = json.loads(output.read_text(encoding="utf-8"))["rows"]
    return [{"data": data, **{key: row[key] for key in KEPT if key in row}} for row in rows]


def main() -> int:
    """Trains everything and writes the results."""
    parser = argparse.ArgumentParser(description="Training beside implicit and Surprise.")
    parser.add_argument("--data", nargs="+", default=(*REAL, *SIZES), choices=(*REAL, *SIZES))
    parser.add_argument("--models", default="best", help="as `trainer compare` takes them")
    parser.add_argument("--data-dir", type=Path, help="a copy of the one real data set asked for")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    result: dict[str, Any] = {"machine": machine(), "fits": []}
    for data in options.data:
        result["fits"] += fits(data, options.models, options.data_dir)
        options.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    for row in result["fits"]:
        figures = ", ".join(f"{key} {row[key]:.4g}" for key in KEPT[2:] if key in row)
        print(f"{row['data']:16} {row['model']:24} {figures}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
