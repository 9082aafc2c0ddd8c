"""Seconds, peak memory and quality of training, beside implicit's ALS and Surprise's SVD.

    python -m benchmarks.speed.training [--data ml-100k ml-latest-small "1 M" "10 M"]

Every fit is one of `python -m trainer compare`, which runs it in a process of its own, scores it on
the same split and notes both; each has one thread. Ours is the whole of what `train` does before it
exports: choices on validation, then the final fit. The peers' settings were chosen beforehand, so
theirs is one fit. Writes benchmarks/results/training.json, where a data set that is not measured
this time, or cannot be had, stays as it is.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from benchmarks.speed.machine import machine
from benchmarks.speed.peer_environments import cache_folder
from benchmarks.speed.servers import ONE_THREAD, ROOT, leave_in_order_on_sigterm
from benchmarks.speed.synthetic_ratings import SIZES, write_ratings

RESULTS: Final = Path(__file__).parents[1] / "results" / "training.json"
REAL: Final = ("ml-100k", "ml-latest-small")
DATA: Final = (*REAL, *SIZES)


@dataclass(frozen=True)
class Asked:
    """What is fitted on a data set, as `trainer compare` takes it."""

    split: str = "per-user-temporal"
    models: str = "best,linear_static,svdpp2"
    peers: str = "implicit-als-default,implicit-als-tuned,surprise-svd-default,surprise-svd-tuned"
    why: str = ""
    """What is left out, and for which reason."""


ASKED: Final = {
    "10 M": Asked(
        split="global-temporal:test=0.001,validation=0.001",
        models="linear_static,svdpp2",
        peers="implicit-als-tuned,surprise-svd-default",
        why="The whole release is not trained: at 1 M it takes ten minutes of one core, and an"
        " estimate from there is more than an hour. Each user's newest tenth is not the test part:"
        " that would have lists of 70,000 users ranked and measured for every model.",
    )
}
KEPT: Final = ("model", "kind", "train_s", "train_cpu_s", "peak_mb", "rmse", "ndcg@10", "notes")
"""Of a row of `compare`."""
ALL_SAME_FIT: Final = ":"
"""In the name of a row that asks the fit of another row in another way."""


class NothingTrainedError(Exception):
    """A data set could not be had, or nobody could be fitted on it."""


def measure(data: str, asked: Asked, data_dir: Path | None) -> dict[str, Any]:
    """The fits of one data set.

    Raises:
      NothingTrainedError: there are no rows; the trainer has said why.
    """
    about = machine()
    with tempfile.TemporaryDirectory(prefix="recserve-bench-") as scratch:
        output = Path(scratch) / "rows.json"
        command = [sys.executable, "-m", "trainer", "compare", f"--json={output}"]
        command += [f"--split={asked.split}", f"--models={asked.models}"]
        command.append(f"--peers={asked.peers}")
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
        if not output.is_file():
            raise NothingTrainedError(data)
        found = json.loads(output.read_text(encoding="utf-8"))
    return {
        "machine": about,
        **{key: found["dataset"][key] for key in ("users", "movies", "ratings")},
        "split": asked.split,
        "why": asked.why,
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
    for option in ("split", "models", "peers"):
        parser.add_argument(f"--{option}", help="as `trainer compare` takes it")
    parser.add_argument("--data-dir", type=Path, help="a copy of ml-latest-small")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    leave_in_order_on_sigterm()
    failed = []
    for data in options.data:
        own_copy = options.data_dir if data == "ml-latest-small" else None
        given = {name: getattr(options, name) for name in ("split", "models", "peers")}
        asked = ASKED.get(data, Asked())
        if wanted := {name: value for name, value in given.items() if value}:
            asked = replace(asked, why="", **wanted)
        try:
            measured = measure(data, asked, own_copy)
        except NothingTrainedError:
            failed.append(data)
            continue
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
    for data in failed:
        print(f"not measured: {data}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
