"""Ridge regression from what a user watched lately to what comes next (SeqRidge).

One row for each position of each user's sequence: z = weights exp(-age / tau) of the `window`
movies up to it, y = weights exp(-(steps - 1) / future_tau) of the `future` movies after it;
B = (Z'Z + l2 E)^-1 Z'Y.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg
from scipy.sparse import csr_array

from trainer.features.index import Histories
from trainer.models.history_matrix import Core

Array64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Window:
    """Which movies before and after a position count, and how much."""

    past: int = 20
    past_tau: float = 5.0
    future: int = 20
    future_tau: float = 10.0


class Successors:
    """B for the movies of a core."""

    def __init__(
        self, histories: Histories, core: Core, window: Window, l2: float, max_positions: int
    ) -> None:
        """Solves for it.

        Args:
          max_positions: positions that are learnt from; with more, every k-th one is.
        """
        n_positions = int((histories.lengths() - 1).clip(min=0).sum())
        step = max(1, -(-n_positions // max_positions))
        gram = np.zeros((len(core), len(core)))
        self._to_future: csr_array = csr_array(gram.shape)
        for past, future in _chunks(histories, core, window, step):
            gram += (past.T @ past).toarray()
            self._to_future = self._to_future + past.T @ future
        gram[np.diag_indices_from(gram)] += l2
        self._factor = linalg.cho_factor(gram, overwrite_a=True, check_finite=False)

    def scores(self, histories: csr_array) -> Array64:
        """[n, C]: histories [n, C] times B."""
        solved = linalg.cho_solve(self._factor, histories.toarray().T, check_finite=False)
        return np.asarray((self._to_future.T @ solved).T)

    def times(self, vectors: Array64) -> Array64:
        """[C, d]: B times [C, d] vectors."""
        return np.asarray(
            linalg.cho_solve(self._factor, self._to_future @ vectors, check_finite=False)
        )


_USERS_AT_ONCE = 5_000


def _chunks(
    histories: Histories, core: Core, window: Window, step: int
) -> Iterator[tuple[csr_array, csr_array]]:
    """Z and Y of some users at a time."""
    for start in range(0, len(histories), _USERS_AT_ONCE):
        rows = _Rows(), _Rows()
        n_rows = 0
        for movies in histories.movies[start : start + _USERS_AT_ONCE]:
            ends = np.arange(0, len(movies) - 1, step)
            position = core.positions(movies)
            steps = np.arange(len(movies))[None, :] - ends[:, None]
            for part, age, tau, kept in (
                (rows[0], -steps, window.past_tau, (steps <= 0) & (steps > -window.past)),
                (rows[1], steps - 1, window.future_tau, (steps > 0) & (steps <= window.future)),
            ):
                row, column = np.nonzero(kept & (position >= 0))
                part.add(n_rows + row, position[column], np.exp(-age[row, column] / tau))
            n_rows += len(ends)
        shape = n_rows, len(core)
        yield rows[0].matrix(shape), rows[1].matrix(shape)


class _Rows:
    """Cells of a sparse matrix as they come."""

    def __init__(self) -> None:
        self._cells: list[tuple[NDArray[np.int64], NDArray[np.int64], Array64]] = []

    def add(self, rows: NDArray[np.int64], columns: NDArray[np.int64], values: Array64) -> None:
        self._cells.append((rows, columns, values))

    def matrix(self, shape: tuple[int, int]) -> csr_array:
        if not self._cells:
            return csr_array(shape)
        rows, columns, values = (np.concatenate(part) for part in zip(*self._cells, strict=True))
        return csr_array((values, (rows, columns)), shape=shape)
