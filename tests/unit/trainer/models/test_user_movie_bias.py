"""The bias model: its formulas are tested with the baselines; here the towers it exports."""

from __future__ import annotations

import numpy as np

from tests.unit.trainer.tiny import seven_ratings
from trainer.models import user_movie_bias


def test_towers_predict_what_the_model_predicts():
    """Every pair of the data set, those without a rating too."""
    data = seven_ratings()
    fitted = user_movie_bias.fit(data, user_movie_bias.Config())
    users, movies = (axis.ravel() for axis in np.indices((3, 4)))

    np.testing.assert_allclose(
        fitted.towers.pairs(users, movies), fitted.predict(users, movies), atol=1e-6
    )


def test_a_stranger_with_a_users_history_gets_the_users_bias():
    """The fold-in is the last round's own formula; without a history the bias is 0."""
    data = seven_ratings()
    towers = user_movie_bias.fit(data, user_movie_bias.Config()).towers

    folded = [towers.stranger(*pair)[1] for pair in zip(*_columns(data), strict=True)]
    nobody = towers.stranger(np.zeros(0, np.int64), np.zeros(0, np.float32))

    np.testing.assert_allclose(folded, towers.user_bias, atol=1e-6)
    assert abs(towers.user_bias).min() > 0.01
    assert (nobody[0].tolist(), nobody[1]) == ([0], 0)


def _columns(data):
    return data.histories.movies, data.histories.ratings
