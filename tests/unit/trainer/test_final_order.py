"""The rating's weight in the final order, chosen on what the graph would list."""

from __future__ import annotations

import numpy as np
import pytest

from tests import oracle
from trainer.features.index import Interactions
from trainer.final_order import RATING_WEIGHTS, best_rating_weight, try_rating_weights
from trainer.metrics import evaluate_topn


def pairs(users: np.ndarray, movies: np.ndarray) -> Interactions:
    nothing = np.zeros(len(users))
    return Interactions(users, movies, nothing.astype(np.float32), nothing.astype(np.int64))


@pytest.mark.parametrize("n_movies", [40, 350])
def test_every_weight_is_measured_on_the_final_order(n_movies):
    """The same lists as NumPy's final order gives: known movies out, 300 candidates, z-scores."""
    rng = np.random.default_rng(0)
    n_users = 6
    scores = rng.normal(size=(n_users, n_movies))
    ratings = rng.normal(size=(n_users, n_movies)) + 3
    drawn = np.array([rng.permutation(n_movies)[:12] for _ in range(n_users)])
    users = np.repeat(np.arange(n_users), 6)
    known, held_out = (pairs(users, part.ravel()) for part in (drawn[:, :6], drawn[:, 6:]))

    found = try_rating_weights(scores, lambda u, m: ratings[u, m], known, held_out)

    assert tuple(found) == RATING_WEIGHTS
    for weight, figures in found.items():
        ordered = np.full((n_users, n_movies), -np.inf)
        for user in range(n_users):
            allowed = np.ones(n_movies, bool)
            allowed[drawn[user, :6]] = False
            movies, _ = oracle.final_order(scores[user], ratings[user], allowed, weight)
            ordered[user, movies] = -np.arange(len(movies))
        ordered[np.isinf(ordered)] = -1e6
        expected = evaluate_topn(
            ordered,
            (known.users, known.movies),
            (held_out.users, held_out.movies),
            n_movies,
            ks=(10,),
        ).metrics
        assert figures == pytest.approx(expected), weight


def test_a_rating_that_knows_is_listened_to():
    """Where the rating alone tells held-out movies apart, more weight finds more of them."""
    rng = np.random.default_rng(1)
    scores = rng.normal(size=(20, 60))
    users, movies = np.repeat(np.arange(20), 3), np.tile([5, 6, 7], 20)
    wanted = np.isin(np.arange(60), [5, 6, 7]).astype(float)

    found = try_rating_weights(
        scores, lambda _, m: wanted[m], pairs(users[:0], movies[:0]), pairs(users, movies)
    )

    figures = [found[weight]["ndcg@10"] for weight in RATING_WEIGHTS]
    assert figures == sorted(figures)
    assert figures[-1] > figures[0] + 0.1
    assert best_rating_weight(found) == RATING_WEIGHTS[-1]


def test_of_weights_that_rank_alike_the_highest_is_taken():
    """0.2 is within a thousandth of the best one, 0.5 is not."""
    ndcg = {0.0: 0.3009, 0.1: 0.3010, 0.2: 0.3001, 0.35: 0.2999, 0.5: 0.2}

    assert best_rating_weight({weight: {"ndcg@10": value} for weight, value in ndcg.items()}) == 0.2
