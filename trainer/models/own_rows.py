"""Which users, or movies, have an embedding row of their own; all others share one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

IndexArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class OwnRows:
    """Rows of an embedding table: 0 to n_own - 1 belong to one index each, n_own is shared."""

    row_of: IndexArray
    """[n] row of each index."""
    n_own: int

    @classmethod
    def covering(cls, indexes: IndexArray, n: int, coverage: float = 1.0) -> OwnRows:
        """Own rows for the fewest, the busiest, that hold a share of the training rows.

        Args:
          indexes: the user, or the movie, of each training row.
          n: users, or movies, in all.
          coverage: 0 to 1; at 1 each that training sees has its own.
        """
        counts = np.bincount(indexes, minlength=n)
        busiest = np.argsort(-counts, kind="stable")
        held = np.cumsum(counts[busiest])
        n_own = int(np.searchsorted(held, np.ceil(coverage * held[-1]))) + 1
        row_of = np.full(n, n_own, np.int64)
        row_of[busiest[:n_own]] = np.arange(n_own)
        return cls(row_of, n_own)
