"""Scores of the catalogue for users whose calls meet: one matrix product in place of many."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from server.engine.arrays import FloatArray
from server.meeting import Lanes

LARGEST_BATCH: Final = 32

BLOCK_MOVIES: Final = 2048
"""Movies multiplied at once for a batch: a cache holds them and their scores."""

MERGED_FROM_BYTES: Final = 4 * 2**20
"""Below, a processor's cache holds the matrix: a product of one's own costs less than the queue."""

_ONE_LANE: Final = None


class Products:
    """Products of vectors with one [D, N] matrix."""

    def __init__(self, columns: FloatArray) -> None:
        self._columns = columns

    def __call__(self, vector: FloatArray) -> FloatArray:
        """[N] of a [D] vector; the caller may write into it."""
        return vector @ self._columns

    def of_all(self, vectors: FloatArray) -> FloatArray:
        """[B, N] of [B, D] vectors; the caller may write into it."""
        n_movies = self._columns.shape[1]
        scores = np.empty((len(vectors), n_movies), np.float32)
        for start in range(0, n_movies, BLOCK_MOVIES):
            block = slice(start, start + BLOCK_MOVIES)
            np.matmul(vectors, self._columns[:, block], out=scores[:, block])
        return scores


class MergedProducts:
    """Products with one matrix that is read once for all calls that meet; for many threads.

    Args:
      multiply: [B, N] of [B, D] vectors, which may be written into.
    """

    def __init__(self, multiply: Callable[[FloatArray], FloatArray]) -> None:
        self._multiply = multiply
        self._lanes: Lanes[FloatArray, FloatArray] = Lanes(LARGEST_BATCH, size=len)

    def __call__(self, vector: FloatArray) -> FloatArray:
        """[N] of a [D] vector; the caller may write into it."""
        scores: FloatArray = self.of_all(vector[np.newaxis])[0]
        return scores

    def of_all(self, vectors: FloatArray) -> FloatArray:
        """[B, N] of [B, D] vectors; the caller may write into it."""
        turn = self._lanes.enter(_ONE_LANE, vectors)
        if turn is None:
            try:
                return self._multiply(vectors)
            finally:
                self._lanes.hand_over(_ONE_LANE)
        turn.wait()
        if turn.leads:
            self._lanes.serve(_ONE_LANE, turn, self._together)
        # Without scores the product for all failed: alone, each gets its own answer or error.
        return self._multiply(vectors) if turn.answer is None else turn.answer

    def _together(self, parties: Sequence[FloatArray]) -> list[FloatArray]:
        """[B, N] of [B, D] vectors, for each party of them."""
        bounds = np.cumsum([len(vectors) for vectors in parties])[:-1]
        return np.split(self._multiply(np.concatenate(parties)), bounds)


def products_of(columns: FloatArray) -> Products | MergedProducts:
    """Products of vectors with [D, N] `columns`, in the way that is cheaper for their size."""
    products = Products(columns)
    return MergedProducts(products.of_all) if columns.nbytes >= MERGED_FROM_BYTES else products
