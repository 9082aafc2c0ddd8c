"""A linear tower over recency-weighted histories, in closed form.

EASE (Steck, "Embarrassingly shallow autoencoders for sparse data", WWW 2019) on the history with
weights 1 + 30 exp(-age / 5), factorised: V = top right singular vectors of the training users'
score matrix, history vectors = B V. Stands in where the neural tower does not beat popularity.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from trainer.features.index import IndexArray
from trainer.models.svd import top_right_singular
from trainer.models.towers import RetrievalTowers

NAME = "linear_sequence"


@dataclass(frozen=True, slots=True)
class Config:
    """Hyper-parameters, from tuned runs on MovieLens."""

    dim: int = 128
    l2: float = 200.0
    recency_weight: float = 30.0
    recency_age: float = 5.0
    """Ages over which the extra weight falls to 1/e."""
    max_movies: int = 15_000
    """Movies in the item-item matrix, the most rated ones; memory grows with its square."""


def age_weights(max_age: int, config: Config) -> NDArray[np.float32]:
    """[max_age] weight of a history movie by its age, 0 = newest."""
    ages = np.arange(max_age, dtype=np.float32)
    return 1 + np.float32(config.recency_weight) * np.exp(-ages / np.float32(config.recency_age))


def fit(histories: list[IndexArray], n_movies: int, config: Config) -> RetrievalTowers:
    """Solves for the item-item weights and factorises them.

    Args:
      histories: movie indexes of each user, oldest first; training rows only.
    """
    longest = max((len(history) for history in histories), default=1)
    weights = age_weights(longest, config)
    users = np.repeat(np.arange(len(histories)), [len(history) for history in histories])
    movies = np.concatenate(histories)
    ages = np.concatenate([np.arange(len(history))[::-1] for history in histories])

    counts = np.bincount(movies, minlength=n_movies)
    core = np.sort(np.argsort(-counts, kind="stable")[: config.max_movies])
    position = np.full(n_movies, -1)
    position[core] = np.arange(len(core))
    kept = position[movies] >= 0
    shape = (len(histories), len(core))
    cells = (users[kept], position[movies[kept]])
    seen = csr_array((np.ones(kept.sum()), cells), shape=shape)
    recent = csr_array((weights[ages[kept]].astype(np.float64), cells), shape=shape)

    inverse = np.linalg.inv((seen.T @ seen).toarray() + config.l2 * np.eye(len(core)))
    item_item = -inverse / np.diag(inverse)
    np.fill_diagonal(item_item, 0)

    scores = recent @ item_item
    _, right = top_right_singular(scores, config.dim)
    dim = len(right)
    item_vectors = np.zeros((n_movies, dim + 1), np.float32)
    history_vectors = np.zeros((n_movies, dim + 1), np.float32)
    item_vectors[core, :dim] = right.T
    history_vectors[core, :dim] = item_item @ right.T
    return RetrievalTowers(
        item_vectors=item_vectors,
        history_vectors=history_vectors,
        age_weights=weights,
        base_vector=np.append(np.zeros(dim, np.float32), np.float32(1)),
    )
