"""The search finds the better settings of a planted world, and keeps to its budget."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from tests.unit.trainer.tiny import tiny_dataset
from trainer.datasets import DataError
from trainer.features.index import Interactions
from trainer.models import highest_rated, user_movie_bias
from trainer.models.interfaces import FittedRating, TrainingData
from trainer.models.registry import Model, model, models
from trainer.models.training_data import training_data
from trainer.search import Budget, search, value_of, with_values
from trainer.search_space import Choice, FloatRange, IntRange


@pytest.fixture(scope="module")
def planted() -> tuple[TrainingData, Interactions]:
    """Ratings that are biases without noise: the less they are shrunk, the better."""
    users, movies = (axis.ravel() for axis in np.indices((12, 10)))
    ratings = 3 + np.linspace(-1, 1, 12)[users] + np.linspace(-0.9, 0.9, 10)[movies]
    held_out = (users + movies) % 4 == 0
    dataset = tiny_dataset(list(zip(users, movies, ratings, strict=True)), 12, 10)
    data = training_data(dataset, dataset.ratings[~held_out])
    return data, data.index.interactions(dataset.ratings[held_out])


def found_in(planted, monkeypatch, space, budget, seed=0, settings=None):
    """The config for the bias model with another space, and what was reported."""
    monkeypatch.setattr(user_movie_bias, "SEARCH_SPACE", space)
    told: list[str] = []
    config = search(model("user_movie_bias"), *planted, budget, seed, told.append, settings)
    return config, told


def test_the_better_of_two_settings_is_found(planted, monkeypatch):
    """Penalties of 4, the default, against 0.001."""
    space = {"user_penalty": Choice((4.0, 0.001)), "movie_penalty": Choice((3.0, 0.001))}
    config, told = found_in(planted, monkeypatch, space, Budget(12))

    assert (config.user_penalty, config.movie_penalty) == (0.001, 0.001)
    assert len(told) == 13
    assert told[0].startswith("trial 1 of 12, user_penalty=4 movie_penalty=3: rmse 0.")
    assert told[-1].startswith("best of 12 is trial ")
    best = min(float(line.split()[-1]) for line in told[:-1])
    assert told[-1].endswith(f"user_penalty=0.001 movie_penalty=0.001: rmse {best:.4f}")


def test_a_retrieval_model_is_tuned_by_ndcg(monkeypatch):
    """The rarely seen, loved movie 0 is next: first by its mean, second by its count."""
    rows = [(0, 0, 5), *((user, 1, 3) for user in range(10)), (10, 2, 1), (10, 0, 5)]
    dataset = tiny_dataset(rows, 11, 3)
    data = training_data(dataset, dataset.ratings[:-1])
    validation = data.index.interactions(dataset.ratings[-1:])
    monkeypatch.setattr(highest_rated, "SEARCH_SPACE", {"count_threshold": Choice((100, 0))})
    told: list[str] = []

    config = search(model("highest_rated"), data, validation, Budget(4), 0, told.append)

    assert config.count_threshold == 0
    assert told[0] == "trial 1 of 4, count_threshold=100: ndcg@10 0.6309"  # 1 / log2(3)
    assert told[-1].endswith("count_threshold=0: ndcg@10 1.0000")


def test_the_defaults_come_first_and_time_ends_the_search(planted, monkeypatch):
    """Without any time one fit is made, with the defaults."""
    space = {"user_penalty": FloatRange(0.5, 30.0, log=True), "rounds": IntRange(1, 20)}
    config, told = found_in(planted, monkeypatch, space, Budget(50, seconds=0.0))

    assert config == user_movie_bias.Config()
    assert len(told) == 2


def test_a_seed_gives_the_same_search(planted, monkeypatch):
    """The same settings are tried in the same order; another seed tries others."""
    space = {"user_penalty": FloatRange(0.5, 30.0, log=True)}
    first, again, other = (
        found_in(planted, monkeypatch, space, Budget(4), seed)[1] for seed in (1, 1, 2)
    )

    assert first == again != other


def test_what_is_decided_is_not_searched(planted, monkeypatch):
    """A setting that the user gave stays; nothing left to search is an error."""
    space = {"user_penalty": Choice((4.0, 0.001)), "movie_penalty": Choice((3.0, 0.001))}
    given = {"user_penalty": "9"}
    config, told = found_in(planted, monkeypatch, space, Budget(6), settings=given)
    assert (config.user_penalty, config.movie_penalty) == (9.0, 0.001)
    assert "user_penalty" not in told[0]

    given["movie_penalty"] = "9"
    with pytest.raises(DataError, match="user_movie_bias has no settings to search"):
        found_in(planted, monkeypatch, space, Budget(6), settings=given)


def test_a_model_without_a_space_and_an_empty_budget_are_refused(planted, monkeypatch):
    """The message names the model, or the budget."""
    with pytest.raises(DataError, match="majority has no settings to search"):
        search(model("majority"), *planted, Budget(3), 0, str)
    with pytest.raises(DataError, match="at least 1 trial, got 0"):
        found_in(planted, monkeypatch, {"rounds": IntRange(1, 20)}, Budget(0))


def test_fits_that_diverge_are_passed_over(planted, monkeypatch):
    """The best of the others is taken; where all diverge it is an error."""
    diverging = {4.0}

    def fit(data, config, validation):
        figure = np.nan if config.user_penalty in diverging else 3.0
        return FittedRating(lambda users, _: np.full(len(users), figure), None, config)

    monkeypatch.setattr(user_movie_bias, "fit", fit)
    space = {"user_penalty": Choice((4.0, 1.0))}
    config, told = found_in(planted, monkeypatch, space, Budget(6))
    assert config.user_penalty == 1.0
    assert "diverged, a predicted rating is not finite" in told[0]

    diverging.add(1.0)
    with pytest.raises(DataError, match="every fit of user_movie_bias diverged"):
        found_in(planted, monkeypatch, space, Budget(2))


def test_settings_of_settings():
    """A name "outer.inner" reads and replaces a field of a field; the rest stays."""

    @dataclass(frozen=True)
    class Inner:
        depth: int = 1
        width: int = 2

    @dataclass(frozen=True)
    class Outer:
        inner: Inner = field(default_factory=Inner)
        l2: float = 0.5

    changed = with_values(Outer(), {"inner.depth": 7, "l2": 0.1})

    assert changed == Outer(Inner(7, 2), 0.1)
    assert value_of(changed, "inner.depth") == 7


@pytest.mark.parametrize("each", models(), ids=lambda each: each.name)
def test_defaults_lie_inside_what_is_searched(each: Model):
    """The first trial is the defaults, so each must be one of the values that may be tried."""
    for name, within in each.search_space.items():
        value = value_of(each.config(), name)
        if isinstance(within, Choice):
            assert value in within.options, name
        else:
            assert within.low <= value <= within.high, name
            assert isinstance(value, int) or isinstance(within, FloatRange), name
            assert within.low > 0 or not within.log, name
