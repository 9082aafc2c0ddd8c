"""The two-tower rating models share rows, and the better one reads genres and titles."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.unit.trainer.tiny import tiny_data
from trainer.models import two_tower_content, two_tower_rating
from trainer.models.interfaces import TrainingData
from trainer.models.training_data import training_data


def two_genres() -> TrainingData:
    """30 users rate 16 of 20 movies: dramas 5 and comedies 2; two of each are unseen."""
    rows = [
        (user, movie, 5 if movie % 2 else 2)
        for user in range(30)
        for movie in range(20)
        if movie > 3
    ]
    dataset = tiny_data(rows, n_users=30, n_movies=20).dataset
    movies = dataset.movies.copy()
    movies["genres"] = [("Drama",) if movie % 2 else ("Comedy",) for movie in range(20)]
    dataset = replace(dataset, movies=movies, genres=("Comedy", "Drama"))
    return training_data(dataset, dataset.ratings)


def test_a_movie_that_training_never_saw_is_rated_by_its_genre():
    """Dramas are loved, so is the new one; the model of ids alone cannot tell."""
    config = {"epochs": 12, "batch_size": 32, "learning_rate": 0.01}
    data, users, movies = two_genres(), np.zeros(4, np.int64), np.arange(4)
    by_content = two_tower_content.fit(data, two_tower_content.Config(**config))
    by_id = two_tower_rating.fit(data, two_tower_rating.Config(**config))
    ratings = by_content.predict(users, movies)

    assert ratings[[1, 3]].min() > ratings[[0, 2]].max() + 1.5
    assert np.ptp(by_id.predict(users, movies)) == pytest.approx(0, abs=1e-5)


def test_users_beyond_the_coverage_are_one():
    """Two users of three rows each cover 75 %: the other two, of one row each, share a row."""
    rows = [(user, movie, 1 + movie) for user in range(2) for movie in range(3)]
    data = tiny_data([*rows, (2, 0, 5), (3, 1, 1)], n_users=5, n_movies=4)
    config = two_tower_rating.Config(coverage=0.75, epochs=3, batch_size=4, learning_rate=0.05)
    fitted = two_tower_rating.fit(data, config)
    ratings = fitted.predict(np.repeat(np.arange(5), 3), np.tile(np.arange(3), 5)).reshape(5, 3)

    np.testing.assert_array_equal(ratings[2], ratings[3])
    np.testing.assert_array_equal(ratings[2], ratings[4])
    assert not np.array_equal(ratings[0], ratings[2])
