"""Embeddings of user and movie beside a frozen vector of the movie's content (source document 002).

rating = sigmoid(dense 1 (ReLU dense 16 (ReLU dense 32 ([join(user, movie), content])))) scaled to
the rating range, squared error, L2 on the embeddings, dropout. join concatenates the embeddings or
multiplies them (see ann_product). The content vectors come from an npz file keyed by movie id, as
the source's do, or are made of the movies' titles.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from trainer.features.index import Interactions
from trainer.features.title_vectors import Weighting
from trainer.features.word_vectors import WHEEL
from trainer.fit import seed_everything
from trainer.models import frozen_vectors, joined
from trainer.models.interfaces import FittedRating, TrainingData

NAME = "hybrid"


@dataclass(frozen=True, slots=True)
class Config(joined.NetConfig):
    """Hyper-parameters; chosen on ml-100k's validation part."""

    dim: int = 16
    decay: float = 0.85
    l2: float = 0.3
    join: joined.Join = "concat"
    first: int = 32
    """Outputs of the first hidden layer."""
    second: int = 16
    """Outputs of the second."""
    movie_vectors: str = ""
    """Path of an npz file with a vector under each movie id; "" = title vectors."""
    words: str = WHEEL
    """Where the words of title vectors come from."""
    weighting: Weighting = "idf"
    """How the words of a title are added up."""


def fit(data: TrainingData, config: Config, validation: Interactions | None = None) -> FittedRating:
    """Trains on the ratings; validation chooses the number of epochs.

    Raises:
      DataError: the content vectors cannot be had.
    """
    if config.movie_vectors:
        path = Path(config.movie_vectors)
        content = frozen_vectors.from_file(path, data.index.movie_ids)
    else:
        content = frozen_vectors.from_titles(data.dataset, config.words, config.weighting)
    seed_everything(config.seed)
    users, movies = joined.own_rows(data)
    # Content that meets ones in the product stands beside the product.
    around, ones = (1.0, content.shape[1]) if config.join == "product" else (0.0, 0)
    known = [joined.Known(frozen_vectors.scaled(content))]
    model = joined.Joined(
        joined.Side(users, config, around=around, ones=ones),
        joined.Side(movies, config, known, around=around),
        joined.Head(config.join, (config.first, config.second), config.dropout, squashed=True),
        data,
    )
    return joined.fitted(NAME, model, data, config, validation)
