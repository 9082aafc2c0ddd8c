"""Pieces of the served graphs: id lookup, histories, masks, ranked rows. Stock ops only.

Invalid entries are carried as boolean masks and never as magnitudes: a score may be anything.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from serving.contract import K_MAX, YEAR_UNSET
from trainer.models.towers import RatingTowers, RetrievalTowers

NO_SPREAD = 1e-4
"""float32 carries seven digits: what is left of a smaller relative spread can't be compared."""


class IdTable(tf.Module):
    """String ids to dense indexes; n_ids stands for unknown and for padding."""

    def __init__(self, ids: tuple[str, ...]) -> None:
        super().__init__()
        self.n_ids = len(ids)
        keys, values = tf.constant(ids), tf.range(len(ids), dtype=tf.int64)
        initializer = tf.lookup.KeyValueTensorInitializer(keys, values)
        self._table = tf.lookup.StaticHashTable(initializer, default_value=self.n_ids)
        self._ids = tf.constant((*ids, ""))

    def indexes(self, ids: tf.Tensor) -> tf.Tensor:
        """int64 indexes, shaped as `ids`."""
        return self._table.lookup(ids)

    def ids(self, indexes: tf.Tensor) -> tf.Tensor:
        """String ids; "" for n_ids."""
        return tf.gather(self._ids, indexes)


def with_zero_row(rows: np.ndarray) -> np.ndarray:
    """`rows` and a row of zeros, which an unknown id reads."""
    return np.concatenate([rows, np.zeros_like(rows[:1])])


class RetrievalTower(tf.Module):
    """User vectors from histories, and scores of the whole catalogue."""

    def __init__(self, towers: RetrievalTowers) -> None:
        super().__init__()
        self.n_movies = towers.n_movies
        self._max_age = len(towers.age_weights)
        self._history_vectors = tf.Variable(with_zero_row(towers.history_vectors), trainable=False)
        self._age_weights = tf.constant(with_zero_row(towers.age_weights))
        self._base = tf.constant(towers.base_vector)
        # Two variables for one table: a variable that is gathered is copied at each dense read.
        self._items = tf.Variable(towers.item_vectors, trainable=False)
        self._item_rows = tf.Variable(with_zero_row(towers.item_vectors), trainable=False)

    def weighted_history(self, movies: tf.Tensor) -> tf.Tensor:
        """[B, H, D] what each history movie adds to the user vector; zero for padding.

        Args:
          movies: [B, H] indexes, newest last. Age counts known movies from the end, so padding
            may stand anywhere.
        """
        known = tf.cast(movies < self.n_movies, tf.int64)
        age = tf.cumsum(known, axis=1, exclusive=True, reverse=True)
        weights = tf.gather(self._age_weights, tf.minimum(age, self._max_age))
        weights *= tf.cast(known, tf.float32)
        return tf.gather(self._history_vectors, movies) * weights[:, :, None]

    def user_vector(self, weighted_history: tf.Tensor) -> tf.Tensor:
        """[B, D] of the weighted history [B, H, D]."""
        return self._base + tf.reduce_sum(weighted_history, axis=1)

    def scores(self, user_vector: tf.Tensor) -> tf.Tensor:
        """[B, N] of user vectors [B, D]."""
        return tf.matmul(user_vector, self._items, transpose_b=True)

    def drops(self, weighted_history: tf.Tensor, movies: tf.Tensor) -> tf.Tensor:
        """[B, K, H] what the score of each of [B, K] movies loses without each history movie."""
        return tf.matmul(tf.gather(self._item_rows, movies), weighted_history, transpose_b=True)


class RatingTower(tf.Module):
    """Ratings of users whom training saw, and of others by a bias from their history."""

    def __init__(
        self, towers: RatingTowers, user_ids: tuple[str, ...], rating_range: tuple[float, float]
    ) -> None:
        super().__init__()
        self._users = IdTable(user_ids)
        self._range = rating_range
        self._mean = towers.mean
        self._fold_in_strength = towers.fold_in_strength
        self._user_bias = tf.Variable(with_zero_row(towers.user_bias), trainable=False)
        self._user_vectors = tf.Variable(with_zero_row(towers.user_vectors), trainable=False)
        self._items = tf.Variable(towers.item_vectors, trainable=False)
        self._item_rows = tf.Variable(with_zero_row(towers.item_vectors), trainable=False)
        self._item_bias = tf.constant(towers.item_bias)
        self._item_bias_rows = tf.constant(with_zero_row(towers.item_bias))
        self._n_movies = len(towers.item_bias)

    def user(
        self, user_id: tf.Tensor, movies: tf.Tensor, ratings: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """[B, R] vectors and [B, 1] biases (the mean included) of users.

        Args:
          user_id: [B] string.
          movies: [B, H] history indexes; ratings: [B, H]. Read for users whom training did not
            see: a bias that shrinks to 0 with few ratings. A rating that is no finite number
            does not count.
        """
        user = self._users.indexes(user_id)
        rated = (movies < self._n_movies) & tf.math.is_finite(ratings)
        residuals = ratings - self._mean - tf.gather(self._item_bias_rows, movies)
        residuals = tf.where(rated, residuals, 0.0)
        n_rated = tf.reduce_sum(tf.cast(rated, tf.float32), axis=1)
        folded = tf.reduce_sum(residuals, axis=1) / (n_rated + self._fold_in_strength)
        stored = tf.gather(self._user_bias, user)
        bias = tf.where(user < self._users.n_ids, stored, folded)
        return tf.gather(self._user_vectors, user), self._mean + bias[:, None]

    def all_movies(self, vector: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
        """[B, N] ratings, not clipped."""
        return bias + self._item_bias + tf.matmul(vector, self._items, transpose_b=True)

    def some_movies(self, vector: tf.Tensor, bias: tf.Tensor, movies: tf.Tensor) -> tf.Tensor:
        """[B, C] ratings, not clipped, of [B, C] movies."""
        dots = tf.linalg.matvec(tf.gather(self._item_rows, movies), vector)
        return bias + tf.gather(self._item_bias_rows, movies) + dots

    def clip(self, ratings: tf.Tensor) -> tf.Tensor:
        """Ratings inside the release's range."""
        return tf.clip_by_value(ratings, *self._range)


class CatalogueFilter(tf.Module):
    """Which movies a wish allows."""

    def __init__(self, genre_words: np.ndarray, years: np.ndarray) -> None:
        super().__init__()
        self._genre_words = tf.constant(genre_words, tf.int64)
        self._years = tf.constant(years, tf.int64)

    def __call__(
        self, genres_any: tf.Tensor, genres_all: tf.Tensor, genres_none: tf.Tensor, years: tf.Tensor
    ) -> tf.Tensor:
        """[B, N] bool of [B, W] masks (0 = no wish) and [B, 2] inclusive years."""
        any_wish = tf.reduce_any(genres_any != 0, axis=1, keepdims=True)
        any_hit = _meet(self._genre_words, genres_any)
        all_hit = ~_meet(tf.bitwise.invert(self._genre_words), genres_all)
        none_hit = _meet(self._genre_words, genres_none)
        first, last = years[:, :1], years[:, 1:]
        bounded = (first != YEAR_UNSET[0]) | (last != YEAR_UNSET[1])
        inside = (self._years > 0) & (self._years >= first) & (self._years <= last)
        return (any_hit | ~any_wish) & all_hit & ~none_hit & (inside | ~bounded)


def _meet(genre_words: tf.Tensor, masks: tf.Tensor) -> tf.Tensor:
    """[B, N] whether [N, W] words and [B, W] masks share a bit."""
    shared = tf.bitwise.bitwise_and(genre_words, masks[:, None])
    return tf.reduce_any(shared != 0, axis=2)


def without(allowed: tf.Tensor, movies: tf.Tensor) -> tf.Tensor:
    """[B, N] `allowed`, less the movies of [B, E] indexes (N = padding)."""
    n_rows, n_movies = tf.shape(allowed)[0], tf.shape(allowed)[1]
    rows = tf.broadcast_to(tf.range(n_rows)[:, None], tf.shape(movies))
    cells = tf.stack([rows, tf.cast(movies, tf.int32)], axis=2)
    shape = tf.stack([n_rows, n_movies + 1])
    counts = tf.scatter_nd(cells, tf.ones_like(movies, tf.int32), shape)
    return allowed & (counts[:, :n_movies] == 0)


def top_movies(key: tf.Tensor, allowed: tf.Tensor, k: int) -> tuple[tf.Tensor, tf.Tensor]:
    """[B, k] indexes by falling key, and whether each is allowed; equal keys by index.

    Args:
      key: [B, N], k <= N.
    """
    lowest = tf.fill(tf.shape(key), key.dtype.min)
    _, movies = tf.math.top_k(tf.where(allowed, key, lowest), k)
    return tf.cast(movies, tf.int64), tf.gather(allowed, movies, batch_dims=1)


def z_scores(values: tf.Tensor, valid: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """[B, C] standardised over the valid entries of each row, and [B, 2] mean and deviation.

    Values whose deviation is below NO_SPREAD of their size are equal: all 0, deviation 0.
    """
    mask = tf.cast(valid, values.dtype)
    count = tf.maximum(tf.reduce_sum(mask, axis=1, keepdims=True), 1)
    mean = tf.reduce_sum(values * mask, axis=1, keepdims=True) / count
    variance = tf.reduce_sum(mask * (values - mean) ** 2, axis=1, keepdims=True) / count
    deviation = tf.sqrt(variance)
    size = tf.reduce_max(tf.abs(values) * mask, axis=1, keepdims=True)
    # Divided by a deviation that is rounding alone, equal values would differ by their last bits.
    spread = deviation > NO_SPREAD * size
    standardised = tf.where(spread, (values - mean) / (deviation + 1e-6), 0.0)
    deviation = tf.where(spread, deviation, 0.0)
    return standardised, tf.concat([mean, deviation], axis=1)


def pad_columns(values: tf.Tensor, n_columns: int = K_MAX) -> tf.Tensor:
    """[B, n_columns, ...]: zeros or "" appended to short rows."""
    missing = n_columns - values.shape[1]
    paddings = [[0, 0], [0, missing], *[[0, 0]] * (values.shape.rank - 2)]
    return tf.pad(values, paddings, constant_values="" if values.dtype == tf.string else 0)


def ranked(
    table: IdTable, key: tf.Tensor, allowed: tf.Tensor, k_max: int = K_MAX
) -> dict[str, tf.Tensor]:
    """movie_ids and scores [B, K] of the allowed movies by falling key."""
    movies, valid = top_movies(key, allowed, min(k_max, table.n_ids))
    scores = tf.gather(key, movies, batch_dims=1)
    ids = table.ids(tf.where(valid, movies, table.n_ids))
    return {
        "movie_ids": pad_columns(ids),
        "scores": pad_columns(tf.where(valid, scores, tf.zeros_like(scores))),
    }
