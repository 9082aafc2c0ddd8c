"""A user in the space of the rating model: what is stored, or what a stranger's history tells."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from server.engine.arrays import EngineArrays, FloatArray, IndexArray
from server.engine.profiles import ProfileRows


class RatingUser(NamedTuple):
    """A user as the rating towers see one."""

    row: FloatArray
    """[R + 1] the vector, then 1: a movie's row times this is its rating less `bias`."""
    bias: float
    """The mean included."""

    @property
    def vector(self) -> FloatArray:
        """[R] The vector alone."""
        return self.row[:-1]


class RatingTowers:
    """Ratings by stored users and their histories, and by the history alone for strangers."""

    def __init__(self, arrays: EngineArrays, rating_range: tuple[float, float]) -> None:
        description = arrays.description
        self._items = arrays.rating_items
        self._history = arrays.rating_history
        self.reads_history = bool(arrays.rating_history.any())
        """Whether the history of a stored user says something, too."""
        self._user_ids, self._stored = arrays.user_ids, arrays.stored_users
        self._mean = np.float32(description.mean)
        self._nobody, self._usual = arrays.nobody, arrays.usual_profile
        self._profile_rows = arrays.profile_rows
        self._profiles = ProfileRows(description)
        self._spread, self._spread_items = arrays.spread, arrays.spread_items
        self._history_hold = description.history_hold
        self._noise, self._mood = np.float32(description.noise), np.float32(description.mood)
        self._low, self._high = map(np.float32, rating_range)

    def user(
        self, user_id: str, movies: IndexArray, ratings: FloatArray, tokens: Sequence[str]
    ) -> RatingUser:
        """A user by what is stored of him or her, and by the history.

        Args:
          user_id: as training knew the user, or anything else for a stranger.
          movies: [H] movie_index, oldest first.
          ratings: [H]; one that is no finite number counts as a movie seen and not rated.
          tokens: the profile; read for strangers alone.
        """
        stored = self._stored_place(user_id)
        if stored is None:
            return self.stranger(movies, ratings, tokens)
        row = self._stored[stored].copy()
        if self.reads_history:
            row += self._of_history(movies, 0)
        return self._as_user(row)

    def stranger(
        self, movies: IndexArray, ratings: FloatArray, tokens: Sequence[str]
    ) -> RatingUser:
        """Nobody in particular, moved by the profile, then by the history and its residuals."""
        row: FloatArray = self._nobody.copy()
        said = self._profiles.said(tokens)
        if said.any():
            row += (said - self._usual) @ self._profile_rows
        if self.reads_history:
            row += self._of_history(movies, self._history_hold)
        rated = np.isfinite(ratings)
        if not rated.all():
            movies, ratings = movies[rated], ratings[rated]
        if len(movies):
            row += self._moved(self._as_user(row.copy()), movies, ratings)
        return self._as_user(row)

    def ratings(self, user: RatingUser, movies: IndexArray) -> FloatArray:
        """[C] ratings of [C] movies, not clipped."""
        ratings: FloatArray = self._items.take(movies, axis=0).dot(user.row)
        ratings += user.bias
        return ratings

    def all_ratings(self, user: RatingUser) -> FloatArray:
        """[N] ratings of the catalogue, not clipped."""
        return self._items @ user.row + user.bias

    def clip(self, ratings: FloatArray) -> FloatArray:
        """Ratings inside the release's range."""
        return np.minimum(np.maximum(ratings, self._low), self._high)

    def _stored_place(self, user_id: str) -> int | None:
        name = user_id.encode()
        place = bisect_left(self._user_ids, name)
        found = place < len(self._user_ids) and self._user_ids[place] == name
        return place if found else None

    def _as_user(self, row: FloatArray) -> RatingUser:
        """A user made of a [R + 1] row, which is written into."""
        bias = float(self._mean + row[-1])
        row[-1] = 1
        return RatingUser(row, bias)

    def _of_history(self, movies: IndexArray, hold: float) -> FloatArray:
        total: FloatArray = np.add.reduce(self._history.take(movies, axis=0), axis=0)
        total *= np.float32(1 / math.sqrt(max(len(movies), 1) + hold))
        return total

    def _moved(self, user: RatingUser, movies: IndexArray, ratings: FloatArray) -> FloatArray:
        """[R + 1] what [n] rated movies say of a stranger, where strangers are normal."""
        mood = self._mood / np.float32(len(movies))
        seen = self._spread_items.take(movies, axis=0)
        seen -= mood * np.add.reduce(seen, axis=0)
        residuals = ratings - self.ratings(user, movies)
        residuals -= mood * np.add.reduce(residuals)
        gram = seen.T @ seen
        diagonal = gram.ravel()[:: len(gram) + 1]
        diagonal += self._noise
        along = np.linalg.solve(gram, residuals @ seen)
        return np.asarray(along @ self._spread, np.float32)
