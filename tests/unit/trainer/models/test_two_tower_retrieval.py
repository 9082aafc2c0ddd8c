"""The two-tower model learns a world whose answer is known, and tells how it went."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.trainer.tiny import tiny_data
from tests.worlds import checkerboard
from trainer.features.index import Histories, Interactions
from trainer.models import measured, two_tower_retrieval
from trainer.models.interfaces import FittedRetrieval, TrainingData
from trainer.models.popularity import Config as PopularityConfig
from trainer.models.popularity import fit as fit_popularity
from trainer.models.training_data import training_data
from trainer.models.two_tower_retrieval import Config, FactorizedTopK, TwoTower, fit
from trainer.split import per_user_temporal

CONFIG = Config(dim=8, batch_size=128, learning_rate=0.02, epochs=8)


@pytest.fixture(scope="module")
def world() -> tuple[TrainingData, Interactions]:
    """The checkerboard's training rows, and each user's newest ratings."""
    dataset = checkerboard()
    split = per_user_temporal(dataset.ratings, test=0.2, validation=0.0)
    data = training_data(dataset, split.train)
    return data, data.index.interactions(split.test)


@pytest.fixture(scope="module")
def fitted(world) -> FittedRetrieval:
    return fit(world[0], CONFIG, world[1])


def top_five(scores: np.ndarray, histories: Histories) -> np.ndarray:
    """The movies that each user would be shown."""
    unseen = np.array(scores)
    for row, movies in zip(unseen, histories.movies, strict=True):
        row[movies] = -np.inf
    return np.argsort(-unseen, axis=1)[:, :5]


def test_it_learns_the_checkerboard(world, fitted):
    """Users get movies of their own parity, and more held-out ones than popularity finds."""
    data, held_out = world
    shown = top_five(fitted.scores(data.histories), data.histories)
    parity = np.arange(data.n_users)[:, None] % 2

    assert (shown % 2 == parity).mean() > 0.95
    popular = fit_popularity(data, PopularityConfig())
    recall, at_least = (
        measured.top_n(each.scores, data, held_out)["recall@10"] for each in (fitted, popular)
    )
    assert recall > 1.3 * at_least


def test_a_stranger_is_served_by_the_history(fitted):
    """Five even movies are enough to be an even user."""
    history = Histories([np.array([0, 2, 4, 6, 8])], [np.full(5, np.nan, np.float32)])

    assert (top_five(fitted.scores(history), history) % 2 == 0).all()


def test_towers_order_as_the_live_model_does(world, fitted):
    """The plain arrays are the Keras towers' dot products, up to one factor for each user."""
    data, _ = world
    live, plain = fitted.scores(data.histories), fitted.towers.scores(data.histories)

    factor = (live * plain).sum(axis=1, keepdims=True) / (plain**2).sum(axis=1, keepdims=True)
    assert factor.min() > 0
    np.testing.assert_allclose(factor * plain, live, atol=1e-4)


def test_movies_beyond_the_last_age_weigh_nothing():
    """A tower that reads two movies answers as if the older ones had not been there."""
    data = tiny_data([(0, m, 4) for m in range(4)] + [(1, m, 4) for m in (2, 1, 3)], 2, 4)
    found = fit(data, Config(dim=2, max_age=2, epochs=1))
    four = Histories([np.array([0, 3, 1, 2])], [np.full(4, np.nan, np.float32)])
    two = Histories([np.array([1, 2])], [np.full(2, np.nan, np.float32)])

    np.testing.assert_array_equal(found.scores(four), found.scores(two))
    np.testing.assert_allclose(found.towers.scores(four), found.towers.scores(two), atol=1e-6)


def test_validation_chooses_the_epoch(world, monkeypatch):
    """The fit stops `patience` epochs after the best, goes back to it, and says which it was."""
    data, held_out = world
    figures, seen = iter([0.1, 0.5, 0.3, 0.2, 0.9]), []

    def top_n(scores, *_):
        seen.append(scores(data.histories))
        return {"ndcg@10": next(figures)}

    monkeypatch.setattr(measured, "top_n", top_n)
    config = Config(dim=4, batch_size=256, max_epochs=10, patience=2)
    found = fit(data, config, held_out)

    assert found.curves["val_ndcg@10"] == [0.1, 0.5, 0.3, 0.2]
    assert found.config.epochs == 2
    np.testing.assert_array_equal(found.scores(data.histories), seen[1])


def test_given_epochs_are_kept_and_measured(world, fitted):
    """Eight epochs, each with its loss and figures; the last NDCG is that of the model."""
    data, held_out = world
    names = {"loss", "val_ndcg@10", "val_top_1", "val_top_5", "val_top_10"}
    assert set(fitted.curves) == names
    assert {len(values) for values in fitted.curves.values()} == {8}
    assert fitted.config == CONFIG
    ndcg = measured.top_n(fitted.scores, data, held_out)["ndcg@10"]
    assert fitted.curves["val_ndcg@10"][-1] == pytest.approx(ndcg, abs=1e-6)


def test_the_sources_metric_counts_every_movie_and_each_row():
    """By hand: of three rows one movie stands first of all eight, one third, one last."""
    data = tiny_data(((0, 0, 5), (0, 1, 5), (1, 1, 5), (1, 0, 5)), 2, 8)
    model = TwoTower(8, Config(dim=2))
    for layer in (model.history_embedding, model.item_embedding):
        layer.embeddings.assign(np.zeros(layer.embeddings.shape))
    # Everybody's scores are the biases: movie 0 before 1 before 2, whatever a history holds.
    model.item_bias.embeddings.assign(8 - np.arange(8.0)[:, None])
    held_out = Interactions(
        np.array([0, 1, 1]), np.array([2, 0, 7]), np.full(3, 5, np.float32), np.arange(3)
    )

    # No list of ten: there are eight movies.
    found = FactorizedTopK(data, held_out, Config()).figures(model)
    assert found == pytest.approx({"val_top_1": 1 / 3, "val_top_5": 2 / 3})


def test_training_pairs_hold_what_came_before():
    """A history of three movies gives two rows, newest first, and the frequency of the target."""
    pairs = two_tower_retrieval.training_pairs(
        [np.array([3, 1, 4]), np.array([1]), np.array([2, 4])], 5, Config(max_age=2)
    )

    assert pairs["movie"].tolist() == [1, 4, 4]
    assert pairs["history"].tolist() == [[3, 5], [1, 3], [2, 5]]
    np.testing.assert_allclose(pairs["probability"], [1 / 3, 2 / 3, 2 / 3])


def test_what_training_never_saw_starts_and_stays_at_zero():
    """No random start is served: movies that are never next, and those in no history."""
    data = tiny_data([(0, 0, 4), (0, 1, 4), (0, 2, 4), (1, 3, 4), (1, 2, 4)], 2, 5)
    towers = fit(data, Config(dim=2, epochs=2)).towers

    assert np.flatnonzero(towers.item_vectors.any(axis=1)).tolist() == [1, 2]
    assert np.flatnonzero(towers.history_vectors.any(axis=1)).tolist() == [0, 1, 3]
