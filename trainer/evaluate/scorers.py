"""How a model is asked for ratings and for ranked lists, wherever it lives.

The two protocols are all that the measuring knows of a model: exported SavedModels, live objects
and peers each have their own adapter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from trainer.evaluate.question import BoolArray, Shown
from trainer.features.index import IndexArray
from trainer.metrics import top_k

FloatArray = npt.NDArray[np.floating[Any]]

DEPTH = 200
"""Movies of each list that are looked at; `recommend` answers so many."""


@dataclass(frozen=True, eq=False)
class Ranking:
    """What a model ranks for B users."""

    lists: IndexArray
    """[B, DEPTH] movie_index, best first; -1 = no more."""
    scores: FloatArray | None
    """[B, N] behind the lists, -inf where excluded; None where the model tells its list alone."""


class RatingScorer(Protocol):
    """Predicts ratings."""

    def rate(self, shown: Shown, position: IndexArray, movies: IndexArray) -> FloatArray:
        """[n] ratings, not clipped, of movies [n] by the users at [n] positions of `shown`."""
        ...


class TopNScorer(Protocol):
    """Ranks movies."""

    topn_of: str
    """As `Row.topn_of`."""

    def rank(self, shown: Shown, excluded: BoolArray) -> Ranking:
        """Ranks for the B users of `shown` all movies that [B, N] `excluded` leaves."""
        ...


@dataclass(frozen=True, eq=False)
class ScoreRanking:
    """Ranks by full rows of scores."""

    scores: Callable[[Shown], FloatArray]
    """[B, N]"""
    topn_of: str = "scores"

    def rank(self, shown: Shown, excluded: BoolArray) -> Ranking:
        scores = np.array(self.scores(shown), np.float64)
        if scores.shape != excluded.shape or not np.isfinite(scores).all():
            raise ValueError(f"scores must be finite and of shape {excluded.shape}")
        scores[excluded] = -np.inf
        return Ranking(top_k(scores, DEPTH), scores)
