"""Ratings of any number, drawn near a latent taste, for measuring how training grows.

Users and movies lie in LATENT dimensions; what somebody watches follows a law of powers, and how he
rates it his taste, with noise, in half stars.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

LATENT: Final = 8
FIRST_TIME: Final = 1_000_000_000
YEARS_S: Final = 5 * 365 * 24 * 3600
MAPPING: Final = """name = "synthetic"
rating_range = [0.5, 5]

[ratings]
file = "ratings.csv"
user_id = "user_id"
movie_id = "movie_id"
rating = "rating"
timestamp = "timestamp"
"""


@dataclass(frozen=True)
class Size:
    """How much of everything."""

    n_users: int
    n_movies: int
    n_ratings: int


SIZES: Final = {
    "1 M": Size(6_040, 3_706, 1_000_000),
    "10 M": Size(70_000, 10_700, 10_000_000),
}
"""Shaped like MovieLens-1M and -10M."""


def write_ratings(folder: Path, size: Size, seed: int = 0) -> Path:
    """ratings.csv and the mapping that reads it; returns the mapping's path."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "ratings.csv").open("w", encoding="utf-8") as file:
        file.write("user_id,movie_id,rating,timestamp\n")
        for user, (movies, ratings, times) in enumerate(_drawn(size, seed)):
            rows = zip(movies.tolist(), ratings.tolist(), times.tolist(), strict=True)
            file.writelines(f"{user},{movie},{rating},{time}\n" for movie, rating, time in rows)
    mapping = folder / "mapping.toml"
    mapping.write_text(MAPPING, encoding="utf-8")
    return mapping


_Row = tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]


def _drawn(size: Size, seed: int) -> Iterator[_Row]:
    """Each user's movies, no movie twice, with ratings and times; in all about size.n_ratings."""
    rng = np.random.default_rng(seed)
    log_fame = -0.9 * np.log(np.arange(1, size.n_movies + 1))
    movies = rng.normal(size=(size.n_movies, LATENT)) / np.sqrt(LATENT)
    quality = rng.normal(scale=0.4, size=size.n_movies)
    activity = rng.lognormal(sigma=1.0, size=size.n_users)
    share = activity / activity.sum()
    counts = np.clip(share * size.n_ratings, 20, size.n_movies // 2)
    counts = np.maximum(20, counts * size.n_ratings / counts.sum()).astype(int)
    for count in np.minimum(counts, size.n_movies).tolist():
        taste = rng.normal(size=LATENT)
        liking = movies @ taste
        keys = log_fame + 0.5 * liking + rng.gumbel(size=size.n_movies)
        chosen = np.argpartition(-keys, count - 1)[:count]
        rated = 3.5 + quality[chosen] + 0.8 * liking[chosen] + rng.normal(scale=0.7, size=count)
        times = FIRST_TIME + np.sort(rng.integers(0, YEARS_S, count))
        yield rng.permutation(chosen), np.clip(np.round(rated * 2) / 2, 0.5, 5), times
