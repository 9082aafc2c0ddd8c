"""The rating that training has most often, for every pair (source document 000, "Majority").

Of levels that are equally frequent the lowest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trainer.features.index import Interactions
from trainer.models.interfaces import FittedRating, TrainingData

NAME = "majority"


@dataclass(frozen=True, slots=True)
class Config:
    """No settings."""


def fit(
    data: TrainingData,
    config: Config,
    validation: Interactions | None = None,  # noqa: ARG001 - every model's signature
) -> FittedRating:
    """Counts the levels of the training rows."""
    levels, counts = np.unique(data.rows.ratings, return_counts=True)
    most_frequent = float(levels[counts.argmax()])
    return FittedRating(lambda users, _: np.full(len(users), most_frequent), None, config)
