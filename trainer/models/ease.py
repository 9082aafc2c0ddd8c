"""EASE: the linear item-item model without a diagonal, in closed form.

Steck, "Embarrassingly shallow autoencoders for sparse data" (WWW 2019). With X the [U, N] matrix
of who saw what and P = (X'X + l2 I)^-1: B[i, j] = -P[i, j] / P[j, j], B[j, j] = 0, scores = X B.
The whole matrix, not truncated: the peer that a dot product is measured against. A rating counts
as an interaction, whatever its value.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainer.datasets import DataError
from trainer.features.index import Histories, Interactions
from trainer.models.history_matrix import Core
from trainer.models.interfaces import FittedRetrieval, TrainingData
from trainer.models.item_item import ItemItem
from trainer.search_space import FloatRange, SearchSpace

NAME = "ease"


@dataclass(frozen=True, slots=True)
class Config:
    """Settings, from tuned runs on MovieLens."""

    l2: float = 200.0
    """Above 0."""
    max_movies: int = 15_000
    """Movies in the matrix, the most rated ones, the others score 0; memory grows with its
    square, 2 GB at 15,000."""


SEARCH_SPACE: SearchSpace = {"l2": FloatRange(10.0, 5000.0, log=True)}


def fit(
    data: TrainingData,
    config: Config,
    validation: Interactions | None = None,  # noqa: ARG001 - every model's signature
) -> FittedRetrieval:
    """Solves for the weights between the most rated movies.

    Raises:
      DataError: `l2` is not above 0.
    """
    if config.l2 <= 0:
        raise DataError(f"ease: l2 is {config.l2}, must be above 0")
    # A movie without a row has weights of 0 in the exact solution: it need not be in the matrix.
    core = Core(data.histories, data.n_movies, config.max_movies)
    weights = ItemItem(core.matrix(data.histories), config.l2)

    def scores(histories: Histories) -> NDArray[np.float64]:
        found = np.zeros((len(histories), data.n_movies))
        found[:, core.movies] = weights.scores(core.matrix(histories))
        return found

    return FittedRetrieval(scores, None, config)
