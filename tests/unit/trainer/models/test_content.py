"""The content model's regressions, worked by hand."""

from __future__ import annotations

import numpy as np

from tests.unit.trainer.served import make_rating
from tests.unit.trainer.tiny import seven_ratings
from trainer.models import content
from trainer.models.rating_net import RatingNet


def test_ridge_has_a_free_intercept_and_honours_weights():
    """Y = 10 everywhere needs no slope; a row of weight 0 changes nothing."""
    rows = np.array([[1, 0], [1, 1], [1, 5]], np.float32)
    targets = np.array([[10], [10], [-99]], np.float32)
    solution = content.ridge(rows, targets, np.array([1, 1, 0], np.float32), penalty=1.0)

    np.testing.assert_allclose(solution[:, 0], [10, 0], atol=0.02)


def test_dot_products_are_mapped_into_vector_and_bias():
    """The towers' own rows, the bias last."""
    towers = make_rating(12, 3, np.random.default_rng(0))

    targets = content.rating_targets(towers, seven_ratings().rows)

    np.testing.assert_array_equal(targets[:, :-1], towers.item_vectors)
    np.testing.assert_array_equal(targets[:, -1], towers.item_bias)


def test_a_network_is_mapped_into_a_bias_alone():
    """Means 4, 2, 4 of 3, 2 and 2 ratings, held to 24 / 7 by five; nothing for movie 3."""
    rows = seven_ratings().rows
    mean = float(rows.ratings.mean())
    net = RatingNet(
        user_rows=np.ones((3, 6), np.float32),
        stranger_row=np.ones(6, np.float32),
        movie_rows=np.ones((4, 6), np.float32),
        join="sum",
        kernels=(np.ones((6, 1), np.float32),),
        biases=(np.zeros(1, np.float32),),
        output_range=None,
        mean=mean,
        fold_in_strength=16.0,
    )
    expected = [
        (12 + 5 * mean) / 8 - mean,
        (4 + 5 * mean) / 7 - mean,
        (8 + 5 * mean) / 7 - mean,
        0,
    ]

    targets = content.rating_targets(net, rows)

    assert not targets[:, :-1].any()
    assert targets.shape == (4, 7)
    np.testing.assert_allclose(targets[:, -1], expected, atol=1e-6)
