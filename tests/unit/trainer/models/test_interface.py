"""What holds for every baseline: numbers for everybody, whatever the history, and no leak."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.unit.trainer.tiny import SEVEN, seven_ratings, tiny_dataset
from trainer.features.index import Histories
from trainer.models.interfaces import FittedRating
from trainer.models.registry import model, models
from trainer.models.training_data import training_data

BASELINES = [each.name for each in models() if each.kind == "baseline"]


@pytest.mark.parametrize("name", BASELINES)
def test_a_baseline_answers_for_every_user_and_movie(name):
    """Finite numbers of the promised shape; inside the range for ratings; a config comes back."""
    data, baseline = seven_ratings(), model(name)
    config = baseline.config()
    fitted = baseline.fit(data, config, data.rows)

    assert fitted.config == config
    if isinstance(fitted, FittedRating):
        assert baseline.task == "rating"
        users, movies = (axis.ravel() for axis in np.indices((3, 4)))
        answers = fitted.predict(users, movies)
        assert answers.shape == (12,)
        assert answers.min() >= 1
        assert answers.max() <= 5
    else:
        assert baseline.task == "retrieval"
        nothing, unrated = np.zeros(0, np.int64), np.array([3, 1])
        histories = Histories(
            [nothing, unrated],
            [np.zeros(0, np.float32), np.array([np.nan, 2.0], np.float32)],
        )
        answers = fitted.scores(histories)
        assert answers.shape == (2, 4)
    assert np.isfinite(answers).all()


@pytest.mark.parametrize("name", [*BASELINES, "two_tower_retrieval"])
def test_rows_of_other_parts_change_nothing(name):
    """A data set whose other ratings are different gives the same answers: nothing leaks."""
    dataset = tiny_dataset(SEVEN, n_users=3, n_movies=4)
    part = dataset.ratings[:5]
    others = dataset.ratings.assign(rating=[*part.rating, 1.0, 1.0], user_id="u0")
    users, movies = (axis.ravel() for axis in np.indices((3, 4)))

    answers = []
    for ratings in (dataset.ratings, others):
        data = training_data(replace(dataset, ratings=ratings), part)
        fitted = model(name).fit(data, model(name).config())
        if isinstance(fitted, FittedRating):
            answers.append(fitted.predict(users, movies))
        else:
            answers.append(fitted.scores(data.histories))

    np.testing.assert_array_equal(*answers)


def test_there_are_ten_baselines():
    """As the sources and their peers have them, with a line each."""
    assert len(BASELINES) == 10
    assert all(model(name).summary.endswith(".") for name in BASELINES)
