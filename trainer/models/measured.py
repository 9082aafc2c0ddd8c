"""How good a model is on rows that it did not learn from, such as those of validation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from trainer import metrics
from trainer.features.index import Histories, IndexArray, Interactions
from trainer.models.interfaces import FittedRating, FittedRetrieval, TrainingData

USERS_MEASURED: Final = 5_000
"""Users whose lists are measured, drawn at random where there are more: enough to tell models
apart, and a fit that is measured after each epoch must not be outweighed by that."""


class NotFiniteError(ArithmeticError):
    """A model answered with something that is no number: its fit diverged."""


def top_n(
    scores: Callable[[Histories], NDArray[np.floating]],
    data: TrainingData,
    held_out: Interactions,
    ks: Sequence[int] = (10,),
) -> dict[str, float]:
    """Recall, NDCG, MRR and coverage of full rankings; see `trainer.metrics.evaluate_topn`.

    Each user's history is what stands in `data.rows`; those movies are no candidates. Of more
    than USERS_MEASURED users some are drawn, always the same ones.

    Args:
      scores: histories of B users -> [B, N].
      held_out: rows of the same users.

    Raises:
      NotFiniteError: a score is no number.
    """

    def of_users(users: NDArray[np.int64]) -> NDArray[np.floating]:
        found = scores(data.histories.of(users))
        if not np.isfinite(found).all():
            raise NotFiniteError("a score is not finite")
        return found

    asked = some_users(held_out)
    return metrics.evaluate_topn(
        of_users,
        (data.rows.users, data.rows.movies),
        (asked.users, asked.movies),
        data.n_movies,
        ks=ks,
    ).metrics


def some_users(held_out: Interactions) -> Interactions:
    """All rows of USERS_MEASURED users, drawn with a fixed seed; all rows where there are fewer."""
    users = np.random.default_rng(0).permutation(np.unique(held_out.users))[:USERS_MEASURED]
    return held_out.where(np.isin(held_out.users, users))


def rating_errors(
    predict: Callable[[IndexArray, IndexArray], NDArray[np.floating]],
    data: TrainingData,
    held_out: Interactions,
) -> dict[str, float]:
    """RMSE and MAE of predictions clipped to the data set's range.

    Raises:
      NotFiniteError: a prediction is no number.
    """
    predicted = predict(held_out.users, held_out.movies)
    if not np.isfinite(predicted).all():
        raise NotFiniteError("a predicted rating is not finite")
    clipped = np.clip(predicted, *data.rating_range)
    return {
        "rmse": metrics.rmse(held_out.ratings, clipped),
        "mae": metrics.mae(held_out.ratings, clipped),
    }


def figures(
    fitted: FittedRating | FittedRetrieval, data: TrainingData, held_out: Interactions
) -> dict[str, float]:
    """`rating_errors` or `top_n` of a fitted model, by what it is for."""
    if isinstance(fitted, FittedRating):
        return rating_errors(fitted.predict, data, held_out)
    return top_n(fitted.scores, data, held_out)
