"""A linear tower for users with few ratings: from the first movies to all later ones.

Item-item models lose to popularity while a history is short: they were fitted on whole histories.
This one is fitted on beginnings. Rows: every training user, cut after each of `cuts` ratings;
z = 1 and the multi-hot of what came before the cut, y = the multi-hot of all that came after;
B = (Z'Z + penalties)^-1 Z'Y. The constant's row is popularity counted late, which is what an
unknown user is served. Factorised: V = top right singular vectors of the users' scores after the
last cut.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from scipy import linalg
from scipy.sparse import csr_array, vstack

from trainer.features.index import Histories, Interactions
from trainer.models.history_matrix import Core, some_users
from trainer.models.interfaces import FittedRetrieval, TrainingData
from trainer.models.liking import LikingConfig
from trainer.models.svd import top_right_singular
from trainer.models.towers import RetrievalTowers, one_tower
from trainer.search_space import FloatRange, IntRange, SearchSpace

NAME = "prefix"

CUTS = (0, 1, 2, 3, 5, 7, 10, 15, 20)


@dataclass(frozen=True, slots=True)
class Config:
    """Hyper-parameters, chosen on cold-100k's validation twin."""

    dim: int = 32
    l2: float = 1000.0
    """Penalty of a movie's row; the constant's is 0.001."""
    max_movies: int = 15_000
    """Movies that are predicted and read, the most rated ones."""
    min_count: int = 2
    """Beginnings that a movie must stand in to be read."""
    liking: LikingConfig = field(default_factory=LikingConfig)


SEARCH_SPACE: SearchSpace = {
    "dim": IntRange(8, 128, log=True),
    "l2": FloatRange(100.0, 10_000.0, log=True),
}


def fit(
    data: TrainingData, config: Config, validation: Interactions | None = None
) -> FittedRetrieval:
    """Solves for the weights and factorises them; `validation` is not read."""
    del validation
    towers = towers_of(data, config)
    return FittedRetrieval(scores=towers.scores, towers=towers, config=config)


def towers_of(data: TrainingData, config: Config) -> RetrievalTowers:
    """The towers alone; the last column of the item vectors is what everybody is served."""
    histories = some_users(data.histories)
    core = Core(histories, data.n_movies, config.max_movies)
    beginnings = histories.first(CUTS[-1])
    read = Core(beginnings, data.n_movies, config.max_movies, config.min_count)
    gram, to_later = _products(histories, read, core)
    penalties = np.full(len(gram), config.l2)
    penalties[0] = 1e-3
    gram[np.diag_indices_from(gram)] += penalties
    weights = linalg.solve(gram, to_later, assume_a="pos", overwrite_a=True, overwrite_b=True)

    everybody, by_movie = weights[0], weights[1:]
    scores = read.matrix(beginnings) @ by_movie
    _, right = top_right_singular(scores, config.dim)
    dim = len(right)
    item_vectors = np.append(right.T, everybody[:, None], axis=1)
    history_vectors = np.append(by_movie @ right.T, np.zeros((len(read), 1)), axis=1)
    towers = one_tower(
        item_vectors=core.spread(item_vectors),
        history_vectors=read.spread(history_vectors),
        age_weights=np.ones(1, np.float32),
        base_vector=np.append(np.zeros(dim, np.float32), np.float32(1)),
    )
    return replace(towers, liking=config.liking.on(data.rating_range))


def _products(histories: Histories, read: Core, core: Core) -> tuple[np.ndarray, np.ndarray]:
    """Z'Z and Z'Y, dense, over all cuts."""
    whole = core.matrix(histories)
    gram = np.zeros((1 + len(read), 1 + len(read)))
    to_later = np.zeros((1 + len(read), len(core)))
    for cut in CUTS:
        # Who rated no more than that has nothing later to predict.
        longer = np.flatnonzero(histories.lengths() > cut)
        if not len(longer):
            continue
        before = histories.of(longer).first(cut)
        ones = csr_array(np.ones((len(longer), 1)))
        rows = csr_array(_beside(ones, read.matrix(before)))
        later = csr_array(whole[longer] - core.matrix(before))
        gram += (rows.T @ rows).toarray()
        to_later += (rows.T @ later).toarray()
    return gram, to_later


def _beside(left: csr_array, right: csr_array) -> csr_array:
    return csr_array(vstack([left.T, right.T]).T)
