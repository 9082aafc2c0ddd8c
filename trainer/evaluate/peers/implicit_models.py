"""implicit: alternating least squares and Bayesian personalised ranking."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from implicit.als import AlternatingLeastSquares
from implicit.bpr import BayesianPersonalizedRanking
from scipy import sparse
from threadpoolctl import threadpool_limits

from trainer.evaluate.peers.fitting import FittedPeer, PeerTraining
from trainer.evaluate.question import Shown
from trainer.evaluate.scorers import FloatArray, ScoreRanking
from trainer.features.index import Histories

_NOTE = "a user without any history is answered by popularity"
_NOTE_BPR = "BPR places no new user: strangers are answered by popularity"


def fit(
    training: PeerTraining, algorithm: str, settings: Mapping[str, Any], seed: int
) -> FittedPeer:
    """Fits ALS or BPR; every rating is an interaction."""
    rows = training.rows
    interactions = sparse.csr_matrix(
        (np.ones(len(rows), np.float32), (rows.users, rows.movies)),
        shape=(training.n_users, training.n_movies),
    )
    # One thread: with more, BPR's updates race and a seed means nothing; ALS warns about BLAS.
    with threadpool_limits(1, "blas"):
        kind = {"ALS": AlternatingLeastSquares, "BPR": BayesianPersonalizedRanking}[algorithm]
        model = kind(**settings, num_threads=1, random_state=seed)
        model.fit(interactions, show_progress=False)
    popularity = np.bincount(rows.movies, minlength=training.n_movies).astype(np.float64)
    scores = _Scores(model, popularity, folds_in=algorithm == "ALS")
    parameters = model.user_factors.size + model.item_factors.size
    notes = (_NOTE,) if algorithm == "ALS" else (_NOTE, _NOTE_BPR)
    return FittedPeer(None, ScoreRanking(scores), parameters, notes)


@dataclass(frozen=True, eq=False)
class _Scores:
    model: Any
    popularity: npt.NDArray[np.float64]
    folds_in: bool

    def __call__(self, shown: Shown) -> FloatArray:
        if not shown.strangers:
            vectors = self.model.user_factors[shown.users]
        elif self.folds_in:
            history = _matrix(shown.histories, len(self.popularity))
            with threadpool_limits(1, "blas"):
                vectors = self.model.recalculate_user(np.arange(len(shown)), history)
        else:
            return np.tile(self.popularity, (len(shown), 1))
        scores = vectors @ self.model.item_factors.T
        empty = shown.histories.lengths() == 0
        return np.where(empty[:, None], self.popularity, scores)


def _matrix(histories: Histories, n_movies: int) -> sparse.csr_matrix:
    lengths = histories.lengths()
    return sparse.csr_matrix(
        (
            np.ones(lengths.sum(), np.float32),
            np.concatenate(histories.movies),
            np.concatenate([[0], np.cumsum(lengths)]),
        ),
        shape=(len(histories), n_movies),
    )
