"""Pieces of the served graphs: id lookup, histories, masks, ranked rows. Stock ops only.

Keys of movies that may not be listed are NOT_ALLOWED, which no score is. Where only some candidates
are left, a boolean mask says which are valid: a score may be any number.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from serving.contract import K_MAX, YEAR_UNSET

NOT_ALLOWED = -float("inf")
"""Key of a movie that may not be listed."""

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
        self,
        key: tf.Tensor,
        genres_any: tf.Tensor,
        genres_all: tf.Tensor,
        genres_none: tf.Tensor,
        years: tf.Tensor,
    ) -> tf.Tensor:
        """The [B, N] keys, NOT_ALLOWED by [B, W] masks (0 = no wish) or [B, 2] inclusive years."""
        wishes = tf.concat([genres_any, genres_all, genres_none], axis=1)
        bounded = tf.reduce_any(years != tf.constant(YEAR_UNSET, tf.int64), axis=1, keepdims=True)
        # Most requests wish for nothing: then no movie is looked at.
        return tf.cond(
            tf.reduce_any(wishes != 0) | tf.reduce_any(bounded),
            lambda: tf.where(
                self._allowed(genres_any, genres_all, genres_none, years, bounded),
                key,
                NOT_ALLOWED,
            ),
            lambda: key,
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


def top_movies(
    key: tf.Tensor, k: int, excluded: tf.Tensor | None = None
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """[B, k] indexes by falling key, whether there is such a movie, and the keys.

    Of equal keys the first come first. Where there is no movie the index is 0.

    Args:
      key: [B, N], k <= N; NOT_ALLOWED where a movie is not to be found.
      excluded: [B, E] indexes of movies that are not to be found either (N = padding).
    """
    # Columns that stand for no movie fill up the groups: exclusions that are padding go there.
    depth = key.shape[1] // (2 * k) + 1
    n_added = depth * 2 * k - key.shape[1]
    key = tf.pad(key, [[0, 0], [0, n_added]], constant_values=NOT_ALLOWED)
    if excluded is not None:
        key = _without(key, excluded)
    movies, keys = _at_least_best(tf.reshape(key, [-1, depth, 2 * k]), k)
    best, position = tf.math.top_k(keys, k)
    found = best > NOT_ALLOWED
    return tf.where(found, tf.gather(movies, position, batch_dims=1), 0), found, best


def _without(key: tf.Tensor, columns: tf.Tensor) -> tf.Tensor:
    """The [B, W] keys, NOT_ALLOWED in [B, E] columns."""
    never = tf.fill(tf.shape(columns), NOT_ALLOWED)
    # It adds up weights by column, in a quarter of the time that a scatter of single cells takes.
    width = tf.constant(key.shape[1], columns.dtype)
    return key + tf.raw_ops.DenseBincount(input=columns, size=width, weights=never)


def _at_least_best(key: tf.Tensor, k: int) -> tuple[tf.Tensor, tf.Tensor]:
    """[B, W] columns of the k greatest keys of each row and of few others, rising, and their keys.

    The k-th of what is greatest in each of 2 k groups is a bound that k keys reach, and of mixed
    ones about 1.5 k. To find these and to order them takes less than half as long as to order all.

    Args:
      key: [B, depth, 2 k], a column of the first row, then one of the second.
    """
    greatest = tf.reduce_max(key, axis=1)
    # The least number is a bound that neither NOT_ALLOWED nor NaN reaches.
    greatest = tf.where(greatest > NOT_ALLOWED, greatest, key.dtype.min)
    bound = tf.raw_ops.NthElement(input=greatest, n=k - 1, reverse=True)
    flat = tf.reshape(key, [-1])
    cells = tf.where(tf.reshape(key >= bound[:, None, None], [-1]))[:, 0]
    bounds = tf.range(tf.shape(key, tf.int64)[0] + 1) * (key.shape[1] * key.shape[2])
    ends = tf.searchsorted(cells, bounds)
    counts = ends[1:] - ends[:-1]
    places = tf.range(tf.maximum(tf.reduce_max(counts), k))
    there = places < counts[:, None]
    # With one more cell there is one to gather even where nothing is allowed.
    cells = tf.gather(tf.pad(cells, [[0, 1]]), tf.where(there, ends[:-1, None] + places, 0))
    return cells - bounds[:-1, None], tf.where(there, tf.gather(flat, cells), NOT_ALLOWED)


def best_columns(values: tf.Tensor, valid: tf.Tensor, k: int) -> tuple[tf.Tensor, tf.Tensor]:
    """[B, k] columns of [B, C] values, falling, and whether each is valid; equal ones by column."""
    lowest = tf.fill(tf.shape(values), values.dtype.min)
    _, columns = tf.math.top_k(tf.where(valid, values, lowest), k)
    return columns, tf.gather(valid, columns, batch_dims=1)


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
    table: IdTable, key: tf.Tensor, excluded: tf.Tensor | None = None
) -> dict[str, tf.Tensor]:
    """movie_ids and scores [B, K] of the movies that are left by falling key; see `top_movies`."""
    movies, found, scores = top_movies(key, min(K_MAX, table.n_ids), excluded)
    ids = table.ids(tf.where(found, movies, table.n_ids))
    return {
        "movie_ids": pad_columns(ids),
        "scores": pad_columns(tf.where(found, scores, 0.0)),
    }
