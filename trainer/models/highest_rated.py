"""The movies of the highest mean rating first (source document 003, `get_highest_rated`).

The source asks for more ratings than a threshold and names no value. Movies that have fewer
follow all others here, by their number of ratings.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trainer import baselines
from trainer.features.index import Interactions
from trainer.models.interfaces import FittedRetrieval, TrainingData
from trainer.search_space import IntRange, SearchSpace

NAME = "highest_rated"


@dataclass(frozen=True, slots=True)
class Config:
    """Settings."""

    count_threshold: int = 100
    """A movie must have more ratings than so many for its mean to count; 0 or more. The higher,
    the nearer to popularity and, on validation, to its figures: 100 still shows what is liked."""


SEARCH_SPACE: SearchSpace = {"count_threshold": IntRange(1, 1000, log=True)}


def fit(
    data: TrainingData,
    config: Config,
    validation: Interactions | None = None,  # noqa: ARG001 - every model's signature
) -> FittedRetrieval:
    """Averages the training rows of each movie."""
    rows, n_movies = data.rows, data.n_movies
    count = baselines.popularity(rows.movies, n_movies)
    total = np.bincount(rows.movies, rows.ratings, minlength=n_movies)
    lowest = data.rating_range[0]
    # From 1 below the lowest rating up to it: under every mean, in the order of the counts.
    below = lowest - 1 + count / (config.count_threshold + 1)
    means = np.divide(total, count, out=np.full(n_movies, lowest), where=count > 0)
    scores = np.where(count > config.count_threshold, means, below)
    return FittedRetrieval(baselines.for_everybody(scores), None, config)
