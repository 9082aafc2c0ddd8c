"""ScaNN beside exact search on fewer vectors than the million of `make bench`: drawn and real ones.

    python -m benchmarks.speed.scann [--models-dir serving/models]

Writes benchmarks/results/scann.json. Of so few movies that no setting reaches the recall there is a
curve and no chosen point.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Final

from benchmarks.speed.curve import chosen
from benchmarks.speed.machine import machine
from benchmarks.speed.rounds import BenchmarkError
from benchmarks.speed.scripts import printed
from benchmarks.speed.servers import ROOT

RESULTS: Final = Path(__file__).parents[1] / "results" / "scann.json"
LEAST_RECALL: Final = 0.97
DRAWN: Final = 100_000


def curve(*flags: str) -> dict[str, Any]:
    """One curve, with its chosen point where it has one.

    Raises:
      BenchmarkError: it could not be measured.
    """
    found: dict[str, Any] = printed("benchmarks.speed.scann_search", *flags)
    try:
        return {**found, "chosen": chosen(found, LEAST_RECALL)}
    except ValueError as error:
        return {**found, "not_chosen": str(error)}


def main() -> int:
    """Measures what there is and writes the results."""
    parser = argparse.ArgumentParser(description="ScaNN on drawn and on real vectors.")
    parser.add_argument("--models-dir", type=Path, default=ROOT / "serving" / "models")
    models = parser.parse_args().models_dir
    result: dict[str, Any] = {"machine": machine(), "curves": {}}
    try:
        result["curves"]["100 k drawn"] = curve("--movies", str(DRAWN))
        if (models / "releases" / "active.json").is_file():
            real = curve("--models-dir", str(models.resolve()))
            result["curves"][f"{real['movies']:,} learnt"] = real
        else:
            print(f"no release in {models}: `make demo` trains one", file=sys.stderr)
    except BenchmarkError as error:
        print(f"benchmarks.speed.scann: {error}", file=sys.stderr)
        return 1
    finally:
        if result["curves"]:
            RESULTS.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    for name, found in result["curves"].items():
        what = found.get("chosen") or found["not_chosen"]
        print(f"{name}: exact {found['exact_ms']:.3f} ms, {what}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
