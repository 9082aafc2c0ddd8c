"""python -m benchmarks.speed.full: what `make bench-full` runs after `make bench`.

Every part can be run alone; about an hour and a half together, most of it training.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Final

from benchmarks.speed.servers import ROOT

PARTS: Final = (
    "benchmarks.speed.scann",
    "benchmarks.speed.release_switch",
    "benchmarks.speed.growth",
    "benchmarks.speed.first_recommendation",
    "benchmarks.speed.training",
    "benchmarks.speed.plots",
)


def main() -> int:
    """Runs every part; one that fails does not keep the others from running."""
    parser = argparse.ArgumentParser(description="Everything that `make bench` leaves out.")
    parser.add_argument("--models-dir", type=Path, default=ROOT / "serving" / "models")
    parser.add_argument("--data-dir", type=Path, help="a copy of ml-latest-small")
    options = parser.parse_args()
    flags = {"benchmarks.speed.scann": [f"--models-dir={options.models_dir}"]}
    if options.data_dir:
        flags["benchmarks.speed.training"] = [f"--data-dir={options.data_dir}"]
    failed = []
    for part in PARTS:
        print(f"python -m {part}", flush=True)
        command = [sys.executable, "-m", part, *flags.get(part, ())]
        if subprocess.run(command, cwd=ROOT, check=False).returncode:  # noqa: S603 - our own
            failed.append(part)
    for part in failed:
        print(f"failed: python -m {part}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
