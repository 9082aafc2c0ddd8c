"""Embeddings of user and movie, multiplied, one hidden layer, sigmoid (source document 002).

rating = sigmoid(dense 1 (dropout (ReLU dense 10 (dropout (user * movie))))) scaled to the rating
range, squared error, L2 on the embeddings. The source's embeddings start near 0, so that products
start as nothing and neither side learns. Here they start at 1 and L2 draws them there:
(1 + u)(1 + m) = 1 + u + m + um holds each side alone, and both together.
"""

from __future__ import annotations

from dataclasses import dataclass

from trainer.features.index import Interactions
from trainer.fit import seed_everything
from trainer.models import joined
from trainer.models.interfaces import FittedRating, TrainingData

NAME = "ann_product"


@dataclass(frozen=True, slots=True)
class Config(joined.NetConfig):
    """Hyper-parameters; chosen on ml-100k's validation part."""

    dim: int = 16
    learning_rate: float = 0.003
    decay: float = 0.8
    l2: float = 0.3
    hidden: int = 10
    """Outputs of the hidden layer."""


def fit(data: TrainingData, config: Config, validation: Interactions | None = None) -> FittedRating:
    """Trains on the ratings; validation chooses the number of epochs."""
    seed_everything(config.seed)
    users, movies = joined.own_rows(data)
    model = joined.Joined(
        joined.Side(users, config, around=1.0),
        joined.Side(movies, config, around=1.0),
        joined.Head("product", (config.hidden,), config.dropout, squashed=True),
        data,
    )
    return joined.fitted(NAME, model, data, config, validation)
