"""What every model takes and gives back: one command trains, compares and exports them all.

A model is a module of this package with `NAME`, a frozen dataclass `Config` whose defaults are
good, and `fit(data, config, validation=None)`, which returns a `FittedRating` or a
`FittedRetrieval`. `trainer.models.registry` lists them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.datasets import Dataset
from trainer.features.index import DenseIndex, Histories, IndexArray, Interactions
from trainer.features.movies import MovieRows
from trainer.models.rating_net import RatingNet
from trainer.models.towers import FloatArray, RatingTowers, RetrievalTowers


@dataclass(frozen=True, eq=False)
class TrainingData:
    """The rows that a model may learn from, and what is said about users and movies.

    Nothing here depends on rows of another part: what is said stands in the data set beside the
    ratings (titles, genres, years; age, gender, occupation).
    """

    rows: Interactions
    """Training rows, ordered by user, then time."""
    dataset: Dataset
    """For titles, genres and years. Its `ratings` hold the other parts too: a model must not read
    them, and a test shuffles them to see that none does."""
    index: DenseIndex
    movie_rows: MovieRows
    """What is said about each movie, as numbers."""
    user_rows: FloatArray
    """[U, P] what users say of themselves (no favourite genres), scaled to unit length; zero for
    a user of whom nothing is known. Columns are those of a served profile row."""

    @property
    def n_users(self) -> int:
        return self.index.n_users

    @property
    def n_movies(self) -> int:
        return self.index.n_movies

    @property
    def rating_range(self) -> tuple[float, float]:
        return self.dataset.rating_range

    @cached_property
    def histories(self) -> Histories:
        """Each user's training rows, oldest first."""
        return self.rows.histories(self.n_users)

    def with_rows(self, rows: Interactions) -> TrainingData:
        """The same users and movies with other training rows."""
        return replace(self, rows=rows)


@dataclass(frozen=True, eq=False)
class FittedRating:
    """A model that predicts ratings."""

    predict: Callable[[IndexArray, IndexArray], NDArray[np.floating[Any]]]
    """The live object's own ratings [n] of users [n] and movies [n], not clipped; every index is
    inside the data set, though training may not have seen it."""
    towers: RatingTowers | RatingNet | None
    """What is exported; None for a baseline that no graph serves."""
    config: Any
    """The Config with what validation chose filled in: fits alike on more rows."""
    curves: dict[str, list[float]] = field(default_factory=dict)
    """Figures after each epoch by name, such as "rmse" and "val_rmse"."""


@dataclass(frozen=True, eq=False)
class FittedRetrieval:
    """A model that ranks the catalogue for a history."""

    scores: Callable[[Histories], NDArray[np.floating[Any]]]
    """The live object's own scores [U, N] for U histories; unbounded, seen movies included."""
    towers: RetrievalTowers | None
    """What is exported; None for a baseline that no graph serves."""
    config: Any
    """As in FittedRating."""
    curves: dict[str, list[float]] = field(default_factory=dict)
    """As in FittedRating."""
    placing: FloatArray | None = None
    """[N, D] where the content model learns to place movies; None = the towers' item vectors."""
