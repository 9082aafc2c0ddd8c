"""Pieces of the served graphs: id lookup, histories, masks, ranked rows. Stock ops only.

Invalid entries are carried as boolean masks and never as magnitudes: a score may be anything.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from serving.contract import K_MAX, YEAR_UNSET

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

    def of_numbers(self, numbers: tf.Tensor) -> tf.Tensor:
        """int64 indexes of movie numbers, which begin at 1; n_ids for any other number."""
        known = (numbers > 0) & (numbers <= self.n_ids)
        return tf.where(known, numbers - 1, self.n_ids)

    def ids(self, indexes: tf.Tensor) -> tf.Tensor:
        """String ids; "" for n_ids."""
        return tf.gather(self._ids, indexes)


def with_zero_row(rows: np.ndarray) -> np.ndarray:
    """`rows` and a row of zeros, which an unknown id reads."""
    return np.concatenate([rows, np.zeros_like(rows[:1])])


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
        wishes = tf.concat([genres_any, genres_all, genres_none], axis=1)
        bounded = tf.reduce_any(years != tf.constant(YEAR_UNSET, tf.int64), axis=1, keepdims=True)
        # Most requests wish for nothing: then no movie is looked at.
        return tf.cond(
            tf.reduce_any(wishes != 0) | tf.reduce_any(bounded),
            lambda: self._allowed(genres_any, genres_all, genres_none, years, bounded),
            lambda: tf.ones((tf.shape(years)[0], len(self._years)), tf.bool),
        )

    def _allowed(
        self,
        genres_any: tf.Tensor,
        genres_all: tf.Tensor,
        genres_none: tf.Tensor,
        years: tf.Tensor,
        bounded: tf.Tensor,
    ) -> tf.Tensor:
        any_wish = tf.reduce_any(genres_any != 0, axis=1, keepdims=True)
        any_hit = _meet(self._genre_words, genres_any)
        all_hit = ~_meet(tf.bitwise.invert(self._genre_words), genres_all)
        none_hit = _meet(self._genre_words, genres_none)
        first, last = years[:, :1], years[:, 1:]
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


def strongest(values: tf.Tensor, n: int) -> tuple[tf.Tensor, tf.Tensor]:
    """[B, K, n] the greatest of [B, K, H] rows, falling, and their columns; of equals the first.

    Where there are fewer columns than n, the last ones found hold the least number that there is.
    """
    columns = tf.range(tf.shape(values)[2])
    found, places = [], []
    # Looking n times for the greatest costs half of what it takes to order n.
    for _ in range(n):
        best, place = tf.math.top_k(values, 1)
        found.append(best)
        places.append(place)
        values = tf.where(columns == place, values.dtype.min, values)
    return tf.concat(found, axis=2), tf.cast(tf.concat(places, axis=2), tf.int64)


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
    if not missing:
        return values
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
