"""Exports one model by itself, so that what is scored is a SavedModel and no live object.

`train` exports pairs: a rating and a retrieval model in one release. Here the other one of the pair
is nothing at all: towers of zeros, which leave the order and the ratings as the model has them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from trainer.datasets import Col
from trainer.evaluate.saved_models import ReleaseScorer
from trainer.export.graphs import SERVABLES
from trainer.export.ingredients import Towers, catalogue_masks
from trainer.features.profiles import build_vocabulary
from trainer.models.interfaces import TrainingData
from trainer.models.rating_net import RatingNet
from trainer.models.similarity import Similarity
from trainer.models.towers import RatingTowers, RetrievalTowers, held_back_bias, one_tower


def export_rating(
    towers: RatingTowers | RatingNet, data: TrainingData, folder: Path
) -> ReleaseScorer:
    """Saves `ranking` with this model in it, as a release would.

    Args:
      towers: with a row for every user of the data set.
      folder: exists; the SavedModel is written into it.
    """
    parts = _towers(data, _no_retrieval(data.n_movies), towers)
    SERVABLES["ranking"](parts).save(str(folder / "ranking"))
    return ReleaseScorer(folder, data.index, len(data.dataset.genres))


def export_retrieval(towers: RetrievalTowers, data: TrainingData, folder: Path) -> ReleaseScorer:
    """Saves `recommend` with this model in it; the predicted rating has no weight.

    Args:
      folder: exists; the SavedModel is written into it.
    """
    parts = _towers(data, towers, _no_rating(data))
    SERVABLES["recommend"](parts).save(str(folder / "recommend"))
    return ReleaseScorer(folder, data.index, len(data.dataset.genres))


def _towers(
    data: TrainingData, retrieval: RetrievalTowers, rating: RatingTowers | RatingNet
) -> Towers:
    dataset, index = data.dataset, data.index
    # A user without training rows has nothing stored, only a random start.
    active = np.flatnonzero(data.histories.lengths() > 0)
    nothing = np.zeros((data.n_movies, 1), np.float32)
    return Towers(
        movie_ids=index.movie_ids,
        user_ids=tuple(index.user_ids[user] for user in active),
        genre_words=catalogue_masks(dataset),
        years=dataset.movies[Col.YEAR].to_numpy(np.int64),
        rating_range=dataset.rating_range,
        retrieval=retrieval,
        rating=rating.of_users(active),
        profile_tokens=build_vocabulary(dataset).tokens,
        similarity=Similarity(nothing, nothing[:, 0]),
        content_vectors=nothing,
        rating_weight=0.0,
    )


def _no_retrieval(n_movies: int) -> RetrievalTowers:
    nothing = np.zeros((n_movies, 1), np.float32)
    return one_tower(nothing, nothing, np.ones(1, np.float32), np.zeros(1, np.float32))


def _no_rating(data: TrainingData) -> RatingTowers:
    n_columns = data.user_rows.shape[1]
    movies, users = (np.zeros((n, 1), np.float32) for n in (data.n_movies, data.n_users))
    return RatingTowers(
        mean=float(np.mean(data.rating_range)),
        item_vectors=movies,
        item_bias=movies[:, 0],
        history_vectors=movies,
        history_bias=movies[:, 0],
        stored_vectors=users,
        stored_bias=users[:, 0],
        user_vectors=users,
        user_bias=users[:, 0],
        fold_in=held_back_bias(np.zeros(1, np.float32), n_columns, 1.0),
    )
