"""Where a stranger is expected, and how far away: estimated from the training users' beginnings.

Each training user was a stranger once. What the complete vector and bias differ by from what the
first few movies say (the history's part of `FoldIn`) has a mean, which is where a stranger is
expected, and a covariance, which says along what directions strangers differ. Their leading
directions and the error of the training ratings make up the normal prior of `FoldIn`. Nothing is
fit to held-out ratings; users of few ratings, whose vectors are held back themselves, count less.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from trainer.features.index import Interactions
from trainer.models.interfaces import TrainingData
from trainer.models.towers import FloatArray, FoldIn, RatingTowers, held_back_bias

_ROWS_MEASURED = 100_000
"""Training ratings whose error is the noise; more would move its third digit."""
_LEAST_NOISE = 1e-4
"""Of the variance of the ratings: a model that knows them by heart has no error at all."""


@dataclass(frozen=True, slots=True)
class Config:
    """Chosen on ten draws of held-out users inside the training part of cold-100k."""

    first: int = 5
    """Movies of a training user's beginning."""
    trust: float = 20.0
    """Ratings that a user needs to count half of one who rated without end."""
    dim: int = 32
    """Directions that are kept."""
    history_hold: float = 5.0
    """See `FoldIn`."""
    mood: float = 0.4
    """See `FoldIn`."""


def unplaced(profile_vectors: FloatArray, profile_bias: FloatArray) -> FoldIn:
    """A fold-in that knows what profiles say, [P, R] and [P], and waits for `placed`."""
    n_columns, dim = profile_vectors.shape
    nothing = held_back_bias(np.zeros(dim, np.float32), n_columns, 1.0)
    return replace(nothing, profile_vectors=profile_vectors, profile_bias=profile_bias)


def placed(towers: RatingTowers, data: TrainingData, config: Config) -> RatingTowers:
    """The towers with a fold-in estimated from their own users; what profiles say is kept."""
    counts = data.histories.lengths()
    trust = counts / (counts + config.trust)
    vectors, biases = _after_the_beginning(towers, data, config)
    apart = np.concatenate([vectors, biases[:, None]], axis=1).astype(np.float64)
    expected = np.average(apart, axis=0, weights=trust)
    covariance = np.atleast_2d(np.cov(apart.T, aweights=trust, bias=True))
    variances, directions = np.linalg.eigh(covariance)
    kept = np.argsort(-variances)[: config.dim]
    spread = np.sqrt(np.maximum(variances[kept], 0))[:, None] * directions[:, kept].T
    return replace(
        towers,
        fold_in=replace(
            towers.fold_in,
            nobody_vector=expected[:-1].astype(np.float32),
            nobody_bias=float(expected[-1]),
            usual_profile=np.average(data.user_rows, axis=0, weights=trust).astype(np.float32),
            history_hold=config.history_hold,
            spread=spread.astype(np.float32),
            noise=_noise(towers, data.rows),
            mood=config.mood,
        ),
    )


def _after_the_beginning(
    towers: RatingTowers, data: TrainingData, config: Config
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """[U, R] and [U]: the complete user less the history's part of the first movies."""
    rows = data.rows
    position = np.arange(len(rows)) - rows.offsets(data.n_users)[rows.users]
    early = rows.where(position < config.first)
    n_early = np.bincount(early.users, minlength=data.n_users)
    values = 1 / np.sqrt(n_early[early.users] + config.history_hold)
    beginnings = csr_array(
        (values.astype(np.float32), (early.users, early.movies)),
        shape=(data.n_users, data.n_movies),
    )
    return (
        towers.user_vectors - beginnings @ towers.history_vectors,
        towers.user_bias - beginnings @ towers.history_bias,
    )


def _noise(towers: RatingTowers, rows: Interactions) -> float:
    some = slice(None, None, 1 + len(rows) // _ROWS_MEASURED)
    errors = rows.ratings[some] - towers.pairs(rows.users[some], rows.movies[some])
    error = np.mean(errors.astype(np.float64) ** 2)
    return float(max(error, _LEAST_NOISE * rows.ratings.var(), np.finfo(np.float32).tiny))
