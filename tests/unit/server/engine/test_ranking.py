"""The best of many, and the two halves of the final order."""

from __future__ import annotations

import numpy as np
import pytest

from server.engine.ranking import NOT_ALLOWED, best, standardised


@pytest.mark.parametrize("n_movies", [1, 5, 300, 301, 5_000, 20_000])
@pytest.mark.parametrize("n_values", [2, 50, 10**9])
@pytest.mark.parametrize("share_allowed", [1.0, 0.5, 0.01, 0.0])
def test_the_best_are_those_of_a_stable_sort(
    n_movies: int, n_values: int, share_allowed: float
) -> None:
    """Greatest first, equal ones by index, however many tie; what is not allowed never comes."""
    rng = np.random.default_rng(n_movies)
    key = rng.integers(-n_values, n_values, n_movies).astype(np.float32)
    key[rng.random(n_movies) >= share_allowed] = NOT_ALLOWED
    order = np.argsort(-key, kind="stable")
    expected = order[key[order] > NOT_ALLOWED][:300]

    np.testing.assert_array_equal(best(key, 300), expected)


def test_the_best_are_found_where_a_sample_misleads() -> None:
    """The sampled places hold the highest keys of all, and fewer than are wanted."""
    key = np.arange(10_000, dtype=np.float32)
    key[::16] += 20_000
    expected = np.argsort(-key, kind="stable")[:3_000]

    np.testing.assert_array_equal(best(key, 3_000), expected)


def test_z_scores_have_mean_0_and_deviation_1() -> None:
    """1, 3, 5 lie around 3 by the root of 8 / 3."""
    scores, spread = standardised(np.array([1, 3, 5], np.float32))

    assert (spread.mean, spread.deviation) == pytest.approx((3, np.sqrt(8 / 3)))
    assert scores.tolist() == pytest.approx([-np.sqrt(1.5), 0, np.sqrt(1.5)], abs=1e-5)


def test_equal_values_have_no_z_scores() -> None:
    """What differs in its last bits alone is the same; nothing at all has no spread."""
    values = np.full(5, 1000, np.float32)
    values[2] = np.nextafter(np.float32(1000), np.float32(2000))

    scores, spread = standardised(values)
    nothing, no_spread = standardised(np.zeros(0, np.float32))

    assert not scores.any()
    assert spread.deviation == 0
    assert len(nothing) == 0
    assert (no_spread.mean, no_spread.deviation) == (0, 0)
