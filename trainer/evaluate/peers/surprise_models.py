"""scikit-surprise: biases, matrix factorisation by SGD, and neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import surprise

from trainer.evaluate.peers.fitting import FittedPeer, PeerTraining
from trainer.evaluate.question import Shown
from trainer.evaluate.scorers import FloatArray
from trainer.features.index import IndexArray

_UNKNOWN = -1
"""A user id that no training set holds."""


def fit(
    training: PeerTraining, algorithm: str, settings: Mapping[str, Any], seed: int
) -> FittedPeer:
    """Fits BaselineOnly, SVD, SVDpp or KNNBaseline."""
    # Stochastic gradient descent goes through the rows as they come: by time it learns worse.
    shuffled = np.random.default_rng(seed).permutation(len(training.rows))
    rows = training.rows.where(shuffled)
    table = pd.DataFrame({"user": rows.users, "item": rows.movies, "rating": rows.ratings})
    reader = surprise.Reader(rating_scale=training.rating_range)
    trainset = surprise.Dataset.load_from_df(table, reader).build_full_trainset()
    options = dict(settings)
    if algorithm in ("SVD", "SVDpp"):
        options["random_state"] = seed
    else:
        options["verbose"] = False
    model = getattr(surprise, algorithm)(**options)
    model.fit(trainset)
    return FittedPeer(_Ratings(model), None, _parameters(model))


@dataclass(frozen=True, eq=False)
class _Ratings:
    model: Any

    def rate(self, shown: Shown, position: IndexArray, movies: IndexArray) -> FloatArray:
        # These models place nobody by a history: a stranger gets what they say of unknown users.
        users = np.full(len(position), _UNKNOWN) if shown.strangers else shown.users[position]
        pairs = zip(users.tolist(), movies.tolist(), strict=True)
        return np.array([self.model.predict(u, m, clip=False).est for u, m in pairs], np.float64)


def _parameters(model: Any) -> int:
    names = ("pu", "qi", "yj", "bu", "bi", "bx", "by", "sim")
    arrays = [getattr(model, name) for name in names if hasattr(model, name)]
    return 1 + sum(np.asarray(array).size for array in arrays)
