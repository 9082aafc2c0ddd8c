"""A world small enough to work out every figure with a pencil."""

from __future__ import annotations

import numpy as np
import pandas as pd

from trainer.datasets import Dataset
from trainer.split import Asking, Split

MOVIES = ("m0", "m1", "m2", "m3", "m4", "m5")
USERS = ("a", "b", "c", "d")


def dataset_of(rows: list[tuple[str, str, float]]) -> Dataset:
    """Ratings in order of time, a second apart."""
    ratings = pd.DataFrame(
        [(*row, second) for second, row in enumerate(rows)],
        columns=["user_id", "movie_id", "rating", "timestamp"],
    )
    return Dataset(
        name="by-hand",
        source="made by tests",
        ratings=ratings.astype({"rating": np.float32, "timestamp": np.int64}),
        movies=pd.DataFrame(
            {
                "movie_id": MOVIES,
                "title": [f"Story {movie}" for movie in MOVIES],
                "year": 1990,
                "genres": [("Drama",), ("Comedy",)] * 3,
                "tags": [()] * len(MOVIES),
            }
        ),
        users=pd.DataFrame(
            {
                "user_id": USERS,
                "age": [20, 30, 40, 0],
                "gender": ["F", "M", "F", ""],
                "occupation": ["artist", "artist", "doctor", ""],
                "zip_code": "0",
            }
        ),
        genres=("Comedy", "Drama"),
        rating_range=(1.0, 5.0),
        rejected={},
        repairs=(),
    )


# m0 is rated by three users in training, m1 by two, m2 and m3 by one, m4 and m5 by nobody.
TRAIN = [
    *(("a", "m0", 5.0), ("a", "m1", 3.0), ("a", "m2", 1.0)),
    *(("b", "m0", 4.0), ("b", "m1", 2.0)),
    *(("c", "m0", 3.0), ("c", "m3", 3.0)),
]
# d is new: shown m0 and then m3, tested on m1 and m4.
GIVEN = [("d", "m0", 2.0), ("d", "m3", 4.0)]
COLD_TEST = [("d", "m1", 4.0), ("d", "m4", 1.0)]


def ladder_split() -> tuple[Dataset, Split]:
    """User d is cold, and is asked for after 0, 1 and 2 ratings."""
    dataset = dataset_of([*TRAIN, *GIVEN, *COLD_TEST])
    rows, n_train = dataset.ratings, len(TRAIN)
    given, test = rows[n_train : n_train + 2], rows[n_train + 2 :]
    asking = Asking(given=given, candidates=pd.Index(MOVIES), ladder=(0, 1, 2))
    return dataset, Split("by-hand", {}, rows[:n_train], rows[:0], test, unassigned=2, cold=asking)


def warm_split() -> tuple[Dataset, Split]:
    """User a is tested on m3 (rated 2) and m4 (rated 4), b on m2 (rated 5)."""
    test = [("a", "m3", 2.0), ("a", "m4", 4.0), ("b", "m2", 5.0)]
    dataset = dataset_of([*TRAIN, *test])
    rows, n_train = dataset.ratings, len(TRAIN)
    return dataset, Split("by-hand", {}, rows[:n_train], rows[:0], rows[n_train:])
