"""The mean of the training ratings, for every pair (source document 000, "Mean")."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trainer.features.index import Interactions
from trainer.models.interfaces import FittedRating, TrainingData

NAME = "mean"


@dataclass(frozen=True, slots=True)
class Config:
    """No settings."""


def fit(
    data: TrainingData,
    config: Config,
    validation: Interactions | None = None,  # noqa: ARG001 - every model's signature
) -> FittedRating:
    """Averages the training rows."""
    mean = float(data.rows.ratings.mean(dtype=np.float64))
    return FittedRating(lambda users, _: np.full(len(users), mean), None, config)
