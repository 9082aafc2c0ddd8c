"""ScaNN against exact search, one query at a time on one thread.

    python -m benchmarks.speed.scann_search --movies 1000000

The vectors are drawn as those of synthetic releases; queries are users of ten liked movies each,
never the same twice in a row. Prints JSON: exact search's median and the index's at each number of
leaves searched, with its recall of the exact best 100.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from math import isqrt
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, Final

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from numpy.typing import NDArray

K: Final = 100
DIM: Final = 64
LATENT: Final = 16
NOISE: Final = 0.3
N_LIKED: Final = 10
N_QUERIES: Final = 200
WARMUP: Final = 20
TRAINED_ON: Final = 100_000
"""Movies that the leaves are learnt from."""
BLOCK: Final = 64
LEAVES_PER_ROOT: Final = 2
"""Leaves as a multiple of the square root of the number of movies."""
SEARCHED: Final = (0.01, 0.02, 0.03, 0.045, 0.06, 0.08, 0.12, 0.2, 0.35)
"""Shares of the leaves that are tried."""
REORDERED: Final = (200, 400, 800, 1200)
"""Candidates scored again with exact vectors."""

Vectors = NDArray[np.float32]


def drawn_vectors(n_movies: int, seed: int = 0) -> tuple[Vectors, Vectors]:
    """[N, DIM] movies near LATENT directions with noise, and [Q, DIM] users who liked some."""
    rng = np.random.default_rng(seed)
    latent = rng.standard_normal((n_movies, LATENT), np.float32)
    directions = rng.standard_normal((LATENT, DIM), np.float32) / np.float32(np.sqrt(DIM))
    noise = rng.standard_normal((n_movies, DIM), np.float32) / np.float32(np.sqrt(DIM))
    movies = latent @ directions + np.float32(NOISE) * noise
    liked = rng.integers(0, n_movies, (N_QUERIES, N_LIKED))
    return movies, movies[liked].mean(axis=1)


def released_vectors(models: Path) -> tuple[Vectors, Vectors]:
    """The retrieval vectors of a published release, and of its users by their histories."""
    from serving.contract import ModelsDir  # noqa: PLC0415 - the trainer loads TensorFlow
    from trainer.export.towers_file import read_towers  # noqa: PLC0415
    from trainer.export.tuning import user_vectors  # noqa: PLC0415

    folder = ModelsDir(models)
    version = int(json.loads((models / "releases" / "active.json").read_text("utf-8"))["stable"])
    towers = read_towers(folder.part("recommend", version))
    queries = user_vectors(towers, folder.part("features", version), N_QUERIES)
    return np.ascontiguousarray(towers.retrieval.item_vectors, np.float32), queries


def exact_searches(movies: Vectors) -> dict[str, Callable[[Vectors], NDArray[np.int64]]]:
    """Ways to find the indexes of the best K, best first; which one is fastest, machines decide."""
    columns = np.ascontiguousarray(movies.T)
    ways = {
        "by rows": lambda query: _best(movies @ query),
        "by columns": lambda query: _best(query @ columns),
    }
    if len(movies) >= K * BLOCK:
        # With fewer blocks than K the K-th greatest maximum does not exist.
        ways["by columns, blocked"] = lambda query: _best_of_blocks(query @ columns)
    return ways


def _best(scores: Vectors) -> NDArray[np.int64]:
    best = np.argpartition(scores, len(scores) - K)[-K:]
    return np.asarray(best[np.argsort(-scores[best])])


def _best_of_blocks(scores: Vectors) -> NDArray[np.int64]:
    """The best of what reaches the K-th greatest block maximum: still exact."""
    maxima = np.maximum.reduceat(scores, np.arange(0, len(scores), BLOCK))
    least = np.partition(maxima, len(maxima) - K)[len(maxima) - K]
    found = np.flatnonzero(scores >= least)
    return np.asarray(found[_best(scores[found])])


def measure(movies: Vectors, queries: Vectors) -> dict[str, Any]:
    """The curve of an index over `movies`."""
    from scann.scann_ops.py import scann_ops_pybind  # noqa: PLC0415 - it loads TensorFlow

    searches = exact_searches(movies)
    wanted = [set(searches["by rows"](query).tolist()) for query in queries]
    n_leaves = LEAVES_PER_ROOT * isqrt(len(movies))
    started = perf_counter()
    index = (
        scann_ops_pybind.builder(movies, K, "dot_product")
        .tree(
            num_leaves=n_leaves,
            num_leaves_to_search=n_leaves // 20,
            training_sample_size=min(len(movies), TRAINED_ON),
        )
        .score_ah(2, anisotropic_quantization_threshold=0.2)
        .reorder(max(REORDERED))
        .build()
    )
    build_s = perf_counter() - started
    points = []
    for reordered in REORDERED:
        for searched in sorted({max(1, round(share * n_leaves)) for share in SEARCHED}):
            search = _search(index, searched, reordered)
            found = [np.asarray(search(query)).tolist() for query in queries]
            recall = sum(len(w & set(f)) for w, f in zip(wanted, found, strict=True))
            points.append(
                {
                    "leaves_searched": searched,
                    "reordered": reordered,
                    "recall": recall / K / len(queries),
                    "ms": _median_ms(search, queries),
                }
            )
    exact_ms = {name: _median_ms(search, queries) for name, search in searches.items()}
    return {
        "movies": len(movies),
        "dim": movies.shape[1],
        "leaves": n_leaves,
        "build_s": build_s,
        "exact_ms": min(exact_ms.values()),
        "exact_ways_ms": exact_ms,
        "points": points,
    }


def _search(index: Any, searched: int, reordered: int) -> Callable[[Vectors], Any]:
    def search(query: Vectors) -> Any:
        return index.search(
            query,
            final_num_neighbors=K,
            pre_reorder_num_neighbors=reordered,
            leaves_to_search=searched,
        )[0]

    return search


def _median_ms(search: Callable[[Vectors], Any], queries: Vectors) -> float:
    for query in queries[:WARMUP]:
        search(query)
    seconds = []
    for query in queries:
        started = perf_counter()
        search(query)
        seconds.append(perf_counter() - started)
    return median(seconds) * 1e3


def main() -> None:
    """Measures once."""
    parser = argparse.ArgumentParser(description="ScaNN against exact search.")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--movies", type=int, help="vectors drawn at random")
    source.add_argument("--models-dir", type=Path, help="a release's vectors")
    options = parser.parse_args()
    vectors = (
        released_vectors(options.models_dir)
        if options.models_dir
        else drawn_vectors(options.movies)
    )
    json.dump(measure(*vectors), sys.stdout)


if __name__ == "__main__":
    main()
