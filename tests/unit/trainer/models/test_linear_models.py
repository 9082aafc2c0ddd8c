"""The closed-form retrieval models against dense oracles, and on worlds whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.trainer.models.test_item_item import naive_successors
from tests.unit.trainer.models.worlds import (
    N_MOVIES,
    SEQUENCES,
    seen,
    standardised,
    textbook_ease,
    unrated,
    watched,
)
from tests.worlds import checkerboard
from trainer.features.index import Histories
from trainer.models import linear_sequence, linear_static, prefix
from trainer.models.interfaces import TrainingData
from trainer.models.liking import LikingConfig
from trainer.models.registry import model
from trainer.models.successors import Window
from trainer.models.training_data import training_data

SETTINGS = {
    "prefix": {"l2": "10"},
    "linear_static": {"dim": "4", "l2": "20"},
    "linear_sequence": {"dim": "4"},
    "gated_linear": {"prefix.l2": "10", "linear_static.l2": "20"},
}


@pytest.fixture(scope="module")
def world() -> TrainingData:
    dataset = checkerboard()
    return training_data(dataset, dataset.ratings)


@pytest.mark.parametrize("name", SETTINGS)
def test_a_model_learns_the_checkerboard_and_serves_strangers(world, name):
    """Who saw even movies, as a known user or as a new one, is shown even movies."""
    fitted = model(name).fit(world, model(name).config(SETTINGS[name]))
    new = unrated([0, 2, 4, 6, 8, 10], [1, 3, 5, 7, 9, 11])
    for histories, parity, at_least in (
        (world.histories, np.arange(world.n_users) % 2, 0.95),
        (new, np.array([0, 1]), 0.9),
    ):
        scores = fitted.scores(histories)
        for row, movies in zip(scores, histories.movies, strict=True):
            row[movies] = -np.inf
        top = np.argsort(-scores, axis=1)[:, :5]
        assert (top % 2 == parity[:, None]).mean() >= at_least
    np.testing.assert_array_equal(fitted.towers.scores(new), fitted.scores(new))


@pytest.mark.parametrize("name", SETTINGS)
def test_histories_are_signed_unless_that_is_switched_off(world, name):
    """The towers hold the liking of the rating range; a dislike turns a lone movie's pull round."""
    key = "liking.signed"
    signed = model(name).fit(world, model(name).config(SETTINGS[name]))
    unsigned = model(name).fit(world, model(name).config({**SETTINGS[name], key: "false"}))
    movie = np.array([4])

    assert signed.towers.liking == LikingConfig().on((1.0, 5.0))
    loved, hated = (np.array([rating], np.float32) for rating in (5, 1))
    alike = Histories([movie, movie], [loved, hated])
    np.testing.assert_array_equal(*unsigned.scores(alike))
    even = np.arange(60) % 2 == 0
    for_love, for_hate = signed.scores(alike)
    assert for_love[even].mean() > for_love[~even].mean()
    assert for_hate[even].mean() - for_hate[~even].mean() < (
        for_love[even].mean() - for_love[~even].mean()
    )


@pytest.mark.parametrize("name", SETTINGS)
def test_an_empty_history_is_answered(world, name):
    """Finite scores for a user of whom nothing is known."""
    fitted = model(name).fit(world, model(name).config(SETTINGS[name]))

    scores = fitted.scores(unrated([]))

    assert scores.shape == (1, 60)
    assert np.isfinite(scores).all()


def test_prefix_and_the_gate_serve_nobody_what_is_rated_late():
    """All six rated movies 1 and 2: everybody movie 1 first, and movie 2 later."""
    sequences = [[1, 2, 0], [1, 2, 3], [1, 0, 2], [1, 2, 3], [1, 3, 2], [1, 2, 0]]
    for name in ("prefix", "gated_linear"):
        fitted = model(name).fit(watched(sequences, 5), model(name).config())
        order = np.argsort(-fitted.scores(unrated([]))[0])
        assert order[0] == 2
        assert order[-1] == 4  # nobody rated it


def test_prefix_is_the_ridge_regression_from_beginnings_to_later_movies():
    """One row for each user and cut, by hand; the constant is next to free."""
    cuts, l2 = (0, 1, 2, 3, 5, 7, 10, 15, 20), 3.0
    assert cuts == prefix.CUTS
    beginnings, laters = [], []
    for sequence in SEQUENCES:
        for cut in cuts:
            if len(sequence) > cut:
                beginnings.append(np.append(1, seen([sequence[:cut]], N_MOVIES)))
                laters.append(seen([sequence[cut:]], N_MOVIES)[0])
    rows = np.array(beginnings)
    penalties = np.diag([1e-3] + [l2] * N_MOVIES)
    weights = np.linalg.solve(rows.T @ rows + penalties, rows.T @ np.array(laters))
    expected = weights[0] + seen(SEQUENCES, N_MOVIES) @ weights[1:]

    towers = prefix.towers_of(watched(SEQUENCES, N_MOVIES), prefix.Config(l2=l2, min_count=1))

    np.testing.assert_allclose(
        towers.scores(unrated(*SEQUENCES)), standardised(expected), atol=1e-4
    )
    np.testing.assert_allclose(towers.scores(unrated([])), standardised(weights[:1]), atol=1e-4)


def test_prefix_reads_no_movie_that_stands_in_too_few_beginnings():
    """A movie that one user saw is predicted, and says nothing itself."""
    towers = prefix.towers_of(watched([[0, 1], [0, 1], [2, 0]], 3), prefix.Config(min_count=2))

    assert towers.item_vectors[2].any()
    assert not towers.history_vectors[2].any()
    assert towers.history_vectors[0].any()


def test_linear_static_at_full_rank_is_ease():
    """The history times the textbook's matrix, whatever the order."""
    config = linear_static.Config(l2=2.0)
    towers = linear_static.towers_of(watched(SEQUENCES, N_MOVIES), config)
    expected = seen(SEQUENCES, N_MOVIES) @ textbook_ease(seen(SEQUENCES, N_MOVIES), 2.0)

    found = towers.scores(unrated(*SEQUENCES))

    np.testing.assert_allclose(found, standardised(expected), atol=1e-4)
    turned = towers.scores(unrated(*(sequence[::-1] for sequence in SEQUENCES)))
    np.testing.assert_allclose(turned, found, atol=1e-5)


def test_linear_sequence_at_full_rank_is_both_matrices():
    """exp(-age / tau) + floor times EASE, and times the successors of frequent movies, scaled."""
    window = Window(2, 2.0, 3, 4.0)
    config = linear_sequence.Config(
        item_item_l2=2.0, item_item_weight=0.7, successors_l2=1.5, window=window, min_count=3
    )
    weighted = np.zeros((len(SEQUENCES), N_MOVIES))
    for row, sequence in zip(weighted, SEQUENCES, strict=True):
        for age, movie in enumerate(reversed(sequence)):
            row[movie] = np.exp(-age / 5.0) + 0.05
    frequent = np.flatnonzero(seen(SEQUENCES, N_MOVIES).sum(axis=0) >= 3)
    assert 2 < len(frequent) < N_MOVIES
    by_items = weighted @ textbook_ease(seen(SEQUENCES, N_MOVIES), 2.0)
    by_order = np.zeros_like(by_items)
    successors = naive_successors(SEQUENCES, frequent.tolist(), window, 1.5, 1)
    by_order[:, frequent] = weighted[:, frequent] @ successors
    expected = 0.7 * by_items / by_items.std() + by_order / by_order.std()

    towers = linear_sequence.towers_of(watched(SEQUENCES, N_MOVIES), config)

    np.testing.assert_allclose(
        towers.scores(unrated(*SEQUENCES)), standardised(expected), atol=1e-4
    )


def test_movies_beyond_the_most_rated_have_no_vector():
    """Room for three: the others neither are predicted nor read, and nothing fails."""
    data = watched([[0, 1, 2], [0, 1, 2, 3], [0, 2, 1, 4]], 6)
    for name in ("prefix", "linear_static", "linear_sequence"):
        config = model(name).config({"max_movies": "3"})
        towers = model(name).fit(data, config).towers
        for vectors in (towers.item_vectors, towers.history_vectors):
            assert not vectors[3:].any()
        assert towers.item_vectors[:3].any()
