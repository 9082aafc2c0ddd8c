"""No model reads the ratings of another part: those of the data set that are not its rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.worlds import checkerboard
from trainer.features.index import Interactions
from trainer.models import bayes_fm
from trainer.models.interfaces import FittedRating, TrainingData
from trainer.models.registry import model, models
from trainer.models.training_data import training_data

QUICK = {
    "svdpp2": {"dim": "2", "steps": "3", "n_seeds": "1"},
    "bayes_fm": {"rank": "2", "iterations": "4", "burn_in": "1"},
    "blend": {"svdpp2.steps": "2", "bayes_fm.iterations": "4", "bayes_fm.burn_in": "1"},
    "two_tower_retrieval": {"epochs": "1"},
}
# The source's rating models stand in test_source_ratings.
NAMES = [
    each.name
    for each in models()
    if (each.name in QUICK or each.kind != "source")
    and (each.name != "bayes_fm" or bayes_fm.is_available())
]


@pytest.fixture(scope="module")
def both() -> tuple[TrainingData, TrainingData, Interactions]:
    """The same training rows, in data sets whose test rows have nothing in common; validation."""
    dataset = checkerboard(n_users=40, n_movies=30, n_rated=10)
    ratings = dataset.ratings
    part = np.random.default_rng(0).choice(3, size=len(ratings), p=[0.6, 0.2, 0.2])
    changed = ratings.copy()
    changed.loc[part == 2, "rating"] = 6 - ratings.loc[part == 2, "rating"]
    changed.loc[part == 2, "movie_id"] = "m7"
    data = training_data(dataset, ratings[part == 0])
    other = training_data(replace(dataset, ratings=changed), changed[part == 0])
    return data, other, data.index.interactions(ratings[part == 1])


@pytest.mark.parametrize("name", NAMES)
def test_other_parts_of_the_data_set_change_nothing(both, name):
    """Every answer and the chosen settings are the same, exactly."""
    config = model(name).config(QUICK.get(name), seed=0)
    *worlds, validation = both
    fits = [model(name).fit(data, config, validation) for data in worlds]
    users, movies = (axis.ravel() for axis in np.indices((40, 30)))
    answers = [
        fitted.predict(users, movies)
        if isinstance(fitted, FittedRating)
        else fitted.scores(data.histories)
        for fitted, data in zip(fits, worlds, strict=True)
    ]

    np.testing.assert_array_equal(*answers)
    assert fits[0].config == fits[1].config
    assert fits[0].curves == fits[1].curves
