"""Small data sets whose right answers are known without a model."""

from __future__ import annotations

import numpy as np
import pandas as pd

from trainer.datasets import Dataset

GENRES = ("Even", "Odd")


def checkerboard(
    n_users: int = 80, n_movies: int = 60, n_rated: int = 20, seed: int = 0
) -> Dataset:
    """Even users watch and love even movies, odd users odd ones; each also met three others.

    A movie's genre is its parity, so content knows it too.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(n_users):
        own = rng.permutation(np.arange(user % 2, n_movies, 2))[:n_rated]
        other = rng.permutation(np.arange(1 - user % 2, n_movies, 2))[:3]
        rated = [(movie, rng.choice([4.0, 5.0])) for movie in own]
        rated[3:3] = [(movie, rng.choice([1.0, 2.0])) for movie in other]
        rows += [
            (f"u{user}", f"m{movie}", rating, 1_000_000 + 100 * position)
            for position, (movie, rating) in enumerate(rated)
        ]
    ratings = pd.DataFrame(rows, columns=["user_id", "movie_id", "rating", "timestamp"])
    movies = pd.DataFrame(
        {
            "movie_id": [f"m{movie}" for movie in range(n_movies)],
            "title": [f"{GENRES[movie % 2]} story {movie}" for movie in range(n_movies)],
            "year": [1950 + movie % 50 for movie in range(n_movies)],
            "genres": [(GENRES[movie % 2],) for movie in range(n_movies)],
            "tags": [() for _ in range(n_movies)],
        }
    )
    users = pd.DataFrame(
        {
            "user_id": [f"u{user}" for user in range(n_users)],
            "age": [20 + user % 40 for user in range(n_users)],
            "gender": ["FM"[user % 2] for user in range(n_users)],
            "occupation": "student",
            "zip_code": "00000",
        }
    )
    return Dataset(
        name="checkerboard",
        source="made by tests",
        ratings=ratings.astype({"rating": np.float32, "timestamp": np.int64}),
        movies=movies,
        users=users,
        genres=GENRES,
        rating_range=(1.0, 5.0),
        rejected={},
        repairs=(),
    )
