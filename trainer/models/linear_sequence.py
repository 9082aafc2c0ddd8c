"""A linear two-tower over recency-weighted histories, in closed form.

Two item-item models of what comes next - EASE (Steck, WWW 2019) and a ridge regression from recent
to following movies (`successors`) - read the same history, each movie weighted by
exp(-age / tau) + floor. Their scores, scaled to unit variance, are added and factorised:
V = top right singular vectors of the training users' scores, history vectors = B V. One table, one
dot product, and new users fold in.

What it learns is in part the order in which MovieLens showed its lists: see docs/quality.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from trainer.features.index import Interactions
from trainer.models.history_matrix import Core, some_users
from trainer.models.interfaces import FittedRetrieval, TrainingData
from trainer.models.item_item import ItemItem
from trainer.models.liking import LikingConfig
from trainer.models.successors import Successors, Window
from trainer.models.svd import top_right_singular
from trainer.models.towers import RetrievalTowers, one_tower
from trainer.search_space import FloatRange, SearchSpace

NAME = "linear_sequence"
OLDEST = 64
"""Ages beyond it weigh the floor."""


@dataclass(frozen=True, slots=True)
class Config:
    """Hyper-parameters, chosen on ls-temporal's validation part."""

    dim: int = 158
    """With the other towers of `gated_linear` 255 columns."""
    tau: float = 5.0
    """Ages over which a movie's extra weight falls to 1/e."""
    floor: float = 0.05
    """What the oldest movies still weigh."""
    item_item_l2: float = 200.0
    item_item_weight: float = 1.0
    """Of the first model's scores beside the second's."""
    successors_l2: float = 150.0
    window: Window = field(default_factory=Window)
    min_count: int = 3
    """Histories that a movie must stand in to have successors."""
    max_movies: int = 15_000
    """Movies in the item-item matrices, the most rated ones; memory grows with its square."""
    max_positions: int = 1_000_000
    """Positions that successors are learnt from."""
    liking: LikingConfig = field(default_factory=LikingConfig)


SEARCH_SPACE: SearchSpace = {
    "tau": FloatRange(2.0, 20.0, log=True),
    "floor": FloatRange(0.005, 0.3, log=True),
    "item_item_weight": FloatRange(0.2, 3.0, log=True),
    "item_item_l2": FloatRange(50.0, 2000.0, log=True),
    "successors_l2": FloatRange(20.0, 1000.0, log=True),
}


def age_weights(config: Config) -> NDArray[np.float32]:
    """[OLDEST + 1] weight of a history movie by its age, 0 = newest."""
    ages = np.arange(OLDEST, dtype=np.float32)
    falling = np.exp(-ages / np.float32(config.tau)) + np.float32(config.floor)
    return np.append(falling, np.float32(config.floor))


def fit(
    data: TrainingData, config: Config, validation: Interactions | None = None
) -> FittedRetrieval:
    """Solves both models and factorises their sum; `validation` is not read."""
    del validation
    towers = towers_of(data, config)
    return FittedRetrieval(scores=towers.scores, towers=towers, config=config)


def towers_of(data: TrainingData, config: Config) -> RetrievalTowers:
    """The towers alone."""
    histories, weights = data.histories, age_weights(config)
    core = Core(histories, data.n_movies, config.max_movies)
    item_item = ItemItem(core.matrix(histories), config.item_item_l2)
    followed = Core(histories, data.n_movies, config.max_movies, config.min_count)
    successors = Successors(
        histories, followed, config.window, config.successors_l2, config.max_positions
    )
    inside = core.positions(followed.movies)

    asked = some_users(histories)
    by_items = item_item.scores(core.matrix(asked, weights))
    by_order = np.zeros_like(by_items)
    by_order[:, inside] = successors.scores(followed.matrix(asked, weights))
    # A world without order, or without anything shared, has a model that says nothing.
    items_share = config.item_item_weight / (by_items.std() or 1.0)
    order_share = 1 / (by_order.std() or 1.0)
    _, right = top_right_singular(items_share * by_items + order_share * by_order, config.dim)

    history_vectors = items_share * item_item.times(right.T)
    history_vectors[inside] += order_share * successors.times(right.T[inside])
    towers = one_tower(
        item_vectors=core.spread(right.T),
        history_vectors=core.spread(history_vectors),
        age_weights=weights,
        base_vector=np.zeros(len(right), np.float32),
    )
    return replace(towers, liking=config.liking.on(data.rating_range))
