"""A Bayesian factorisation machine by Gibbs sampling, served as its posterior mean.

Rendle, "Scaling factorization machines to relational data", VLDB 2013, with the samplers of the
`myfm` library. One row for each rating: the user, the movies the user rated (each 1 / sqrt(their
number)) and what the user says of himself; the movie, who rated it (likewise), genres and year. The
rating is

    w0 + linear terms + pairs inside the user's features + pairs inside the movie's + user . movie

averaged over the samples. The mean of the dot products is one dot product again: user vectors are
linear in the user's features, and the mean's right singular vectors are the movies' (32 columns
lose nothing measurable). So a new user folds in through the history; the pairs inside the user's
features are part of the stored bias.

Where there is no wheel of myfm, `blend` leaves it out and says so.
"""

from __future__ import annotations

import warnings
from contextlib import redirect_stderr
from dataclasses import dataclass, field
from importlib.util import find_spec
from io import StringIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, csr_matrix, hstack, identity

from trainer import fit as fitting
from trainer.datasets import DataError
from trainer.features.index import Interactions
from trainer.models import strangers
from trainer.models.interfaces import FittedRating, TrainingData
from trainer.models.towers import FloatArray, RatingTowers
from trainer.search_space import IntRange, SearchSpace

NAME = "bayes_fm"


@dataclass(frozen=True, slots=True)
class Config:
    """Hyper-parameters, from tuned runs on MovieLens."""

    rank: int = 10
    iterations: int = 250
    burn_in: int = 50
    """First samples that are thrown away."""
    dim: int = 32
    """Columns of the served vectors."""
    strangers: strangers.Config = field(default_factory=strangers.Config)
    seed: int = 0


SEARCH_SPACE: SearchSpace = {"rank": IntRange(4, 24, log=True)}


def is_available() -> bool:
    """Whether the sampler is installed."""
    return find_spec("myfm") is not None


def fit(data: TrainingData, config: Config, validation: Interactions | None = None) -> FittedRating:
    """Samples on all rows; `validation` is not read.

    Raises:
      DataError: myfm is not installed.
    """
    del validation
    towers = towers_of(data, config)
    return FittedRating(predict=towers.pairs, towers=towers, config=config)


def towers_of(data: TrainingData, config: Config) -> RatingTowers:
    """The posterior mean as biases and a dot product."""
    users = _Side(data.rows.users, data.rows.movies, data.user_rows, data.n_movies)
    said_of_movies = data.movie_rows.of("genres", "years")
    movies = _Side(data.rows.movies, data.rows.users, said_of_movies, data.n_users)
    samples = _samples(data, (users, movies), config)

    mean = float(np.mean([sample.w0 for sample in samples]))
    of_users = [_OfSide(sample, users, 0) for sample in samples]
    of_movies = [_OfSide(sample, movies, users.n_features) for sample in samples]
    # Features' vectors of all samples side by side; the mean over samples is in the movies'.
    features = np.concatenate([side.vectors for side in of_users], axis=1)
    items = np.concatenate([side.entity_vectors for side in of_movies], axis=1) / len(samples)
    right = _right_singular(users.rows @ features, items, config.dim)
    feature_vectors = (features @ (items.T @ right)).astype(np.float32)

    linear = np.mean([side.linear for side in of_users], axis=0)
    user_bias = np.mean([side.entity_bias for side in of_users], axis=0)
    user_vectors = users.rows @ feature_vectors
    history = users.history_columns
    history_rows = users.rows[:, history]
    said = users.said_columns
    stored_vectors = user_vectors - history_rows @ feature_vectors[history]
    stored_bias = user_bias - history_rows @ linear[history]
    towers = RatingTowers(
        mean=mean,
        item_vectors=right.astype(np.float32),
        item_bias=np.mean([side.entity_bias for side in of_movies], axis=0).astype(np.float32),
        history_vectors=feature_vectors[history],
        history_bias=linear[history].astype(np.float32),
        stored_vectors=stored_vectors,
        stored_bias=stored_bias.astype(np.float32),
        user_vectors=user_vectors,
        user_bias=user_bias.astype(np.float32),
        fold_in=strangers.unplaced(feature_vectors[said], linear[said].astype(np.float32)),
    )
    return strangers.placed(towers, data, config.strangers)


class _Side:
    """Feature rows of the users, or of the movies: who it is, what was rated, what is said."""

    def __init__(
        self,
        entities: NDArray[np.int64],
        others: NDArray[np.int64],
        said: FloatArray,
        n_others: int,
    ) -> None:
        n_entities = len(said)
        counts = np.bincount(entities, minlength=n_entities)
        values = 1 / np.sqrt(counts[entities])
        rated = csr_array((values, (entities, others)), shape=(n_entities, n_others))
        self.rows = csr_array(hstack([identity(n_entities), rated, csr_array(said)]))
        self.groups = [n_entities, n_others, said.shape[1]]
        self.history_columns = np.arange(n_entities, n_entities + n_others)
        self.said_columns = np.arange(n_entities + n_others, self.rows.shape[1])

    @property
    def n_features(self) -> int:
        return int(self.rows.shape[1])


class _OfSide:
    """What one sample says of one side."""

    def __init__(self, sample: Any, side: _Side, first: int) -> None:
        columns = slice(first, first + side.n_features)
        self.linear: NDArray[np.float64] = sample.w[columns]
        self.vectors: NDArray[np.float64] = sample.V[columns]
        """[features, rank]"""
        self.entity_vectors = side.rows @ self.vectors
        squares = side.rows.power(2) @ (self.vectors**2).sum(axis=1)
        inside = 0.5 * ((self.entity_vectors**2).sum(axis=1) - squares)
        self.entity_bias = side.rows @ self.linear + inside


def _samples(data: TrainingData, sides: tuple[_Side, _Side], config: Config) -> list[Any]:
    if not is_available():
        raise DataError("bayes_fm needs myfm, which is not installed here; svdpp2 does without")
    with warnings.catch_warnings():
        # It asks setuptools for its own version.
        warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
        import myfm  # noqa: PLC0415 - optional, and slow to import

    rows = data.rows
    blocks = [
        myfm.RelationBlock(index, csr_matrix(side.rows))
        for index, side in zip((rows.users, rows.movies), sides, strict=True)
    ]
    machine = myfm.MyFMRegressor(rank=config.rank, random_seed=config.seed)
    with fitting.iterations_bar(NAME, config.iterations) as advance, redirect_stderr(StringIO()):
        # Its own bar would fill a log with lines.
        machine.fit(
            csr_matrix((len(rows), 0)),
            rows.ratings.astype(np.float64),
            X_rel=blocks,
            n_iter=config.iterations,
            n_kept_samples=max(1, config.iterations - config.burn_in),
            group_shapes=[group for side in sides for group in side.groups],
            callback=lambda *_: (advance(), None),
        )
    return list(machine.predictor_.samples)


def _right_singular(left: NDArray[Any], right: NDArray[Any], dim: int) -> NDArray[np.float64]:
    """[N, d] right singular vectors of left [U, S] times right' [S, N], without forming it."""
    dim = min(dim, *left.shape, *right.shape)
    rng = np.random.default_rng(0)
    basis = rng.normal(size=(right.shape[0], min(dim + 10, *left.shape, *right.shape)))
    for _ in range(6):  # subspace iterations; the spectrum falls fast
        basis, _ = np.linalg.qr(right @ (left.T @ (left @ (right.T @ basis))))
    _, _, rotation = np.linalg.svd(left @ (right.T @ basis), full_matrices=False)
    return np.asarray(basis @ rotation.T[:, :dim])
