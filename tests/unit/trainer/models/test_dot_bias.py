"""Matrix factorisation with biases finds planted factors and gives nothing to the unseen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.unit.trainer.tiny import tiny_data, tiny_dataset
from trainer import metrics
from trainer.baselines import BiasModel
from trainer.models import dot_bias
from trainer.models.towers import RatingTowers
from trainer.models.training_data import training_data

N_USERS, N_MOVIES = 80, 60


def planted_ratings() -> pd.DataFrame:
    """Every pair of a rank-2 world with biases and little noise."""
    rng = np.random.default_rng(3)
    users, movies = np.divmod(np.arange(N_USERS * N_MOVIES), N_MOVIES)
    user_part = rng.normal(size=(N_USERS, 2)) * 0.7
    movie_part = rng.normal(size=(N_MOVIES, 2)) * 0.7
    biases = rng.normal(size=N_USERS)[users] * 0.3 + rng.normal(size=N_MOVIES)[movies] * 0.5
    noise = rng.normal(size=len(users)) * 0.1
    rating = 3 + biases + (user_part[users] * movie_part[movies]).sum(axis=1) + noise
    return pd.DataFrame(
        {
            "user_id": [f"u{user}" for user in users],
            "movie_id": [f"m{movie}" for movie in movies],
            "rating": rating.astype(np.float32),
            "timestamp": np.arange(len(users)),
        }
    )


def test_dot_bias_finds_planted_factors():
    """On a planted rank-2 world the error falls far below that of biases alone."""
    ratings = planted_ratings()
    dataset = replace(tiny_dataset([], N_USERS, N_MOVIES), ratings=ratings)
    held_out = np.random.default_rng(0).random(len(ratings)) < 0.2
    data = training_data(dataset, ratings[~held_out])
    rows, test = data.rows, data.index.interactions(ratings[held_out])
    config = dot_bias.Config(
        dim=4, batch_size=256, learning_rate=0.03, decay=0.95, l2_vectors=0.005, max_epochs=20
    )
    fitted = dot_bias.fit(data, config, test)
    biases = BiasModel.fit(rows.users, rows.movies, rows.ratings, (N_USERS, N_MOVIES))
    of_biases = metrics.rmse(test.ratings, biases.predict(test.users, test.movies))

    assert min(fitted.curves["val_rmse"]) < 0.5 * of_biases


def test_whom_training_never_saw_has_nothing():
    """No random start is served: no vector and no bias for users and movies without rows."""
    data = tiny_data([(0, 1, 4), (0, 3, 2), (2, 1, 5)], n_users=4, n_movies=5)
    towers = dot_bias.fit(data, dot_bias.Config(dim=2, epochs=2)).towers

    assert isinstance(towers, RatingTowers)
    assert np.flatnonzero(towers.user_vectors.any(axis=1)).tolist() == [0, 2]
    assert np.flatnonzero(towers.item_vectors.any(axis=1)).tolist() == [1, 3]
    assert np.flatnonzero(towers.user_bias).tolist() == [0, 2]
    assert np.flatnonzero(towers.item_bias).tolist() == [1, 3]


def test_a_stranger_gets_a_bias_from_the_history():
    """Worked by hand: residuals of two rated movies over 2 + 16; the vector stays 0."""
    data = tiny_data([(0, 1, 4), (0, 3, 2), (2, 1, 5)], n_users=4, n_movies=5)
    towers = dot_bias.fit(data, dot_bias.Config(dim=2, epochs=2)).towers
    movies, ratings = np.array([0, 1, 4]), np.array([5, 5, np.nan], np.float32)
    vector, bias = towers.stranger(movies, ratings)

    residuals = 2 * (5 - towers.mean) - towers.item_bias[1]
    assert bias == pytest.approx(residuals / 18, abs=1e-5)
    assert vector.tolist() == [0, 0]
