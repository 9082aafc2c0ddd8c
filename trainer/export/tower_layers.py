"""The towers in a served graph: a user from a history, scores and ratings of movies. Stock ops.

The same arithmetic as `trainer.models.towers`, which the tests hold it against.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from trainer.export.layers import IdTable, with_zero_row
from trainer.models.towers import RatingTowers, RetrievalTowers


class RetrievalUser(NamedTuple):
    """Users as the retrieval tower sees them."""

    vector: tf.Tensor
    """[B, D]"""
    weighted: tf.Tensor
    """[B, H, D] what each history movie adds before the scale; zero for padding."""
    scale: tf.Tensor
    """[B, D] gate over deviation of each column's tower."""


class RetrievalTower(tf.Module):
    """User vectors from histories, and scores of the whole catalogue."""

    def __init__(self, towers: RetrievalTowers) -> None:
        super().__init__()
        self.n_movies = towers.n_movies
        self._oldest = len(towers.age_weights) - 1
        self._liking = towers.liking
        self._history_vectors = tf.Variable(with_zero_row(towers.history_vectors), trainable=False)
        # A weight for each column rather than each tower: one gather, then one product.
        self._age_weights = tf.constant(towers.age_weights[:, towers.tower_of_column])
        self._base = tf.constant(towers.base_vector)
        self._covariance = tf.constant(towers.covariance)
        towers_of_columns = np.eye(towers.n_towers, dtype=np.float32)[towers.tower_of_column]
        self._towers_of_columns = tf.constant(towers_of_columns)
        self._gate_from = tf.constant(towers.gate_from, tf.int64)
        self._gate = tf.constant(towers.gate)
        # Two variables for one table: a variable that is gathered is copied at each dense read.
        # The one that is read densely stands in columns, as its product reads it.
        self._items = tf.Variable(towers.item_vectors.T, trainable=False)
        self._item_rows = tf.Variable(with_zero_row(towers.item_vectors), trainable=False)

    def user(self, movies: tf.Tensor, ratings: tf.Tensor) -> RetrievalUser:
        """Users with these histories.

        Args:
          movies: [B, H] indexes, newest last. Age counts known movies from the end, so padding
            may stand anywhere.
          ratings: [B, H]; one that is no finite number counts as a movie seen and not rated.
        """
        known = movies < self.n_movies
        age = tf.cumsum(tf.cast(known, tf.int64), axis=1, exclusive=True, reverse=True)
        weights = tf.gather(self._age_weights, tf.minimum(age, self._oldest))
        liking = tf.where(known, self._liked(ratings), 0.0)
        weighted = tf.gather(self._history_vectors, movies) * weights * liking[:, :, None]
        vector = self._base + tf.reduce_sum(weighted, axis=1)
        scale = self._scale(vector, tf.reduce_sum(tf.cast(known, tf.int64), axis=1))
        return RetrievalUser(vector * scale, weighted, scale)

    def _liked(self, ratings: tf.Tensor) -> tf.Tensor:
        low, high, disliked = self._liking.low, self._liking.high, self._liking.disliked
        share = tf.clip_by_value((ratings - low) / (high - low), 0.0, 1.0)
        return tf.where(tf.math.is_finite(ratings), disliked + (1 - disliked) * share, 1.0)

    def _scale(self, vector: tf.Tensor, n_movies: tf.Tensor) -> tf.Tensor:
        longer = n_movies[:, None] >= self._gate_from
        row = tf.reduce_sum(tf.cast(longer, tf.int64), axis=1) - 1
        by_column = vector * tf.matmul(vector, self._covariance)
        variance = tf.matmul(by_column, self._towers_of_columns)
        deviation = tf.sqrt(tf.maximum(variance, 0.0))
        scale = tf.math.divide_no_nan(tf.gather(self._gate, row), deviation)
        return tf.matmul(scale, self._towers_of_columns, transpose_b=True)

    def scores(self, vector: tf.Tensor) -> tf.Tensor:
        """[B, N] of user vectors [B, D]."""
        return tf.matmul(vector, self._items)

    def drops(self, user: RetrievalUser, movies: tf.Tensor) -> tf.Tensor:
        """[B, K, H + 1] what the score of each of [B, K] movies loses without each history movie.

        Ages and gate are held, and so is the scale that goes with the gate. The last column is 0:
        it stands for no movie, so that there is one even without history.
        """
        items = tf.gather(self._item_rows, movies) * user.scale[:, None]
        weighted = tf.pad(user.weighted, [[0, 0], [0, 1], [0, 0]])
        return tf.matmul(items, weighted, transpose_b=True)


class RatingUser(NamedTuple):
    """Users as the rating tower sees them."""

    vector: tf.Tensor
    """[B, R]"""
    bias: tf.Tensor
    """[B, 1], the mean included"""


class RatingTower(tf.Module):
    """Ratings by stored users and their histories, and by the history alone for strangers."""

    def __init__(
        self, towers: RatingTowers, user_ids: tuple[str, ...], rating_range: tuple[float, float]
    ) -> None:
        super().__init__()
        self._users = IdTable(user_ids)
        self._range = rating_range
        self._mean = towers.mean
        self._fold_in = towers.fold_in
        self._reads_history = bool(towers.history_vectors.any() or towers.history_bias.any())
        # A bias is one more column: one gather instead of two.
        self._history_rows = tf.Variable(
            with_zero_row(_with_bias(towers.history_vectors, towers.history_bias)), trainable=False
        )
        self._stored = tf.Variable(
            with_zero_row(_with_bias(towers.stored_vectors, towers.stored_bias)), trainable=False
        )
        nobody = towers.stranger(np.zeros(0, np.int64), np.zeros(0, np.float32))
        complete = _with_bias(towers.user_vectors, towers.user_bias)
        self._complete = tf.Variable(np.concatenate([complete, [np.append(*nobody)]]).astype("f4"))
        self._profile_rows = tf.constant(
            _with_bias(self._fold_in.profile_vectors, self._fold_in.profile_bias)
        )
        self._items = tf.Variable(towers.item_vectors, trainable=False)
        self._item_bias = tf.constant(towers.item_bias)
        self._item_rows = tf.Variable(
            with_zero_row(_with_bias(towers.item_vectors, towers.item_bias)), trainable=False
        )
        self._n_movies = len(towers.item_bias)

    def user(
        self,
        user_id: tf.Tensor,
        movies: tf.Tensor,
        ratings: tf.Tensor,
        profile: Callable[[], tf.Tensor],
    ) -> RatingUser:
        """Users by what is stored of them and what they rated.

        Args:
          user_id: [B] string.
          movies: [B, H] history indexes.
          ratings: [B, H]; one that is no finite number counts as a movie seen and not rated.
          profile: makes [B, P] rows of unit length, for users whom training did not see: most
            batches have none, and reading what users say of themselves takes many string ops.
        """
        user = self._users.indexes(user_id)
        rows = tf.gather(self._stored, user)
        if self._reads_history:
            rows += self._of_history(movies, 0.0)
        stranger = user == self._users.n_ids
        rows = tf.cond(
            tf.reduce_any(stranger),
            lambda: tf.where(stranger[:, None], self._strangers(movies, ratings, profile()), rows),
            lambda: rows,
        )
        return self._as_user(rows)

    def stored_user(self, user_id: tf.Tensor) -> RatingUser:
        """Users with the history that training saw; a stranger has none."""
        return self._as_user(tf.gather(self._complete, self._users.indexes(user_id)))

    def _as_user(self, rows: tf.Tensor) -> RatingUser:
        return RatingUser(rows[:, :-1], self._mean + rows[:, -1:])

    def _of_history(self, movies: tf.Tensor, hold: float) -> tf.Tensor:
        n_movies = tf.reduce_sum(tf.cast(movies < self._n_movies, tf.float32), axis=1)
        total = tf.reduce_sum(tf.gather(self._history_rows, movies), axis=1)
        return total / tf.sqrt(tf.maximum(n_movies, 1.0) + hold)[:, None]

    def _strangers(self, movies: tf.Tensor, ratings: tf.Tensor, profile: tf.Tensor) -> tf.Tensor:
        """[B, R + 1] of histories alone; see `trainer.models.towers.FoldIn`."""
        fold = self._fold_in
        nobody = np.append(fold.nobody_vector, np.float32(fold.nobody_bias))
        said = tf.reduce_any(profile != 0, axis=1, keepdims=True)
        unusual = tf.where(said, profile - fold.usual_profile, 0.0)
        rows = nobody + tf.matmul(unusual, self._profile_rows)
        if self._reads_history:
            rows += self._of_history(movies, fold.history_hold)
        vector, bias = rows[:, :-1], rows[:, -1:]

        rated = (movies < self._n_movies) & tf.math.is_finite(ratings)
        items = tf.gather(self._item_rows, movies)
        items, item_bias = items[:, :, :-1], items[:, :, -1]
        residuals = ratings - self._mean - bias - item_bias - tf.linalg.matvec(items, vector)
        residuals = tf.where(rated, residuals, 0.0)
        weights = tf.cast(rated, tf.float32)[:, :, None]
        seen = tf.matmul(items, tf.constant(fold.spread[:, :-1].T)) + fold.spread[:, -1]
        seen = _without_mood(seen, weights, fold.mood)
        left = _without_mood(residuals[:, :, None], weights, fold.mood)
        gram = tf.matmul(seen, seen, transpose_a=True) + fold.noise * tf.eye(len(fold.spread))
        along = tf.linalg.solve(gram, tf.matmul(seen, left, transpose_a=True))[:, :, 0]
        return rows + tf.matmul(along, tf.constant(fold.spread))

    def all_movies(self, user: RatingUser) -> tf.Tensor:
        """[B, N] ratings, not clipped."""
        dots = tf.matmul(user.vector, self._items, transpose_b=True)
        return user.bias + self._item_bias + dots

    def some_movies(self, user: RatingUser, movies: tf.Tensor) -> tf.Tensor:
        """[B, C] ratings, not clipped, of [B, C] movies."""
        one = tf.ones_like(user.bias)
        dots = tf.linalg.matvec(
            tf.gather(self._item_rows, movies), tf.concat([user.vector, one], axis=1)
        )
        return user.bias + dots

    def clip(self, ratings: tf.Tensor) -> tf.Tensor:
        """Ratings inside the release's range."""
        return tf.clip_by_value(ratings, *self._range)


def _without_mood(values: tf.Tensor, weights: tf.Tensor, mood: float) -> tf.Tensor:
    """[B, H, C] less the share `mood` of their mean, both over what [B, H, 1] weights of 1 rate."""
    total = tf.reduce_sum(values * weights, axis=1, keepdims=True)
    mean = tf.math.divide_no_nan(total, tf.reduce_sum(weights, axis=1, keepdims=True))
    return (values - mood * mean) * weights


def _with_bias(vectors: np.ndarray, bias: np.ndarray) -> np.ndarray:
    return np.concatenate([vectors, np.asarray(bias)[:, None]], axis=1).astype(np.float32)
