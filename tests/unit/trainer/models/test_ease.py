"""EASE: against the regressions that define it."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.trainer.tiny import seven_ratings, tiny_data
from trainer.datasets import DataError
from trainer.models import ease


def regressions(seen: np.ndarray, l2: float) -> np.ndarray:
    """Column j: the ridge regression of movie j on all other movies."""
    n_movies = seen.shape[1]
    weights = np.zeros((n_movies, n_movies))
    for movie in range(n_movies):
        others = np.delete(np.arange(n_movies), movie)
        rows = seen[:, others]
        gram = rows.T @ rows + l2 * np.eye(n_movies - 1)
        weights[others, movie] = np.linalg.solve(gram, rows.T @ seen[:, movie])
    return weights


@pytest.mark.parametrize("n_users", [20, 60])
def test_scores_are_each_movies_regression_on_the_others(n_users):
    """Fewer users than movies and more of them: 40 movies, of which one nobody has seen."""
    seen = np.random.default_rng(1).random((n_users, 40)) < 0.3
    seen[:, 7] = False
    data = tiny_data([(user, movie, 4) for user, movie in np.argwhere(seen)], n_users, 40)

    scores = ease.fit(data, ease.Config(l2=7.0)).scores(data.histories)

    np.testing.assert_allclose(scores, seen @ regressions(seen.astype(float), 7.0), atol=1e-9)


def test_movies_beyond_the_most_rated_score_0():
    """Room for two: the third is not in the matrix, the first two are solved alone."""
    data = tiny_data(((0, 2, 5), (0, 0, 5), (1, 2, 5), (1, 0, 5), (2, 1, 5)), 3, 3)
    scores = ease.fit(data, ease.Config(l2=1.0, max_movies=2)).scores(data.histories)

    # Both are seen by the same two: x = w x, w = 2 / (2 + 1)
    np.testing.assert_allclose(scores, [[2 / 3, 0, 2 / 3]] * 2 + [[0, 0, 0]], atol=1e-12)


def test_without_a_penalty_there_is_no_answer():
    """Movies that the same users have seen would have no inverse."""
    with pytest.raises(DataError, match="must be above 0"):
        ease.fit(seven_ratings(), ease.Config(l2=0.0))
