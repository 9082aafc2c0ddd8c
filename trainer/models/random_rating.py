"""A rating drawn at random, every level alike (source document 000, "Random guessing").

The levels are the ratings that stand in the training rows, such as 1 to 5. The source scores its
draws on the training rows; here a pair's draw depends on the pair and the seed alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trainer import baselines
from trainer.features.index import IndexArray, Interactions
from trainer.models.interfaces import FittedRating, TrainingData

NAME = "random_rating"


@dataclass(frozen=True, slots=True)
class Config:
    """Settings."""

    seed: int = 0


def fit(
    data: TrainingData,
    config: Config,
    validation: Interactions | None = None,  # noqa: ARG001 - every model's signature
) -> FittedRating:
    """Takes the levels from the training rows."""
    levels = np.unique(data.rows.ratings)

    def predict(users: IndexArray, movies: IndexArray) -> baselines.Array64:
        draws = baselines.pair_draws(users, movies, config.seed)
        return np.asarray(levels[(draws * len(levels)).astype(np.int64)], np.float64)

    return FittedRating(predict, None, config)
