"""Embeddings of user and movie, concatenated, one hidden layer, sigmoid (source document 002).

rating = sigmoid(dense 1 (dropout (ReLU dense 10 (dropout [user, movie])))) scaled to the rating
range, squared error, L2 on the embeddings. The source scales to 0 to 5 whatever the ratings are,
and drops half of ten hidden outputs, which costs it more than it guards against.
"""

from __future__ import annotations

from dataclasses import dataclass

from trainer.features.index import Interactions
from trainer.fit import seed_everything
from trainer.models import joined
from trainer.models.interfaces import FittedRating, TrainingData

NAME = "ann_concat"


@dataclass(frozen=True, slots=True)
class Config(joined.NetConfig):
    """Hyper-parameters; chosen on ml-100k's validation part."""

    learning_rate: float = 0.005
    decay: float = 0.8
    l2: float = 0.3
    hidden: int = 10
    """Outputs of the hidden layer."""


def fit(data: TrainingData, config: Config, validation: Interactions | None = None) -> FittedRating:
    """Trains on the ratings; validation chooses the number of epochs."""
    seed_everything(config.seed)
    users, movies = joined.own_rows(data)
    model = joined.Joined(
        joined.Side(users, config),
        joined.Side(movies, config),
        joined.Head("concat", (config.hidden,), config.dropout, squashed=True),
        data,
    )
    return joined.fitted(NAME, model, data, config, validation)
