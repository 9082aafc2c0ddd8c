"""Asks the live objects that a fit returns, for baselines that no graph serves."""

from __future__ import annotations

from dataclasses import dataclass

from trainer.evaluate.question import Shown
from trainer.evaluate.scorers import FloatArray, ScoreRanking
from trainer.features.index import IndexArray
from trainer.models.interfaces import FittedRating, FittedRetrieval


@dataclass(frozen=True, eq=False)
class LiveRating:
    """A live object asked by the user's index; of a stranger it knows nothing but that."""

    fitted: FittedRating

    def rate(self, shown: Shown, position: IndexArray, movies: IndexArray) -> FloatArray:
        return self.fitted.predict(shown.users[position], movies)


def live_ranking(fitted: FittedRetrieval) -> ScoreRanking:
    """The live object's own scores of the shown histories."""
    return ScoreRanking(lambda shown: fitted.scores(shown.histories))
