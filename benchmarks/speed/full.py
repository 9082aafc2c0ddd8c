"""python -m benchmarks.speed.full: what `make bench-full` runs after `make bench`.

ScaNN at 100,000 drawn vectors and on a release's real ones, growth with movies, history and
excluded movies, training beside peers, and the plots. About an hour; every part can be run alone.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Final

from benchmarks.speed.curve import chosen
from benchmarks.speed.rounds import BenchmarkError
from benchmarks.speed.scripts import printed
from benchmarks.speed.servers import ROOT

RESULTS: Final = Path(__file__).parents[1] / "results"
LEAST_RECALL: Final = 0.97
PARTS: Final = (
    "benchmarks.speed.growth",
    "benchmarks.speed.training",
    "benchmarks.speed.plots",
)


def scann(models: Path) -> None:
    """Writes benchmarks/results/scann.json."""
    sources = {"100 k drawn": ("--movies", "100000")}
    if (models / "releases" / "active.json").is_file():
        sources["the release's own"] = ("--models-dir", str(models))
    curves = {}
    for name, flags in sources.items():
        curve = printed("benchmarks.speed.scann_search", *flags)
        try:
            curves[name] = {**curve, "chosen": chosen(curve, LEAST_RECALL)}
        except ValueError as error:
            # So few movies that no setting of a large catalogue's index suits them.
            print(f"{name}: {error}", file=sys.stderr)
            curves[name] = curve
    (RESULTS / "scann.json").write_text(json.dumps(curves, indent=2) + "\n", encoding="utf-8")


def main() -> int:
    """Runs every part; one that fails does not keep the others from running."""
    parser = argparse.ArgumentParser(description="Growth, training, ScaNN and the plots.")
    parser.add_argument("--models-dir", type=Path, default=ROOT / "serving" / "models")
    models = parser.parse_args().models_dir
    failed = []
    try:
        scann(models)
    except BenchmarkError as error:
        print(error, file=sys.stderr)
        failed.append("benchmarks.speed.scann_search")
    for part in PARTS:
        done = subprocess.run([sys.executable, "-m", part], cwd=ROOT, check=False)  # noqa: S603
        if done.returncode:
            failed.append(part)
    for part in failed:
        print(f"failed: python -m {part}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
