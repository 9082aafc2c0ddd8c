"""How long, and in how much memory, a large data set is read.

    python benchmarks/load_ratings.py [--rows 10000000]

writes ratings.csv, movies.csv and tags.csv as MovieLens 25M has them, with made-up content, into a
temporary folder, reads them in a process of its own and prints one JSON line: seconds and peak
resident memory of `load_dataset`, imports included in the memory and not in the seconds.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

RATINGS_PER_USER = 154
MOVIES = 62_423
TAGS = 1_000_000
CHUNK = 2_000_000

MEASURE = """
import json, resource, sys, time
from pathlib import Path
from trainer.datasets import load_dataset
started = time.monotonic()
data = load_dataset("ml-25m", Path(sys.argv[1]))
print(json.dumps({
    "rows": len(data.ratings),
    "users": len(data.users),
    "movies": len(data.movies),
    "seconds": round(time.monotonic() - started, 1),
    "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
}))
"""


def write_movielens(folder: Path, n_rows: int, seed: int = 0) -> None:
    """Files with the sizes, the skew and the text of MovieLens 25M."""
    rng = np.random.default_rng(seed)
    movie_ids = np.sort(rng.choice(209_171, MOVIES, replace=False)) + 1
    popularity = rng.permutation(1 / np.arange(1, MOVIES + 1) ** 0.9)
    popularity /= popularity.sum()
    pd.DataFrame(
        {
            "movieId": movie_ids,
            "title": [f"Movie, number {i} (Film {i}) ({1920 + i % 100})" for i in movie_ids],
            "genres": rng.choice(["Drama", "Comedy|Romance", "(no genres listed)"], MOVIES),
        }
    ).to_csv(folder / "movies.csv", index=False)
    pd.DataFrame(
        {
            "userId": rng.integers(1, n_rows // RATINGS_PER_USER + 2, TAGS),
            "movieId": rng.choice(movie_ids, TAGS, p=popularity),
            "tag": [f"Tag {i}" for i in rng.integers(0, 50_000, TAGS)],
            "timestamp": rng.integers(1_100_000_000, 1_570_000_000, TAGS),
        }
    ).to_csv(folder / "tags.csv", index=False)
    for start in range(0, n_rows, CHUNK):
        count = min(CHUNK, n_rows - start)
        pd.DataFrame(
            {
                "userId": (start + np.arange(count)) // RATINGS_PER_USER + 1,
                "movieId": rng.choice(movie_ids, count, p=popularity),
                "rating": rng.integers(1, 11, count) / 2,
                "timestamp": rng.integers(789_652_009, 1_574_327_703, count),
            }
        ).to_csv(folder / "ratings.csv", mode="a", header=start == 0, index=False)


def main() -> int:
    """Prints the figures of one run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="recserve-bench-") as folder:
        write_movielens(Path(folder), options.rows)
        # A process of its own: what writing took must not count.
        return subprocess.run([sys.executable, "-c", MEASURE, folder], check=False).returncode  # noqa: S603 the command is a constant


if __name__ == "__main__":
    sys.exit(main())
