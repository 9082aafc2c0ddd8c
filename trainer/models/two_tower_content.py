"""Two towers, the movie's with genres and title words (source document 000, its better model).

The user tower is an embedding and two ReLU layers. The movie tower has, beside the embedding, the
genres, and the title through a softmax layer. rating = dense 1 (ReLU dense 20 (ReLU dense 40
(user * movie))), squared error, a learning rate that falls, early stopping. Users and movies beyond
the busiest that hold 80 % of the ratings share an embedding row; a movie keeps its content.

The source joins genres and titles to the wrong ratings, and watches a validation loss that it does
not compute. Its title vectors are sums of GloVe vectors; here the tower reads the words themselves.
"""

from __future__ import annotations

from dataclasses import dataclass

from trainer.features.index import Interactions
from trainer.fit import seed_everything
from trainer.models import joined
from trainer.models.interfaces import FittedRating, TrainingData

NAME = "two_tower_content"


@dataclass(frozen=True, slots=True)
class Config(joined.NetConfig):
    """Hyper-parameters; chosen on ml-100k's validation part."""

    dim: int = 25
    decay: float = 0.8
    coverage: float = 0.8
    """Share of the training rows whose users, and whose movies, have rows of their own."""
    title: int = 25
    """Outputs of the softmax layer over the title's words."""
    inner: int = 100
    """Outputs of each tower's first layer."""
    tower: int = 50
    """Outputs of each tower."""
    first: int = 40
    """Outputs of the first hidden layer after the product."""
    second: int = 20
    """Outputs of the second."""


def fit(data: TrainingData, config: Config, validation: Interactions | None = None) -> FittedRating:
    """Trains on the ratings; validation chooses the number of epochs."""
    seed_everything(config.seed)
    users, movies = joined.own_rows(data, config.coverage)
    known = [
        joined.Known(data.movie_rows.of("words"), squashed_to=config.title),
        joined.Known(data.movie_rows.of("genres")),
    ]
    layers = (config.inner, config.tower)
    model = joined.Joined(
        joined.Side(users, config, layers=layers),
        joined.Side(movies, config, known, layers=layers),
        joined.Head("product", (config.first, config.second), config.dropout),
        data,
    )
    return joined.fitted(NAME, model, data, config, validation)
