"""Mean plus a bias for the user and one for the movie, as regularised averages.

Koren, "Factor in the neighbors: scalable and accurate collaborative filtering" (TKDD 2010),
section 2.2; `trainer.baselines.BiasModel` holds the formulas. Defaults are those that won on
ml-100k's validation part; (15, 10) and 10 rounds are the ones Surprise's BaselineOnly starts from.

A user whom training did not see gets the bias that the last round would have given:
sum of residuals / (n + user_penalty). It is exported as a dot product of width 1 with zeros.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trainer import baselines
from trainer.features.index import Interactions
from trainer.models.interfaces import FittedRating, TrainingData
from trainer.models.towers import RatingTowers, held_back_bias
from trainer.search_space import FloatRange, SearchSpace

NAME = "user_movie_bias"


@dataclass(frozen=True, slots=True)
class Config:
    """Settings."""

    user_penalty: float = 4.0
    """Ratings of the mean that are added to a user's own, above 0."""
    movie_penalty: float = 3.0
    """Ratings of the mean that are added to a movie's own, above 0."""
    rounds: int = 15
    """Alternations between movies and users, at least 1."""


SEARCH_SPACE: SearchSpace = {
    "user_penalty": FloatRange(0.5, 30.0, log=True),
    "movie_penalty": FloatRange(0.5, 30.0, log=True),
}


def fit(
    data: TrainingData,
    config: Config,
    validation: Interactions | None = None,  # noqa: ARG001 - every model's signature
) -> FittedRating:
    """Averages residuals in turns."""
    model = baselines.BiasModel.fit(
        data.rows.users,
        data.rows.movies,
        data.rows.ratings,
        (data.n_users, data.n_movies),
        (config.user_penalty, config.movie_penalty),
        config.rounds,
    )
    return FittedRating(model.predict, _towers(model, data, config), config)


def _towers(model: baselines.BiasModel, data: TrainingData, config: Config) -> RatingTowers:
    no_movie_vectors = np.zeros((data.n_movies, 1), np.float32)
    no_user_vectors = np.zeros((data.n_users, 1), np.float32)
    user_bias = model.user_bias.astype(np.float32)
    return RatingTowers(
        mean=model.mean,
        item_vectors=no_movie_vectors,
        item_bias=model.movie_bias.astype(np.float32),
        history_vectors=no_movie_vectors,
        history_bias=np.zeros(data.n_movies, np.float32),
        stored_vectors=no_user_vectors,
        stored_bias=user_bias,
        user_vectors=no_user_vectors,
        user_bias=user_bias,
        fold_in=held_back_bias(no_user_vectors[0], data.user_rows.shape[1], config.user_penalty),
    )
