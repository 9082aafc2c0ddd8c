"""The best movies of a catalogue against a stable sort in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from trainer.export.layers import NOT_ALLOWED, top_movies

RNG = np.random.default_rng(11)


def expected(key: NDArray[np.float32], k: int) -> tuple[list[list[int]], list[list[float]]]:
    """Of each row the movies by falling key, equal ones by index, and their keys."""
    orders = [
        [movie for movie in np.argsort(-row, kind="stable")[:k] if row[movie] > NOT_ALLOWED]
        for row in key
    ]
    return [list(map(int, order)) for order in orders], [
        row[order].tolist() for row, order in zip(key, orders, strict=True)
    ]


def found(key: NDArray[np.float32], k: int, excluded: NDArray[np.int64] | None = None):
    movies, there, keys = (
        tensor.numpy()
        for tensor in tf.function(top_movies)(
            tf.constant(key), k, None if excluded is None else tf.constant(excluded)
        )
    )
    assert movies.shape == there.shape == keys.shape == (len(key), k)
    assert not movies[~there].any()
    return (
        [row[is_there].tolist() for row, is_there in zip(movies, there, strict=True)],
        [row[is_there].tolist() for row, is_there in zip(keys, there, strict=True)],
    )


def mixed(n_movies: int) -> NDArray[np.float32]:
    """Rows of many kinds: drawn, few values, equal, rising, falling, least, few or none allowed."""
    rows = RNG.normal(size=(9, n_movies)).astype(np.float32)
    rows[1] = RNG.integers(0, 3, n_movies)
    rows[2] = -0.25
    rows[3] = np.arange(n_movies)
    rows[4] = -np.arange(n_movies)
    rows[5] = np.finfo(np.float32).min
    rows[6, RNG.permutation(n_movies)[n_movies // 5 + 1 :]] = NOT_ALLOWED
    rows[7] = NOT_ALLOWED
    rows[8, : n_movies // 2] = NOT_ALLOWED
    return rows


@pytest.mark.parametrize(
    ("n_movies", "k"), [(1, 1), (7, 7), (12, 5), (59, 30), (60, 30), (61, 30), (2000, 30)]
)
def test_the_best_are_those_of_a_stable_sort(n_movies: int, k: int) -> None:
    """Whatever is in a row, beside rows of every other kind and alone."""
    key = mixed(n_movies)

    assert found(key, k) == expected(key, k)
    for row in key:
        assert found(row[None], k) == expected(row[None], k)


@pytest.mark.parametrize("n_excluded", [0, 1, 40])
def test_excluded_movies_are_not_found(n_excluded: int) -> None:
    """Repeated ones are no error, and padding excludes nobody."""
    key = RNG.normal(size=(3, 200)).astype(np.float32)
    excluded = np.argsort(-key, axis=1)[:, :n_excluded].astype(np.int64)
    padding = np.full((3, 2), 200)
    without = key.copy()
    np.put_along_axis(without, excluded, NOT_ALLOWED, axis=1)

    listed = found(key, 20, np.concatenate([padding, excluded, excluded], axis=1))

    assert listed == expected(without, 20)


def test_rows_of_no_excluded_movies() -> None:
    """E may be 0."""
    key = RNG.normal(size=(2, 50)).astype(np.float32)

    assert found(key, 5, np.zeros((2, 0), np.int64)) == expected(key, 5)


def test_what_is_no_number_is_not_found() -> None:
    """A key of NaN neither comes first nor hides the others, of its row or of another."""
    key = RNG.normal(size=(3, 100)).astype(np.float32)
    key[0, ::3] = np.nan
    key[1] = np.nan
    numbers = np.where(np.isnan(key), NOT_ALLOWED, key)

    assert found(key, 20) == expected(numbers, 20)
