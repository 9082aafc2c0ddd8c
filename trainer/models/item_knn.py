"""Movies that are like those of the history, by who has seen them.

Deshpande and Karypis, "Item-based top-N recommendation algorithms" (TOIS 2004), with shrinkage:
similarity(i, j) = c_ij / (sqrt(c_i c_j) + shrinkage), c = users who saw both, or one. Of each
movie's similarities the `neighbours` largest are kept; score(j) = their sum over the history.
A rating counts as an interaction, whatever its value.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array, csr_array

from trainer.features.index import Histories, Interactions
from trainer.models.history_matrix import Core
from trainer.models.interfaces import FittedRetrieval, TrainingData
from trainer.search_space import FloatRange, IntRange, SearchSpace

NAME = "item_knn"

_BLOCK = 512
"""Movies whose similarities to all others are in memory at once."""


@dataclass(frozen=True, slots=True)
class Config:
    """Settings, from tuned runs on MovieLens."""

    neighbours: int = 200
    """Similar movies that a movie keeps, at least 1."""
    shrinkage: float = 20.0
    """Holds back the similarities of movies that few have seen, 0 or more."""


SEARCH_SPACE: SearchSpace = {
    "neighbours": IntRange(5, 1000, log=True),
    "shrinkage": FloatRange(0.1, 1000.0, log=True),
}


def similarities(seen: csr_array, config: Config) -> csc_array:
    """[N, N]; column j holds the movies that are most like j, and no more than `neighbours`.

    Args:
      seen: [U, N] of 0 and 1.
    """
    n_movies = seen.shape[1]
    n_kept = min(config.neighbours, n_movies)
    norms = np.sqrt(seen.sum(axis=0))
    by_column = seen.tocsc()
    movies, values, counts = [], [], []
    for start in range(0, n_movies, _BLOCK):
        block = np.arange(start, min(start + _BLOCK, n_movies))
        # [b, N], a row for each movie of the block
        both = (by_column[:, block].T @ seen).toarray()
        likeness = np.divide(
            both,
            norms[block, None] * norms + config.shrinkage,
            out=np.zeros_like(both),
            where=both > 0,
        )
        likeness[np.arange(len(block)), block] = 0
        nearest = np.argpartition(-likeness, n_kept - 1, axis=1)[:, :n_kept]
        found = np.take_along_axis(likeness, nearest, axis=1)
        movies.append(nearest[found > 0])
        values.append(found[found > 0])
        counts.append((found > 0).sum(axis=1))
    starts = np.concatenate([[0], np.cumsum(np.concatenate(counts))])
    cells = (np.concatenate(values), np.concatenate(movies), starts)
    return csc_array(cells, shape=(n_movies, n_movies))


def fit(
    data: TrainingData,
    config: Config,
    validation: Interactions | None = None,  # noqa: ARG001 - every model's signature
) -> FittedRetrieval:
    """Counts who saw what together."""
    core = Core(data.histories, data.n_movies, at_most=data.n_movies)
    alike = similarities(core.matrix(data.histories), config)

    def scores(histories: Histories) -> NDArray[np.float64]:
        found = np.zeros((len(histories), data.n_movies))
        found[:, core.movies] = (core.matrix(histories) @ alike).toarray()
        return found

    return FittedRetrieval(scores, None, config)
