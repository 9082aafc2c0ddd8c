"""Saves what the live training objects answer, to compare with what is served from their export."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow as tf

from trainer.models.two_tower_retrieval import pad_histories
from trainer.pipeline import Trained
from trainer.split import Split


def save_live_predictions(
    path: Path, trained: Trained, split: Split, n_pairs: int = 500, n_users: int = 50
) -> None:
    """Writes an npz of the Keras models' own answers.

    pair_users, pair_movies (ids), pair_ratings: `n_pairs` held-out pairs, not clipped;
    users (ids), scores and ratings [n_users, N]; movie_ids [N]; rating_weight.
    """
    index, history = trained.index, trained.history
    rng = np.random.default_rng(0)
    pairs = split.test.iloc[rng.permutation(len(split.test))[:n_pairs]]
    rows = index.interactions(pairs)
    pair_ratings = trained.live_rating((tf.constant(rows.users), tf.constant(rows.movies)))

    histories = history.by_user(index.n_users)
    active = np.flatnonzero([len(movies) > 0 for movies in histories])
    users = np.sort(rng.permutation(active)[:n_users])
    everything = tf.range(index.n_movies, dtype=tf.int64)
    ratings = [
        trained.live_rating((tf.fill((index.n_movies,), user), everything)).numpy()
        for user in users
    ]
    chosen = [histories[user] for user in users]
    model = trained.live_retrieval
    if model is None:
        scores = trained.ingredients.retrieval.scores(chosen)
    else:
        max_age = trained.hyper_parameters.two_tower_retrieval.max_age
        padded = tf.constant(pad_histories(chosen, max_age, index.n_movies))
        scores = tf.matmul(
            model.user_tower(padded), model.item_tower(everything), transpose_b=True
        ).numpy()
    with path.open("wb") as stream:
        np.savez(
            stream,
            pair_users=np.array(index.user_ids)[rows.users],
            pair_movies=np.array(index.movie_ids)[rows.movies],
            pair_ratings=pair_ratings.numpy(),
            users=np.array(index.user_ids)[users],
            scores=scores,
            ratings=np.stack(ratings),
            movie_ids=np.array(index.movie_ids),
            rating_weight=trained.choices.rating_weight,
        )
