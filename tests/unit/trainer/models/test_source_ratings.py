"""What every rating model of the source documents promises, on a world with a known answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.worlds import checkerboard
from trainer import metrics
from trainer.baselines import BiasModel
from trainer.features.index import Interactions
from trainer.fit import NO_BETTER
from trainer.models.interfaces import FittedRating, TrainingData
from trainer.models.registry import model
from trainer.models.towers import RatingTowers
from trainer.models.training_data import training_data

NAMES = (
    *("dot_bias", "ann_concat", "ann_product", "hybrid", "mlp"),
    *("two_tower_rating", "two_tower_content", "content_towers"),
)
N_USERS, N_MOVIES = 80, 60
UNSEEN_USERS, UNSEEN_MOVIES = (0, 1), (0, 1)
"""No training row holds them. User 0 and movie 0 are even, user 1 and movie 1 odd."""


@dataclass(frozen=True, eq=False)
class World:
    """Half of all pairs to learn from, a tenth for validation, the others for test."""

    data: TrainingData
    validation: Interactions
    test: Interactions
    other_tests: TrainingData
    """The same training rows in a data set whose other ratings are turned round."""


def planted() -> pd.DataFrame:
    """Ratings of every pair: biases, and 0.8 more where user and movie share a parity, else less.

    The checkerboard's movies have a genre by parity, so the content models can know it too.
    """
    rng = np.random.default_rng(0)
    users, movies = np.divmod(np.arange(N_USERS * N_MOVIES), N_MOVIES)
    biases = rng.normal(0, 0.3, N_USERS)[users] + rng.normal(0, 0.4, N_MOVIES)[movies]
    liked = np.where(users % 2 == movies % 2, 0.8, -0.8)
    ratings = 3 + biases + liked + rng.normal(0, 0.2, len(users))
    return pd.DataFrame(
        {
            "user_id": [f"u{user}" for user in users],
            "movie_id": [f"m{movie}" for movie in movies],
            "rating": ratings.clip(1, 5).astype(np.float32),
            "timestamp": np.arange(len(users)),
        }
    )


@pytest.fixture(scope="module")
def world() -> World:
    ratings = planted()
    dataset = replace(checkerboard(N_USERS, N_MOVIES), ratings=ratings)
    part = np.random.default_rng(1).choice(3, size=len(ratings), p=[0.5, 0.1, 0.4])
    unseen = ratings["user_id"].isin([f"u{user}" for user in UNSEEN_USERS])
    unseen |= ratings["movie_id"].isin([f"m{movie}" for movie in UNSEEN_MOVIES])
    train = ratings[(part == 0) & ~unseen]
    turned = ratings.copy()
    turned.loc[~turned.index.isin(train.index), "rating"] = 6 - turned["rating"]
    data = training_data(dataset, train)
    return World(
        data=data,
        validation=data.index.interactions(ratings[(part == 1) & ~unseen]),
        test=data.index.interactions(ratings[(part == 2) & ~unseen]),
        other_tests=training_data(replace(dataset, ratings=turned), train),
    )


def every_pair() -> tuple[np.ndarray, np.ndarray]:
    users, movies = np.divmod(np.arange(N_USERS * N_MOVIES), N_MOVIES)
    return users, movies


@pytest.fixture(scope="module")
def movie_vectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A vector of noise for each movie."""
    path = tmp_path_factory.mktemp("vectors") / "movies.npz"
    vectors = np.random.default_rng(1).normal(size=(N_MOVIES, 4))
    np.savez(path, **{f"m{movie}": vector for movie, vector in enumerate(vectors)})
    return path


@dataclass(frozen=True, eq=False)
class Fit:
    name: str
    config: Any
    fitted: FittedRating


@pytest.fixture(scope="module", params=NAMES)
def fit(request: pytest.FixtureRequest, world: World, movie_vectors: Path) -> Iterator[Fit]:
    """The model, fitted with a validation part."""
    settings = {"batch_size": "128", "learning_rate": "0.02", "decay": "1.0", "max_epochs": "8"}
    if request.param == "dot_bias":
        settings |= {"l2_vectors": "0.01"}
    elif request.param != "content_towers":
        # A world of interactions alone starts on a saddle: rows must differ to leave it.
        settings |= {"start": "0.2", "l2": "0.001"}
    if request.param.startswith("two_tower"):
        settings |= {"coverage": "0.95"}
    if request.param == "hybrid":
        settings |= {"movie_vectors": str(movie_vectors)}
    config = model(request.param).config(settings, seed=1)
    fitted = model(request.param).fit(world.data, config, world.validation)
    assert isinstance(fitted, FittedRating)
    return Fit(request.param, config, fitted)


def exported(fitted: FittedRating, users: np.ndarray, movies: np.ndarray) -> np.ndarray:
    if isinstance(fitted.towers, RatingTowers):
        return fitted.towers.pairs(users, movies)
    return fitted.towers.ratings(users, movies)


def test_a_source_model_finds_what_biases_cannot_know(world, fit):
    """Who likes what is their parity; models in which some share a row find less of it."""
    rows, test = world.data.rows, world.test
    biases = BiasModel.fit(rows.users, rows.movies, rows.ratings, (N_USERS, N_MOVIES))
    of_biases = metrics.rmse(test.ratings, biases.predict(test.users, test.movies))
    predicted = fit.fitted.predict(test.users, test.movies)

    share = 0.75 if fit.name.startswith("two_tower") else 0.6
    assert metrics.rmse(test.ratings, predicted) < share * of_biases


def test_what_is_exported_predicts_what_the_live_model_predicts(fit):
    """All pairs, those of users and movies that training did not see included."""
    live = fit.fitted.predict(*every_pair())

    assert live.shape == (N_USERS * N_MOVIES,)
    np.testing.assert_allclose(exported(fit.fitted, *every_pair()), live, atol=1e-4)


def test_a_seed_and_the_training_rows_decide_everything(world, fit):
    """A fit of as many epochs is the same, whatever the other parts' ratings are."""
    chosen = fit.fitted.config
    assert chosen == replace(fit.config, epochs=chosen.epochs)
    again = model(fit.name).fit(world.other_tests, chosen)

    np.testing.assert_allclose(
        again.predict(*every_pair()), fit.fitted.predict(*every_pair()), atol=1e-5
    )
    assert len(again.curves["rmse"]) == chosen.epochs
    assert "val_rmse" not in again.curves


def test_validation_chooses_the_epochs_and_their_weights(world, fit):
    """The curve's minimum, give or take what is not worth an epoch."""
    curve, epochs = fit.fitted.curves["val_rmse"], fit.fitted.config.epochs
    rows = world.validation
    error = metrics.rmse(rows.ratings, fit.fitted.predict(rows.users, rows.movies))

    assert curve[epochs - 1] <= min(curve) + NO_BETTER
    assert error == pytest.approx(curve[epochs - 1], abs=1e-4)


def test_strangers_are_answered_alike_and_by_the_average(world, fit):
    """Users without a row get the same ratings, near the movies' mean."""
    rows = world.data.rows
    movies = np.arange(2, N_MOVIES)
    first, second = (
        fit.fitted.predict(np.full(len(movies), user), movies) for user in UNSEEN_USERS
    )
    means = np.array([rows.ratings[rows.movies == movie].mean() for movie in movies])

    np.testing.assert_array_equal(first, second)
    assert abs(first.mean() - means.mean()) < 0.5


def test_a_pair_of_which_nothing_is_known_is_no_random_number(world, fit):
    """A stranger and an unseen movie: a rating inside the range, near the mean."""
    rating = fit.fitted.predict(np.array(UNSEEN_USERS), np.array(UNSEEN_MOVIES))

    assert np.all(abs(rating - world.data.rows.ratings.mean()) < 1.2)


def test_no_pairs_get_no_ratings(fit):
    """An empty question has an empty answer."""
    nobody = np.zeros(0, np.int64)

    assert fit.fitted.predict(nobody, nobody).shape == (0,)
