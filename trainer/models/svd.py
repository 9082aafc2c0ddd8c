"""Truncated singular value decomposition that takes small and empty matrices too."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.linalg import svds


def top_right_singular(
    matrix: csr_array | NDArray[np.float64], dim: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The largest singular values [d] of a [n, m] matrix and their right vectors [d, m].

    d is `dim`, less where the matrix is smaller. A matrix of zeros, or of one row or column,
    has d = 1 and zeros: ARPACK refuses it, and there is nothing in it to find.
    """
    found = min(dim, min(matrix.shape) - 1)
    largest = abs(matrix).max()
    if found < 1 or largest == 0:
        return np.zeros(1), np.zeros((1, matrix.shape[1]))
    _, singular, right = svds(matrix, k=found, random_state=0)
    return singular, right
