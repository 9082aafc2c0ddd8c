"""A user in the space of the retrieval model: the arithmetic of the graph, for one history."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from server.engine.arrays import EngineArrays, FloatArray, IndexArray
from serving.contract import REASONS_MAX


@dataclass(frozen=True, slots=True, eq=False)
class RetrievalUser:
    """A user as the retrieval towers see one, with H known movies of history."""

    vector: FloatArray
    """[D]"""
    movies: IndexArray
    """[H] oldest first."""
    weights: FloatArray
    """[H, Z] liking times age weight, by tower."""
    scale: FloatArray
    """[D] gate over deviation of each column's tower."""


class RetrievalTowers:
    """User vectors from histories, and what each movie of a history adds to a score."""

    def __init__(self, arrays: EngineArrays) -> None:
        description = arrays.description
        self._items = arrays.item_vectors
        self._history_vectors = arrays.history_vectors
        self._base = arrays.base_vector
        self._tower_of_column = np.array(arrays.tower_of_column)
        self._columns = np.arange(len(self._tower_of_column))
        self._covariance = arrays.covariance
        self._gate_from, self._gate = np.array(arrays.gate_from), np.array(arrays.gate)
        n_towers = self._gate.shape[1]
        self._columns_of_towers = np.eye(n_towers, dtype=np.float32)[self._tower_of_column]
        self._low = np.float32(description.liking_low)
        self._liking_span = np.float32(description.liking_high - description.liking_low)
        self._disliked = np.float32(description.disliked)
        self._oldest_first = arrays.age_weights[::-1].copy()

    def user(self, movies: IndexArray, ratings: FloatArray) -> RetrievalUser:
        """A user with this history.

        Args:
          movies: [H] movie_index, oldest first.
          ratings: [H]; one that is no finite number counts as a movie seen and not rated.
        """
        weights: FloatArray = self._by_age(len(movies)) * self._liking(ratings)[:, None]
        by_tower: FloatArray = weights.T @ self._history_vectors[movies]
        vector: FloatArray = self._base + by_tower[self._tower_of_column, self._columns]
        scale = self._scale(vector, len(movies))
        return RetrievalUser(vector * scale, movies, weights, scale)

    def _by_age(self, n_movies: int) -> FloatArray:
        """[H, Z] weights of a history's movies, the oldest first."""
        n_older = n_movies - len(self._oldest_first)
        if n_older <= 0:
            return self._oldest_first[-n_older:]
        return np.concatenate([self._oldest_first[:1].repeat(n_older, axis=0), self._oldest_first])

    def _liking(self, ratings: FloatArray) -> FloatArray:
        """[H] 1 for a movie liked or not rated, `disliked` for one rated low."""
        share: FloatArray = np.minimum(np.maximum((ratings - self._low) / self._liking_span, 0), 1)
        liking: FloatArray = self._disliked + (1 - self._disliked) * share
        return np.where(np.isfinite(ratings), liking, np.float32(1))

    def _scale(self, vector: FloatArray, n_movies: int) -> FloatArray:
        gate = self._gate[np.searchsorted(self._gate_from, n_movies, side="right") - 1]
        variance = (vector * (self._covariance @ vector)) @ self._columns_of_towers
        deviation = np.sqrt(np.maximum(variance, 0))
        scale: FloatArray = np.divide(
            gate, deviation, out=np.zeros_like(deviation), where=deviation > 0
        )
        return scale[self._tower_of_column]

    def reasons(self, user: RetrievalUser, movies: IndexArray) -> tuple[IndexArray, FloatArray]:
        """The places in the history that pull each of [K] movies up most, and how much.

        Returns:
          [K, 3] places, and [K, 3] what the score loses without that movie, ages and gate held,
          falling; 0 where nothing pulls up.
        """
        n_history = len(user.movies)
        places = np.zeros((len(movies), REASONS_MAX), np.int64)
        drops = np.zeros((len(movies), REASONS_MAX), np.float32)
        if not n_history:
            return places, drops
        terms = user.weights[:, self._tower_of_column] * self._history_vectors[user.movies]
        lost = self._items[movies] @ (terms * user.scale).T
        rows = np.arange(len(movies))
        # Three looks at [K, H] cost less than ordering each row, and of equals find the older.
        for rank in range(min(REASONS_MAX, n_history)):
            places[:, rank] = best = lost.argmax(axis=1)
            drops[:, rank] = lost[rows, best]
            lost[rows, best] = -np.inf
        return places, np.maximum(drops, 0)
