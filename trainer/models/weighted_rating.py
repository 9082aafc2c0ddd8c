"""A rating drawn at random, as often as training has it (source document 000, "Weighted sampling").

A pair's draw depends on the pair and the seed alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trainer import baselines
from trainer.features.index import IndexArray, Interactions
from trainer.models.interfaces import FittedRating, TrainingData

NAME = "weighted_rating"


@dataclass(frozen=True, slots=True)
class Config:
    """Settings."""

    seed: int = 0


def fit(
    data: TrainingData,
    config: Config,
    validation: Interactions | None = None,  # noqa: ARG001 - every model's signature
) -> FittedRating:
    """Counts the levels of the training rows."""
    levels, counts = np.unique(data.rows.ratings, return_counts=True)
    # Whole numbers up to the last bound: the draw that is nearest to 1 still has a level.
    upper_bounds = np.cumsum(counts)

    def predict(users: IndexArray, movies: IndexArray) -> baselines.Array64:
        draws = baselines.pair_draws(users, movies, config.seed) * upper_bounds[-1]
        level = np.searchsorted(upper_bounds, draws, side="right")
        return np.asarray(levels[level], np.float64)

    return FittedRating(predict, None, config)
