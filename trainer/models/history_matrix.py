"""Histories as sparse matrices, and the movies that a closed-form model can hold."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from trainer.features.index import Histories, IndexArray

MOST_USERS = 20_000
"""Users whose scores span the space of a factorisation; more of them hardly turn it."""


class Core:
    """The movies that a model solves for: the most rated ones, in index order."""

    def __init__(
        self, histories: Histories, n_movies: int, at_most: int, at_least: int = 1
    ) -> None:
        """Takes up to `at_most` movies that stand in at least `at_least` histories."""
        movies = np.concatenate([*histories.movies, np.zeros(0, np.int64)])
        counts = np.bincount(movies, minlength=n_movies)
        most_rated = np.argsort(-counts, kind="stable")[:at_most]
        self.movies: IndexArray = np.sort(most_rated[counts[most_rated] >= at_least])
        """[C] movie indexes"""
        self.n_movies = n_movies
        self._position = np.full(n_movies, -1)
        self._position[self.movies] = np.arange(len(self.movies))

    def __len__(self) -> int:
        return len(self.movies)

    def positions(self, movies: IndexArray) -> IndexArray:
        """Positions in the core, shaped as `movies`; -1 for a movie outside it."""
        return self._position[movies]

    def matrix(
        self, histories: Histories, weights: NDArray[np.floating] | None = None
    ) -> csr_array:
        """[U, C] with weights[age] where a user has rated a movie, age 0 = newest; 1 without."""
        users = np.repeat(np.arange(len(histories)), histories.lengths())
        movies = np.concatenate([*histories.movies, np.zeros(0, np.int64)])
        position = self.positions(movies)
        kept = position >= 0
        values = np.ones(kept.sum())
        if weights is not None:
            ages = np.concatenate([np.arange(n)[::-1] for n in histories.lengths()])
            values = np.asarray(weights, np.float64)[ages.clip(max=len(weights) - 1)[kept]]
        shape = (len(histories), len(self))
        return csr_array((values, (users[kept], position[kept])), shape=shape)

    def spread(self, rows: NDArray[np.floating]) -> NDArray[np.float32]:
        """[N, d] of [C, d] rows; zero outside the core."""
        everywhere = np.zeros((self.n_movies, rows.shape[1]), np.float32)
        everywhere[self.movies] = rows
        return everywhere


def some_users(histories: Histories, seed: int = 0) -> Histories:
    """The histories, or MOST_USERS of them drawn at random."""
    if len(histories) <= MOST_USERS:
        return histories
    drawn = np.random.default_rng(seed).permutation(len(histories))[:MOST_USERS]
    return histories.of(np.sort(drawn))
