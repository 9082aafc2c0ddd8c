"""What a trained model hands to the export: plain arrays that serve as dot products.

Every model of this package, neural or closed form, ends as one of these two, so one graph serves
them all. N movies and U users by dense index; D and R as in serving.contract.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class RetrievalTowers:
    """score(user, movie) = user_vector . item_vectors[movie].

    user_vector = base_vector + sum over the history of age_weights[age] * history_vectors[movie],
    age 0 = the newest movie.
    """

    item_vectors: FloatArray
    """[N, D]; the last column is the bias. Never normalised: the norm carries popularity."""
    history_vectors: FloatArray
    """[N, D]; the last column is 0."""
    age_weights: FloatArray
    """[A]; ages of A and more weigh 0."""
    base_vector: FloatArray
    """[D]; a user without history; the last entry is 1, which reads the bias."""

    @property
    def n_movies(self) -> int:
        return len(self.item_vectors)

    @property
    def dim(self) -> int:
        return self.item_vectors.shape[1]

    def with_items(self, movies: NDArray[np.int64], vectors: FloatArray) -> RetrievalTowers:
        """A copy with other [n, D] item vectors for these movies."""
        item_vectors = self.item_vectors.copy()
        item_vectors[movies] = vectors
        return replace(self, item_vectors=item_vectors)

    def user_vector(self, history: NDArray[np.int64]) -> FloatArray:
        """[D] for a history of movie indexes, oldest first."""
        newest_first = history[::-1][: len(self.age_weights)]
        weights = self.age_weights[: len(newest_first)]
        return self.base_vector + weights @ self.history_vectors[newest_first]

    def user_vectors(self, histories: list[NDArray[np.int64]]) -> FloatArray:
        """[U, D] for many histories."""
        return np.stack([self.user_vector(history) for history in histories])

    def scores(self, histories: list[NDArray[np.int64]]) -> FloatArray:
        """[U, N] unbounded scores."""
        return self.user_vectors(histories) @ self.item_vectors.T


@dataclass(frozen=True, slots=True)
class RatingTowers:
    """rating = mean + user_bias + item_bias + user_vector . item_vector, clipped by the caller.

    A user that training did not see has a zero vector, and a bias from the history:
    sum of (rating - mean - item_bias) / (n + fold_in_strength).
    """

    mean: float
    user_bias: FloatArray
    """[U]"""
    user_vectors: FloatArray
    """[U, R]"""
    item_bias: FloatArray
    """[N]"""
    item_vectors: FloatArray
    """[N, R]"""
    fold_in_strength: float

    @property
    def dim(self) -> int:
        return self.item_vectors.shape[1]

    def of_users(self, users: NDArray[np.int64]) -> RatingTowers:
        """The same towers for these users alone, in this order."""
        return replace(self, user_bias=self.user_bias[users], user_vectors=self.user_vectors[users])

    def ratings(self, users: NDArray[np.int64]) -> FloatArray:
        """[len(users), N], not clipped; a negative index is a user without history."""
        known = (users >= 0)[:, None]
        bias = np.where(known, self.user_bias[users][:, None], 0)
        vectors = np.where(known, self.user_vectors[users], 0)
        return (self.mean + bias + self.item_bias + vectors @ self.item_vectors.T).astype(
            np.float32
        )
