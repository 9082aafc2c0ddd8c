"""Truncated singular value decomposition that takes small, empty, sparse and large matrices."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.linalg import svds
from sklearn.utils.extmath import randomized_svd

EXACT_UP_TO = 3000
"""Dense matrices with a side of this size or less are decomposed exactly."""


def top_right_singular(
    matrix: csr_array | NDArray[np.float64], dim: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The largest singular values [d] of a [n, m] matrix and their right vectors [d, m].

    d is `dim`, less where the matrix is smaller or of lower rank. A matrix of zeros, or of one row
    or column, has d = 1 and zeros: there is nothing in it to find.
    """
    found = min(dim, min(matrix.shape) - 1)
    if found < 1 or abs(matrix).max() == 0:
        return np.zeros(1), np.zeros((1, matrix.shape[1]))
    if isinstance(matrix, csr_array):
        _, singular, right = svds(matrix, k=found, random_state=0)
        return singular, right
    if min(matrix.shape) <= EXACT_UP_TO:
        return _by_gram_matrix(matrix, found)
    # Ten times faster than a Lanczos method here, and the last directions matter little.
    _, singular, right = randomized_svd(matrix, found, n_iter=4, random_state=0)
    return singular, right


def _by_gram_matrix(
    matrix: NDArray[np.float64], dim: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """By the eigenvectors of the smaller of M M' and M' M; directions that are rounding go."""
    wide = matrix.shape[0] <= matrix.shape[1]
    gram = matrix @ matrix.T if wide else matrix.T @ matrix
    values, vectors = np.linalg.eigh(gram)
    values, vectors = values[::-1][:dim], vectors[:, ::-1][:, :dim]
    kept = values > values[0] * 1e-10
    singular, vectors = np.sqrt(values[kept]), vectors[:, kept]
    right = (matrix.T @ vectors / singular).T if wide else vectors.T
    return singular, right
