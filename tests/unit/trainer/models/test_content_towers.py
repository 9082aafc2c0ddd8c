"""Content towers know movies and users by means and genres alone."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tests.unit.trainer.tiny import seven_ratings, tiny_data
from trainer.features.rating_means import RatingMeans
from trainer.models import content_towers
from trainer.models.towers import RatingTowers

# Ratings 5 3 4 of user 0 for movies 0 1 2, 4 1 of user 1 for 0 1, 3 4 of user 2 for 0 2.
MEAN = 24 / 7
GENRES = np.array([[1, 0], [0, 1], [1, 0], [0, 1]], np.float32)


def means(pseudo_ratings: float = 1.0) -> RatingMeans:
    return RatingMeans(seven_ratings().rows, GENRES, 3, pseudo_ratings)


def test_means_of_users_are_held_to_the_next_wider_mean():
    """User 2 rated 3 and 4, both of genre 0: (7 + mean) / 3, then (7 + that) / 3, and that."""
    held = (7 + MEAN) / 3
    row = means().of_users(tf.constant([2])).numpy()[0]

    np.testing.assert_allclose(row, [np.log(3), held, (7 + held) / 3, held], rtol=1e-5)


def test_means_of_movies_are_held_to_the_mean():
    """Movie 1 has 3 and 1; movie 3 has nothing and gets the mean."""
    rows = means(2.0).of_movies(tf.constant([1, 3])).numpy()

    np.testing.assert_allclose(rows[0], [np.log(3), (4 + 2 * MEAN) / 4], rtol=1e-5)
    np.testing.assert_allclose(rows[1], [0, MEAN], rtol=1e-5, atol=1e-6)


def test_a_training_row_reads_means_without_itself():
    """User 1 without the 1 for movie 1 has one rating, 4, and none in genre 1; movie 1 has a 3."""
    without = (tf.constant([1]), tf.constant([1.0]))
    held = (4 + MEAN) / 2
    user = means().of_users(tf.constant([1]), without).numpy()[0]
    movie = means().of_movies(tf.constant([1]), without[1]).numpy()[0]

    np.testing.assert_allclose(user, [np.log(2), held, (4 + held) / 2, held], rtol=1e-5)
    np.testing.assert_allclose(movie, [np.log(2), (3 + MEAN) / 2], rtol=1e-5)


def test_a_rating_does_not_predict_itself():
    """Each movie has one rating, 1 or 5 by chance: its mean would tell it, and it must not."""
    rng = np.random.default_rng(0)
    rows = [(movie % 20, movie, float(rng.choice([1, 5]))) for movie in range(300)]
    config = content_towers.Config(
        epochs=12, batch_size=50, learning_rate=0.01, first=16, second=16, dim=4, pseudo_ratings=1.0
    )
    fitted = content_towers.fit(tiny_data(rows, n_users=20, n_movies=300), config)

    assert fitted.curves["rmse"][-1] > 1.7


def test_ratings_stay_inside_the_range_and_a_stranger_is_an_average_user():
    """A cosine cannot leave the range; the stranger's vector is that of a user without a row."""
    data = tiny_data([(0, 0, 5), (0, 1, 1), (1, 1, 1), (1, 2, 5)], n_users=3, n_movies=4)
    fitted = content_towers.fit(data, content_towers.Config(epochs=3, first=8, second=8, dim=4))
    users, movies = np.divmod(np.arange(12), 4)
    ratings = fitted.predict(users, movies)
    towers = fitted.towers

    assert isinstance(towers, RatingTowers)
    assert np.all((ratings >= 1 - 1e-5) & (ratings <= 5 + 1e-5))
    np.testing.assert_allclose(towers.fold_in.nobody_vector, towers.user_vectors[2], atol=1e-6)
    profile = np.zeros(data.user_rows.shape[1], np.float32)
    profile[1] = 1
    nobody = np.zeros(0, np.int64), np.zeros(0, np.float32)
    np.testing.assert_allclose(towers.stranger(*nobody, profile)[0], towers.user_vectors[2])


def test_an_unknown_year_is_an_average_one():
    """A movie without a year is placed like one of the mean year, not of the year 0."""
    data = tiny_data([(0, 0, 5), (0, 1, 1), (1, 1, 1), (1, 2, 5)], n_users=2, n_movies=4)
    data.dataset.movies["year"] = [1980, 1990, 1985, 0]
    config = content_towers.Config(epochs=1, first=4, second=4, dim=2)
    unknown = content_towers.fit(data, config).predict(np.array([0]), np.array([3]))
    data.dataset.movies["year"] = [1980, 1990, 1985, 1986.25]
    known = content_towers.fit(data, config).predict(np.array([0]), np.array([3]))

    assert unknown == pytest.approx(known, abs=1e-5)
