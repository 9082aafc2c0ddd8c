"""Two towers of ids, multiplied, through a dense layer (source document 000, its first model).

A tower is an embedding and a ReLU layer; rating = dense 1 (ReLU dense 10 (user * movie)), squared
error. The busiest users and movies that hold 80 % of the ratings have embedding rows of their own,
all others share one. The source stops when the training loss does not fall any more, which is
after it has learnt the training rows by heart; here validation decides.
"""

from __future__ import annotations

from dataclasses import dataclass

from trainer.features.index import Interactions
from trainer.fit import seed_everything
from trainer.models import joined
from trainer.models.interfaces import FittedRating, TrainingData

NAME = "two_tower_rating"


@dataclass(frozen=True, slots=True)
class Config(joined.NetConfig):
    """Hyper-parameters; chosen on ml-100k's validation part."""

    dim: int = 25
    usual_epochs: int = 10
    coverage: float = 0.8
    """Share of the training rows whose users, and whose movies, have rows of their own."""
    tower: int = 20
    """Outputs of each tower."""
    hidden: int = 10
    """Outputs of the hidden layer after the product."""


def fit(data: TrainingData, config: Config, validation: Interactions | None = None) -> FittedRating:
    """Trains on the ratings; validation chooses the number of epochs."""
    seed_everything(config.seed)
    users, movies = joined.own_rows(data, config.coverage)
    model = joined.Joined(
        joined.Side(users, config, layers=(config.tower,)),
        joined.Side(movies, config, layers=(config.tower,)),
        joined.Head("product", (config.hidden,), config.dropout),
        data,
    )
    return joined.fitted(NAME, model, data, config, validation)
