"""A handful of ratings as a model takes them, small enough to work its answer out by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from trainer.datasets import Dataset
from trainer.models.interfaces import TrainingData
from trainer.models.training_data import training_data


def tiny_dataset(ratings: Sequence[tuple[int, int, float]], n_users: int, n_movies: int) -> Dataset:
    """Rows (user number, movie number, rating) in the order of time, ratings from 1 to 5."""
    rows = [(f"u{u}", f"m{m}", rating, time) for time, (u, m, rating) in enumerate(ratings)]
    table = pd.DataFrame(rows, columns=["user_id", "movie_id", "rating", "timestamp"])
    movies = pd.DataFrame(
        {
            "movie_id": [f"m{movie}" for movie in range(n_movies)],
            "title": [f"Story {movie}" for movie in range(n_movies)],
            "year": 1990,
            "genres": [("Drama",)] * n_movies,
            "tags": [()] * n_movies,
        }
    )
    users = pd.DataFrame(
        {
            "user_id": [f"u{user}" for user in range(n_users)],
            "age": 30,
            "gender": "F",
            "occupation": "student",
            "zip_code": "00000",
        }
    )
    return Dataset(
        name="tiny",
        source="made by tests",
        ratings=table.astype({"rating": np.float32, "timestamp": np.int64}),
        movies=movies,
        users=users,
        genres=("Drama",),
        rating_range=(1.0, 5.0),
        rejected={},
        repairs=(),
    )


def tiny_data(
    ratings: Sequence[tuple[int, int, float]], n_users: int, n_movies: int
) -> TrainingData:
    """`tiny_dataset`, all rows to learn from."""
    dataset = tiny_dataset(ratings, n_users, n_movies)
    return training_data(dataset, dataset.ratings)


SEVEN = ((0, 0, 5), (0, 1, 3), (0, 2, 4), (1, 0, 4), (1, 1, 1), (2, 0, 3), (2, 2, 4))
"""Ratings of 3 users and 4 movies; nobody rated movie 3. Means: 4, 2, 4; of all 24 / 7."""


def seven_ratings() -> TrainingData:
    """SEVEN, all to learn from."""
    return tiny_data(SEVEN, n_users=3, n_movies=4)
