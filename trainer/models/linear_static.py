"""A linear two-tower that ignores the order of a history: EASE, factorised.

Steck, "Embarrassingly shallow autoencoders for sparse data", WWW 2019. V = top right singular
vectors of the training users' scores, history vectors = B V: a dot product that folds in new users
and keeps 98 % of the full matrix' NDCG. Ratings below the middle push away (`liking`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from trainer.features.index import Interactions
from trainer.models.history_matrix import Core, some_users
from trainer.models.interfaces import FittedRetrieval, TrainingData
from trainer.models.item_item import ItemItem
from trainer.models.liking import LikingConfig
from trainer.models.svd import top_right_singular
from trainer.models.towers import RetrievalTowers, one_tower
from trainer.search_space import FloatRange, IntRange, SearchSpace

NAME = "linear_static"


@dataclass(frozen=True, slots=True)
class Config:
    """Hyper-parameters, chosen on validation parts of MovieLens."""

    dim: int = 128
    l2: float = 300.0
    max_movies: int = 15_000
    """Movies in the item-item matrix, the most rated ones; memory grows with its square."""
    liking: LikingConfig = field(default_factory=LikingConfig)


SEARCH_SPACE: SearchSpace = {
    "dim": IntRange(16, 256, log=True),
    "l2": FloatRange(10.0, 5000.0, log=True),
}


def fit(
    data: TrainingData, config: Config, validation: Interactions | None = None
) -> FittedRetrieval:
    """Solves for the item-item weights and factorises them; `validation` is not read."""
    del validation
    towers = towers_of(data, config)
    return FittedRetrieval(scores=towers.scores, towers=towers, config=config)


def towers_of(data: TrainingData, config: Config) -> RetrievalTowers:
    """The towers alone."""
    core = Core(data.histories, data.n_movies, config.max_movies)
    item_item = ItemItem(core.matrix(data.histories), config.l2)
    scores = item_item.scores(core.matrix(some_users(data.histories)))
    _, right = top_right_singular(scores, config.dim)
    towers = one_tower(
        item_vectors=core.spread(right.T),
        history_vectors=core.spread(item_item.times(right.T)),
        age_weights=np.ones(1, np.float32),
        base_vector=np.zeros(len(right), np.float32),
    )
    return replace(towers, liking=config.liking.on(data.rating_range))
