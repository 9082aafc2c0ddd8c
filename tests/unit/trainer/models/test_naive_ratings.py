"""Baselines that know no user and no movie: random, weighted, majority and mean."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.trainer.tiny import seven_ratings
from trainer.models import majority, measured, random_rating, weighted_rating
from trainer.models import mean as mean_rating
from trainer.models.registry import model
from trainer.models.training_data import training_data
from trainer.split.registry import make_split


def many_pairs(n: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    """Different pairs."""
    return np.divmod(np.arange(n), 200)


def test_random_draws_every_level_alike():
    """Levels 1, 3, 4 and 5 stand in training: a quarter each; 2 does not, and is not drawn."""
    fitted = random_rating.fit(seven_ratings(), random_rating.Config())

    levels, counts = np.unique(fitted.predict(*many_pairs()), return_counts=True)

    assert levels.tolist() == [1, 3, 4, 5]
    assert counts / 20_000 == pytest.approx([1 / 4] * 4, abs=0.015)


def test_weighted_draws_as_training_has_it():
    """Of seven ratings one is 1, two are 3, three are 4 and one is 5."""
    fitted = weighted_rating.fit(seven_ratings(), weighted_rating.Config())

    levels, counts = np.unique(fitted.predict(*many_pairs()), return_counts=True)

    assert levels.tolist() == [1, 3, 4, 5]
    assert counts / 20_000 == pytest.approx([1 / 7, 2 / 7, 3 / 7, 1 / 7], abs=0.015)


@pytest.mark.parametrize("module", [random_rating, weighted_rating])
def test_a_draw_depends_on_pair_and_seed_alone(module):
    """What else is asked changes nothing; another seed changes most."""
    data, (users, movies) = seven_ratings(), many_pairs(500)
    first = module.fit(data, module.Config()).predict
    other = module.fit(data, module.Config(seed=1)).predict

    assert first(users[7:9], movies[7:9]).tolist() == first(users, movies)[7:9].tolist()
    assert (first(users, movies) != other(users, movies)).mean() > 0.5


def test_majority_and_mean():
    """4 is most frequent; the mean is 24 / 7; for unseen pairs too."""
    data, pairs = seven_ratings(), (np.array([0, 2]), np.array([3, 1]))

    assert majority.fit(data, majority.Config()).predict(*pairs).tolist() == [4, 4]
    assert mean_rating.fit(data, mean_rating.Config()).predict(*pairs) == pytest.approx(24 / 7)


# ANCHORS: what was measured before this code was written, and what Surprise's BaselineOnly gives.
@pytest.mark.parametrize(
    ("name", "settings", "expected", "margin"),
    [
        ("random_rating", {}, 1.9072, 0.02),
        ("weighted_rating", {}, 1.6159, 0.02),
        ("majority", {}, 1.2435, 0.0001),
        ("mean", {}, 1.1537, 0.0001),
        ("user_movie_bias", {}, 0.9535, 0.0002),
        (
            "user_movie_bias",
            {"user_penalty": "15", "movie_penalty": "10", "rounds": "10"},
            0.9599,
            0.0002,
        ),
    ],
)
def test_figures_on_u1(u1, name, settings, expected, margin):
    """RMSE on ml-100k's u1 is what others measured there."""
    data, test = u1
    baseline = model(name)
    fitted = baseline.fit(data, baseline.config(settings))

    assert measured.figures(fitted, data, test)["rmse"] == pytest.approx(expected, abs=margin)


@pytest.fixture(scope="module")
def u1(ml_100k):
    """u1.base to learn from and u1.test."""
    split = make_split("u1", ml_100k)
    data = training_data(ml_100k, split.final_train)
    return data, data.index.interactions(split.test)
