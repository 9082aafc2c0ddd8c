"""Two-sided SVD++: what it learns, and that its parts add up."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from tests.unit.trainer.tiny import seven_ratings, tiny_data
from trainer import metrics
from trainer.baselines import BiasModel
from trainer.models import svdpp2
from trainer.models.interfaces import TrainingData
from trainer.models.svdpp2 import Config, fit
from trainer.models.towers import RatingTowers

N_USERS, N_MOVIES, KNOWN_USERS = 90, 60, 80
CONFIG = Config(dim=4, n_seeds=2, learning_rate=0.02, prior_weight=0.5)
"""So few ratings must weigh more against the prior than MovieLens' do."""
TINY = Config(dim=2, n_seeds=2, steps=6, learning_rate=0.1)


@dataclass(frozen=True, eq=False)
class Planted:
    """Ratings of two factors and biases; users from KNOWN_USERS on are strangers."""

    data: TrainingData
    users: np.ndarray
    """Of all pairs."""
    movies: np.ndarray
    ratings: np.ndarray
    held_out: np.ndarray
    """Which of the pairs no training holds; half of the strangers' are their history."""

    @property
    def biases(self) -> BiasModel:
        rows = self.data.rows
        return BiasModel.fit(rows.users, rows.movies, rows.ratings, (N_USERS, N_MOVIES))


@pytest.fixture(scope="module")
def planted() -> Planted:
    rng = np.random.default_rng(3)
    users, movies = np.divmod(np.arange(N_USERS * N_MOVIES), N_MOVIES)
    of_users, of_movies = rng.normal(size=(N_USERS, 2)), rng.normal(size=(N_MOVIES, 2))
    dots = 0.5 * (of_users[users] * of_movies[movies]).sum(axis=1)
    biases = 0.3 * rng.normal(size=N_USERS)[users] + 0.4 * rng.normal(size=N_MOVIES)[movies]
    ratings = (3 + biases + dots + 0.1 * rng.normal(size=len(users))).clip(1, 5)
    held_out = rng.random(len(users)) < 0.3
    learnt = ~held_out & (users < KNOWN_USERS)
    rows = list(zip(users[learnt], movies[learnt], ratings[learnt].tolist(), strict=True))
    data = tiny_data(rows, N_USERS, N_MOVIES)
    return Planted(data, users, movies, ratings, held_out)


@pytest.fixture(scope="module")
def towers(planted) -> RatingTowers:
    return fit(planted.data, CONFIG).towers


def test_it_finds_planted_factors(planted, towers):
    """On held-out pairs of known users the error falls far below that of biases alone."""
    asked = planted.held_out & (planted.users < KNOWN_USERS)
    pair = planted.users[asked], planted.movies[asked]
    of_biases = metrics.rmse(planted.ratings[asked], planted.biases.predict(*pair))

    assert metrics.rmse(planted.ratings[asked], towers.pairs(*pair)) < 0.5 * of_biases


def test_strangers_are_placed_by_their_history(planted, towers):
    """Two thirds of a stranger's ratings tell more than the stranger's bias does."""
    biases, errors, of_biases = planted.biases, [], []
    for user in range(KNOWN_USERS, N_USERS):
        mine = planted.users == user
        known, asked = mine & ~planted.held_out, mine & planted.held_out
        movies, ratings = planted.movies[known], planted.ratings[known].astype(np.float32)
        vector, bias = towers.stranger(movies, ratings)
        found = towers.ratings(vector[None], np.array([bias]))[0, planted.movies[asked]]
        errors.append(found - planted.ratings[asked])
        expected = biases.mean + biases.movie_bias
        shrunk = (ratings - expected[movies]).sum() / (len(movies) + 5)
        of_biases.append(expected[planted.movies[asked]] + shrunk - planted.ratings[asked])
    error, error_of_biases = (
        np.sqrt(np.mean(np.concatenate(each) ** 2)) for each in (errors, of_biases)
    )

    assert error < 0.5 * error_of_biases


def test_chunks_of_ratings_change_nothing():
    """The gradient of all errors is the sum over chunks, however small they are."""
    data = seven_ratings()
    whole, parts = (fit(data, replace(TINY, rows_at_once=size)).towers for size in (100, 3))

    for name in ("item_vectors", "item_bias", "user_vectors", "user_bias", "history_vectors"):
        np.testing.assert_allclose(
            getattr(parts, name), getattr(whole, name), atol=1e-5, err_msg=name
        )


def test_the_ensemble_is_the_mean_of_its_members():
    """Two seeds side by side predict the mean of each alone; its strangers are likewise both."""
    data = seven_ratings()
    users, movies = (axis.ravel() for axis in np.indices((3, 4)))
    both = fit(data, TINY).predict(users, movies)
    alone = [
        fit(data, replace(TINY, n_seeds=1, seed=seed)).predict(users, movies) for seed in (0, 1)
    ]

    np.testing.assert_allclose(both, np.mean(alone, axis=0), atol=1e-5)
    assert not np.allclose(*alone)


def test_a_seed_decides_everything():
    """Same seed, same towers; validation is not read."""
    data = seven_ratings()
    first, again = fit(data, TINY), fit(data, TINY, data.rows)

    np.testing.assert_array_equal(first.towers.item_vectors, again.towers.item_vectors)
    np.testing.assert_array_equal(first.towers.user_vectors, again.towers.user_vectors)
    assert again.config == TINY


def test_without_a_step_it_is_the_bias_model():
    """It starts where biases end."""
    data = seven_ratings()
    rows = data.rows
    biases = BiasModel.fit(rows.users, rows.movies, rows.ratings, (3, 4))
    users, movies = (axis.ravel() for axis in np.indices((3, 4)))

    found = fit(data, Config(steps=0, start_deviation=0.0)).predict(users, movies)

    np.testing.assert_allclose(found, biases.predict(users, movies), atol=1e-5)


def test_what_is_stored_and_the_history_are_the_whole_user():
    """Each user's training movies, over the root of their number, make up the difference."""
    data = seven_ratings()
    towers = fit(data, TINY).towers
    for user, movies in enumerate(data.histories.movies):
        root = np.sqrt(len(movies))
        vector = towers.stored_vectors[user] + towers.history_vectors[movies].sum(axis=0) / root
        bias = towers.stored_bias[user] + towers.history_bias[movies].sum() / root
        np.testing.assert_allclose(towers.user_vectors[user], vector, atol=1e-6)
        assert towers.user_bias[user] == pytest.approx(bias, abs=1e-6)
    assert towers.history_vectors.any()


def test_a_movie_that_nobody_rated_is_placed_by_what_is_said_of_it():
    """All movies are dramas of one year: the unrated one has that, and nothing of its own."""
    towers = svdpp2.towers_of(seven_ratings(), replace(TINY, start_deviation=0.0))

    assert np.isfinite(towers.item_vectors).all()
    assert abs(towers.item_bias[3]) < abs(towers.item_bias[1])
