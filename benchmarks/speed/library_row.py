"""`implicit`'s own recommend call: a library without a server, for comparison.

    python -m benchmarks.speed.library_row --models-dir DIR

Trained for one iteration on the release's histories, which is enough: speed does not depend on what
was learnt. Prints JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any, Final

import implicit
import numpy as np
from scipy.sparse import csr_matrix

FACTORS: Final = 64
PAGE: Final = 10
BATCH: Final = 64
N_CALLS: Final = 1000


def histories(models: Path) -> csr_matrix:
    """[U, N] ratings of the active release's users."""
    active = json.loads((models / "releases" / "active.json").read_text("utf-8"))["stable"]
    folder = models / "features" / str(active)
    n_movies = len(json.loads((folder / "movies.json").read_text("utf-8"))["movies"])
    with np.load(folder / "histories.npz") as rows:
        offsets = rows["offsets"]
        shape = (len(offsets) - 1, n_movies)
        return csr_matrix((rows["ratings"], rows["movie_index"], offsets), shape=shape)


def measure(user_items: csr_matrix) -> dict[str, float]:
    """One user a call, then BATCH users a call; each user in turn."""
    model = implicit.als.AlternatingLeastSquares(factors=FACTORS, iterations=1, num_threads=1)
    model.fit(user_items, show_progress=False)
    n_users = user_items.shape[0]

    def recommend(users: Any) -> None:
        model.recommend(users, user_items[users], N=PAGE, filter_already_liked_items=True)

    recommend(0)
    cpu, seconds = process_time(), []
    for call in range(N_CALLS):
        started = perf_counter()
        recommend(call % n_users)
        seconds.append(perf_counter() - started)
    single_cpu_s = process_time() - cpu
    batches = [np.arange(first, first + BATCH) % n_users for first in range(0, 1024, BATCH)]
    started = perf_counter()
    for users in batches:
        recommend(users)
    batched_s = perf_counter() - started
    return {
        "p50_ms": median(seconds) * 1e3,
        "rps": len(seconds) / sum(seconds),
        "cpu_ms": single_cpu_s / len(seconds) * 1e3,
        "batched_rps": BATCH * len(batches) / batched_s,
    }


def main() -> None:
    """Measures once."""
    parser = argparse.ArgumentParser(description="implicit's recommend call.")
    parser.add_argument("--models-dir", type=Path, required=True)
    json.dump(measure(histories(parser.parse_args().models_dir)), sys.stdout)


if __name__ == "__main__":
    main()
