"""A user in the space of the retrieval model: the arithmetic of the graph, for one history."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass

import numpy as np

from server.domain import NOBODY
from server.engine.arrays import EngineArrays, FloatArray, IndexArray, PlaceArray
from serving.contract import REASONS_MAX


@dataclass(frozen=True, slots=True, eq=False)
class RetrievalUser:
    """A user as the retrieval towers see one, with H known movies of history."""

    vector: FloatArray
    """[D]"""
    pulls: FloatArray
    """[H, D] what each movie of the history, oldest first, adds to `vector`."""


class RetrievalTowers:
    """User vectors from histories, and what each movie of a history adds to a score."""

    def __init__(self, arrays: EngineArrays) -> None:
        description = arrays.description
        self._items = arrays.item_vectors
        self._history_vectors = arrays.history_vectors
        self._base = np.array(arrays.base_vector)
        self._tower_of_column = np.array(arrays.tower_of_column)
        self._covariance = np.array(arrays.covariance)
        self._gate_from: list[int] = arrays.gate_from.tolist()
        self._gate: list[list[float]] = arrays.gate.tolist()
        n_towers = arrays.gate.shape[1]
        self._columns_of_towers = np.eye(n_towers, dtype=np.float32)[self._tower_of_column]
        # liking = rating * slope + start, from `disliked` to 1.
        slope = (1 - description.disliked) / (description.liking_high - description.liking_low)
        self._slope = np.float32(slope)
        self._start = np.float32(description.disliked - slope * description.liking_low)
        self._disliked, self._liked = np.float32(description.disliked), np.float32(1)
        by_column = arrays.age_weights[:, self._tower_of_column]
        self._weights = np.ascontiguousarray(by_column[::-1])
        """[A, D] of the movies of a history by age, the newest last; the first one's are those of
        all that are older."""

    def user(self, movies: IndexArray, ratings: FloatArray) -> RetrievalUser:
        """A user with this history.

        Args:
          movies: [H] movie_index, oldest first.
          ratings: [H] NaN = seen and not rated.
        """
        liking = self._liking(ratings)
        pulls = self._history_vectors.take(movies, axis=0)
        # Movies older than all ages, then the others.
        n_old = max(len(movies) - len(self._weights), 0)
        aged, old = pulls[n_old:], pulls[:n_old]
        np.multiply(aged, self._weights[len(self._weights) - len(aged) :], out=aged)
        if n_old:
            np.multiply(old, self._weights[0], out=old)
        vector: FloatArray = liking.dot(pulls)
        vector += self._base
        scale = self._scale(vector, len(movies))
        vector *= scale
        pulls *= scale
        pulls *= liking[:, None]
        return RetrievalUser(vector, pulls)

    def _liking(self, ratings: FloatArray) -> FloatArray:
        """[H] 1 for a movie liked or not rated, `disliked` for one rated low."""
        liking: FloatArray = ratings * self._slope
        liking += self._start
        # fmin, and not minimum, makes 1 of NaN.
        np.fmin(liking, self._liked, out=liking)
        return np.maximum(liking, self._disliked, out=liking)

    def _scale(self, vector: FloatArray, n_movies: int) -> FloatArray:
        """[D] gate over deviation of each column's tower."""
        gate = self._gate[bisect_right(self._gate_from, n_movies) - 1]
        variances = (vector * self._covariance.dot(vector)).dot(self._columns_of_towers)
        scales = [
            weight / math.sqrt(variance) if variance > 0 else 0.0
            for weight, variance in zip(gate, variances.tolist(), strict=True)
        ]
        return np.array(scales, np.float32).take(self._tower_of_column)

    def reasons(self, user: RetrievalUser, movies: IndexArray) -> tuple[PlaceArray, FloatArray]:
        """The places in the history that pull each of [K] movies up most, and how much.

        Returns:
          [K, 3] places, and [K, 3] what the score loses without that movie, ages and gate held,
          falling; NOBODY and 0 where nothing pulls up.
        """
        n_movies, n_history = len(movies), len(user.pulls)
        places = np.empty((REASONS_MAX, n_movies), np.int16)
        drops = np.empty((REASONS_MAX, n_movies), np.float32)
        n_ranks = min(REASONS_MAX, n_history)
        if n_ranks:
            lost = self._items.take(movies, axis=0).dot(user.pulls.T)
            found = np.empty((n_ranks, n_movies), np.int64)
            row_starts, left = np.arange(0, lost.size, n_history), lost.copy()
            entries = left.reshape(-1)
            # Looks at [K, H] cost less than ordering each row, and of equals find the older.
            for greatest in found:
                left.argmax(axis=1, out=greatest)
                np.add(greatest, row_starts, out=greatest)
                entries[greatest] = -np.inf
            lost.take(found, out=drops[:n_ranks], mode="clip")
            np.subtract(found, row_starts, out=places[:n_ranks], casting="unsafe")
        drops[n_ranks:] = 0
        places[~(drops > 0)] = NOBODY
        np.maximum(drops, 0, out=drops)
        return places.T, drops.T
