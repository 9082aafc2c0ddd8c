"""Where strangers are expected, estimated from training users whose answers are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.unit.trainer.tiny import tiny_data
from trainer.models import strangers
from trainer.models.interfaces import TrainingData
from trainer.models.strangers import Config
from trainer.models.towers import RatingTowers, held_back_bias

MEAN = 3.0
HISTORY = np.array([[2, 0], [4, 0], [0, 6], [9, 9]], np.float32)
BIASES = np.array([1, 0, 3, 9], np.float32)


def by_hand(data: TrainingData, user_vectors: np.ndarray, user_bias: np.ndarray) -> RatingTowers:
    """Towers of these complete users, whose movies have no vectors and no biases."""
    n_movies, (n_users, dim) = data.n_movies, user_vectors.shape
    return RatingTowers(
        mean=MEAN,
        item_vectors=np.zeros((n_movies, dim), np.float32),
        item_bias=np.zeros(n_movies, np.float32),
        history_vectors=HISTORY[:n_movies],
        history_bias=BIASES[:n_movies],
        stored_vectors=np.zeros((n_users, dim), np.float32),
        stored_bias=np.zeros(n_users, np.float32),
        user_vectors=user_vectors.astype(np.float32),
        user_bias=user_bias.astype(np.float32),
        fold_in=strangers.unplaced(
            np.full((data.user_rows.shape[1], dim), 7, np.float32),
            np.full(data.user_rows.shape[1], 8, np.float32),
        ),
    )


def test_strangers_are_expected_where_users_are_beyond_their_beginning():
    """Two users of two ratings, one of none: means and deviations of the first two, by hand."""
    data = tiny_data([(0, 0, 4), (0, 2, 5), (1, 1, 3), (1, 3, 2)], n_users=3, n_movies=4)
    towers = by_hand(data, np.array([[3, 1], [6, 1], [50, 50]]), np.array([2, 2.5, 50]))

    fold = strangers.placed(towers, data, Config(first=1, history_hold=3.0, dim=2)).fold_in

    # A beginning of one movie counts 1 / sqrt(1 + 3): (2, 0) / 2 of user 0, (4, 0) / 2 of user 1.
    # (3, 1) - (1, 0) = (2, 1) and (6, 1) - (2, 0) = (4, 1); biases 2 - 1/2 and 2.5 - 0.
    np.testing.assert_allclose(fold.nobody_vector, [3, 1])
    assert fold.nobody_bias == pytest.approx(2)
    deviation = np.array([1, 0, 0.5])
    np.testing.assert_allclose(
        fold.spread.T @ fold.spread, np.outer(deviation, deviation), atol=1e-6
    )
    assert fold.spread.shape == (2, 3)
    # Predicted are 3 + 2 and 3 + 2.5: errors -1, 0, -2.5, -3.5.
    assert fold.noise == pytest.approx((1 + 0 + 6.25 + 12.25) / 4)
    assert (fold.history_hold, fold.mood) == (3.0, Config().mood)
    np.testing.assert_allclose(fold.usual_profile, data.user_rows[:2].mean(axis=0))
    assert (fold.profile_vectors == 7).all()
    assert (fold.profile_bias == 8).all()


def test_users_of_few_ratings_count_less():
    """Three ratings and one, each to be trusted at n / (n + 1): 3/4 and 1/2, so 3 to 2."""
    data = tiny_data([(0, 0, 4), (0, 1, 4), (0, 2, 4), (1, 3, 4)], n_users=2, n_movies=4)
    towers = replace(
        by_hand(data, np.array([[5, 0], [0, 0]]), np.array([0, 10])),
        history_vectors=np.zeros((4, 2), np.float32),
        history_bias=np.zeros(4, np.float32),
    )

    fold = strangers.placed(towers, data, Config(trust=1.0)).fold_in

    np.testing.assert_allclose(fold.nobody_vector, [3, 0], atol=1e-6)
    assert fold.nobody_bias == pytest.approx(4)
    variance = 0.6 * 0.4
    np.testing.assert_allclose(
        fold.spread.T @ fold.spread,
        variance * np.outer([5, 0, -10], [5, 0, -10]),
        atol=1e-4,
    )


def test_a_model_that_knows_its_ratings_by_heart_still_leaves_noise():
    """The step to a stranger stays defined where the training error is 0."""
    data = tiny_data([(0, 0, 3), (0, 1, 3), (1, 1, 3)], n_users=2, n_movies=4)
    towers = by_hand(data, np.array([[1, 1], [2, 1]]), np.zeros(2))

    towers = strangers.placed(towers, data, Config())
    vector, bias = towers.stranger(np.array([0]), np.array([3], np.float32))

    assert towers.fold_in.noise > 0
    assert np.isfinite([*vector, bias]).all()


@pytest.fixture(scope="module")
def normal_world() -> tuple[RatingTowers, TrainingData, np.ndarray]:
    """400 users normal around a mean along one direction, 30 movies that tell it, noise of 1/4."""
    rng = np.random.default_rng(8)
    n_users, n_movies = 400, 30
    taste = rng.normal(size=n_users)
    users = np.stack([1 + 0.5 * taste, -taste], axis=1)
    bias = 0.4 + 0.2 * taste
    items = rng.normal(size=(n_movies, 2))
    exact = MEAN + bias[:, None] + users @ items.T
    noisy = exact + 0.5 * rng.normal(size=exact.shape)
    pairs = [(u, m, float(noisy[u, m])) for u in range(n_users) for m in range(n_movies)]
    data = tiny_data(pairs, n_users, n_movies)
    towers = RatingTowers(
        mean=MEAN,
        item_vectors=items.astype(np.float32),
        item_bias=np.zeros(n_movies, np.float32),
        history_vectors=np.zeros((n_movies, 2), np.float32),
        history_bias=np.zeros(n_movies, np.float32),
        stored_vectors=users.astype(np.float32),
        stored_bias=bias.astype(np.float32),
        user_vectors=users.astype(np.float32),
        user_bias=bias.astype(np.float32),
        fold_in=held_back_bias(np.zeros(2, np.float32), data.user_rows.shape[1], 1.0),
    )
    return towers, data, noisy


def test_three_ratings_place_a_stranger_along_the_direction_that_users_differ_in(normal_world):
    """Three ratings bring a user near; where they move the bias alone, they do not."""
    towers, data, noisy = normal_world
    found = strangers.placed(towers, data, Config(mood=0.0))
    assert found.fold_in.noise == pytest.approx(0.25, rel=0.05)
    seen = np.arange(3)

    def error(fitted: RatingTowers) -> float:
        """Of users 0 to 99 as strangers, from what they are."""
        errors = []
        for user in range(100):
            vector, bias = fitted.stranger(seen, noisy[user, seen].astype(np.float32))
            told = fitted.ratings(vector[None], np.array([bias]))[0]
            true = towers.ratings(towers.user_vectors[[user]], towers.user_bias[[user]])[0]
            errors.append(told - true)
        return float(np.sqrt(np.mean(np.square(errors))))

    assert error(found) < 0.4
    assert error(towers) > 2 * error(found)
