"""Saves what the fitted towers answer in NumPy, to compare with what is served from their export.

That the towers say what the model that was fitted says is tested for each model.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from trainer.features.index import IndexArray
from trainer.models.rating_net import RatingNet
from trainer.pipeline import Trained
from trainer.split import Split


def save_live_predictions(
    path: Path, trained: Trained, split: Split, n_pairs: int = 500, n_users: int = 50
) -> None:
    """Writes an npz of the towers' own answers.

    pair_users, pair_movies (ids), pair_ratings: `n_pairs` held-out pairs, not clipped;
    users (ids), scores and ratings [n_users, N]; movie_ids [N]; rating_weight.
    """
    index, parts = trained.index, trained.ingredients
    rng = np.random.default_rng(0)
    pairs = split.test.iloc[rng.permutation(len(split.test))[:n_pairs]]
    rows = index.interactions(pairs)
    histories = trained.history.histories(index.n_users)
    active = np.flatnonzero(histories.lengths() > 0)
    position = np.full(index.n_users, -1)
    position[active] = np.arange(len(active))
    users = np.sort(rng.permutation(active)[:n_users])
    everything = np.arange(index.n_movies)
    ratings = [
        _ratings(trained, np.full(index.n_movies, position[user]), everything) for user in users
    ]
    with path.open("wb") as stream:
        np.savez(
            stream,
            pair_users=np.array(index.user_ids)[rows.users],
            pair_movies=np.array(index.movie_ids)[rows.movies],
            pair_ratings=_ratings(trained, position[rows.users], rows.movies),
            users=np.array(index.user_ids)[users],
            scores=parts.retrieval.scores(histories.of(users)),
            ratings=np.stack(ratings),
            movie_ids=np.array(index.movie_ids),
            rating_weight=parts.rating_weight,
        )


def _ratings(trained: Trained, users: IndexArray, movies: IndexArray) -> np.ndarray:
    """[n] of stored users by position, -1 = a stranger without history."""
    towers = trained.ingredients.rating
    if isinstance(towers, RatingNet):
        return towers.ratings(users, movies)
    known = towers.pairs(users, movies)
    vector, bias = towers.stranger(np.zeros(0, np.int64), np.zeros(0, np.float32))
    unknown = towers.ratings(vector[None], np.array([bias], np.float32))[0, movies]
    return np.where(users >= 0, known, unknown)
