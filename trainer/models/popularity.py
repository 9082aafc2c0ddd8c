"""The most-rated movies first, the same for everybody (source document 003, `get_most_rated`).

The source asks for a mean rating above a threshold and names no value; none is the default here.
Movies that are not above it follow all others, so that every movie still has its place.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trainer import baselines
from trainer.features.index import Interactions
from trainer.models.interfaces import FittedRetrieval, TrainingData

NAME = "popularity"


@dataclass(frozen=True, slots=True)
class Config:
    """Settings."""

    rating_threshold: float | None = None
    """A movie's mean rating must be above it; None = whatever its ratings."""


def fit(
    data: TrainingData,
    config: Config,
    validation: Interactions | None = None,  # noqa: ARG001 - every model's signature
) -> FittedRetrieval:
    """Counts the training rows of each movie."""
    rows, n_movies = data.rows, data.n_movies
    scores = baselines.popularity(rows.movies, n_movies)
    if config.rating_threshold is not None:
        total = np.bincount(rows.movies, rows.ratings, minlength=n_movies)
        # Not total / scores: a movie without a rating has no mean, and is not above anything.
        above = total > config.rating_threshold * scores
        scores = np.where(above, scores, scores - scores.max() - 1)
    return FittedRetrieval(baselines.for_everybody(scores), None, config)
