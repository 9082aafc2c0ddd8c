"""A user in the space of the retrieval model: the arithmetic of the graph, for one history."""

from __future__ import annotations

import math
from bisect import bisect_right
from typing import NamedTuple

import numpy as np

from server.domain import NOBODY
from server.engine.arrays import EngineArrays, FloatArray, IndexArray, PlaceArray
from serving.contract import REASONS_MAX, EngineDescription


class RetrievalUser(NamedTuple):
    """A user as the retrieval towers see one."""

    vector: FloatArray
    """[D]"""


def liking_line(description: EngineDescription) -> tuple[float, float]:
    """Slope and start: liking = rating * slope + start, where that is from `disliked` to 1."""
    slope = (1 - description.disliked) / (description.liking_high - description.liking_low)
    return slope, description.disliked - slope * description.liking_low


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
        self._slope, self._start = map(np.float32, liking_line(description))
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
        vector, scale = self._placed(self._liking(ratings), self._aged(movies))
        vector *= scale
        return RetrievalUser(vector)

    def _pulls(self, movies: IndexArray, ratings: FloatArray) -> FloatArray:
        """[H, D] what each movie of a history, oldest first, adds to the user's vector."""
        liking, pulls = self._liking(ratings), self._aged(movies)
        _, scale = self._placed(liking, pulls)
        pulls *= scale
        pulls *= liking[:, None]
        return pulls

    def _aged(self, movies: IndexArray) -> FloatArray:
        """[H, D] vectors of a history's movies, oldest first, times the weights of their ages."""
        vectors = self._history_vectors.take(movies, axis=0)
        # Movies older than all ages, then the others.
        n_old = max(len(movies) - len(self._weights), 0)
        aged, old = vectors[n_old:], vectors[:n_old]
        np.multiply(aged, self._weights[len(self._weights) - len(aged) :], out=aged)
        if n_old:
            np.multiply(old, self._weights[0], out=old)
        return vectors

    def _placed(self, liking: FloatArray, aged: FloatArray) -> tuple[FloatArray, FloatArray]:
        """[D] vector of a user before it is scaled, and [D] what scales it."""
        vector: FloatArray = liking.dot(aged)
        vector += self._base
        return vector, self._scale(vector, len(aged))

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

    def reasons(
        self, movies: IndexArray, ratings: FloatArray, listed: IndexArray
    ) -> tuple[PlaceArray, FloatArray]:
        """The places in a history that pull each of [K] listed movies up most, and how much.

        Args:
          movies: [H] movie_index of the history, oldest first.
          ratings: [H] NaN = seen and not rated.
          listed: [K] movie_index.

        Returns:
          [K, 3] places, and [K, 3] what the score loses without that movie, ages and gate held,
          falling; NOBODY and 0 where nothing pulls up.
        """
        n_listed, n_history = len(listed), len(movies)
        places = np.empty((REASONS_MAX, n_listed), np.int16)
        drops = np.empty((REASONS_MAX, n_listed), np.float32)
        n_ranks = min(REASONS_MAX, n_history)
        if n_ranks:
            lost = self._items.take(listed, axis=0).dot(self._pulls(movies, ratings).T)
            found = np.empty((n_ranks, n_listed), np.int64)
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
        # In rows, as whoever writes pages reads them.
        return np.ascontiguousarray(places.T), np.ascontiguousarray(drops.T)
