"""The movies of the highest shrunk mean rating first.

score = (sum of ratings + C mu) / (count + C), with mu the mean of all training ratings: a movie
starts as C average ones and has to earn its place. The smooth form of `highest_rated`'s threshold.
"""

from __future__ import annotations

from dataclasses import dataclass

from trainer import baselines
from trainer.features.index import Interactions
from trainer.models.interfaces import FittedRetrieval, TrainingData
from trainer.search_space import FloatRange, SearchSpace

NAME = "bayesian_average"


@dataclass(frozen=True, slots=True)
class Config:
    """Settings."""

    pseudo_count: float = 500.0
    """C: ratings of the mean that are added to a movie's own, above 0. The default is within 0.002
    NDCG@10 of the best on the validation parts of ml-100k and ml-latest-small."""


SEARCH_SPACE: SearchSpace = {"pseudo_count": FloatRange(1.0, 5000.0, log=True)}


def fit(
    data: TrainingData,
    config: Config,
    validation: Interactions | None = None,  # noqa: ARG001 - every model's signature
) -> FittedRetrieval:
    """Averages the training rows of each movie."""
    scores = baselines.shrunk_means(
        data.rows.movies, data.rows.ratings, data.n_movies, config.pseudo_count
    )
    return FittedRetrieval(baselines.for_everybody(scores), None, config)
