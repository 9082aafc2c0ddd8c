"""Embeddings of user and movie, concatenated, through dense layers (source document 003).

rating = dense 1 (ReLU dense 64 (ReLU dense 256 ([user, movie]))), squared error. The source keys
movies by title, and titles repeat; it trains by Adagrad for 40 epochs.
"""

from __future__ import annotations

from dataclasses import dataclass

from trainer.features.index import Interactions
from trainer.fit import seed_everything
from trainer.models import joined
from trainer.models.interfaces import FittedRating, TrainingData

NAME = "mlp"


@dataclass(frozen=True, slots=True)
class Config(joined.NetConfig):
    """Hyper-parameters; chosen on ml-100k's validation part."""

    dim: int = 16
    l2: float = 0.3
    first: int = 256
    """Outputs of the first hidden layer."""
    second: int = 64
    """Outputs of the second."""


def fit(data: TrainingData, config: Config, validation: Interactions | None = None) -> FittedRating:
    """Trains on the ratings; validation chooses the number of epochs."""
    seed_everything(config.seed)
    users, movies = joined.own_rows(data)
    model = joined.Joined(
        joined.Side(users, config),
        joined.Side(movies, config),
        joined.Head("concat", (config.first, config.second), config.dropout),
        data,
    )
    return joined.fitted(NAME, model, data, config, validation)
