"""The best of many, and the two halves of the final order."""

from __future__ import annotations

import numpy as np
import pytest

from server.engine.ranking import (
    NOT_ALLOWED,
    _reached_by,
    best,
    blended,
    candidates,
    falling,
    forbid,
)


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

    movies, keys = best(key, 300)

    np.testing.assert_array_equal(movies, expected)
    np.testing.assert_array_equal(keys, key[expected])
    np.testing.assert_array_equal(candidates(key, 300), np.sort(expected))


@pytest.mark.parametrize("n_movies", [10_000, 10_007])
@pytest.mark.parametrize(
    "places", [slice(5), slice(-5, None), slice(3, None, 600), slice(100, 400), slice(100, 399)]
)
def test_the_best_are_found_wherever_they_stand(n_movies: int, places: slice) -> None:
    """At either end, in one group, and all but one or each in a group of its own."""
    key = np.arange(n_movies, dtype=np.float32) % 7
    key[places] = 20_000 + np.arange(len(key[places]))
    expected = np.argsort(-key, kind="stable")[:300]

    np.testing.assert_array_equal(best(key, 300)[0], expected)


def test_few_keys_are_sorted() -> None:
    """Of mixed ones little more than are wanted reach the bound: sorting all would take longest."""
    key = np.random.default_rng(1).permutation(100_000).astype(np.float32)

    assert 300 <= (key >= _reached_by(key, 300)).sum() < 600


@pytest.mark.parametrize("values", [[3, 1, 2], [1, 2, 1, 2, 2], [0, 0.0, -0.0], [5], []])
def test_falling_keeps_equal_values_in_their_order(values: list[float]) -> None:
    """As a stable sort does, with ties and without."""
    given = np.array(values, np.float32)
    expected = sorted(range(len(values)), key=lambda place: -values[place])

    assert falling(given).tolist() == expected


def test_what_is_not_allowed_is_below_every_key() -> None:
    """Other keys stay as they are, zero and the extremes of float32 too."""
    extremes = np.finfo(np.float32)
    key = np.array([0, -1, 2, extremes.max, extremes.min, 7], np.float32)
    allowed = np.array([True, True, False, True, True, False])
    expected = [0, -1, NOT_ALLOWED, extremes.max, extremes.min, NOT_ALLOWED]

    forbid(key, allowed)

    assert key.tolist() == expected


def test_z_scores_are_weighted_and_added() -> None:
    """1, 3, 5 lie around 3 by the root of 8 / 3; 4, 0, 2 around 2 by as much."""
    rows = np.array([[1, 3, 5], [4, 0, 2]], np.float32)
    z = np.sqrt(1.5)

    final, spreads = blended(rows, (1, 0.5))

    assert [(s.mean, s.deviation) for s in spreads] == [
        pytest.approx((3, np.sqrt(8 / 3))),
        pytest.approx((2, np.sqrt(8 / 3))),
    ]
    assert final.tolist() == pytest.approx([-z + 0.5 * z, -0.5 * z, z], abs=1e-5)


def test_equal_values_have_no_z_scores() -> None:
    """What differs in its last bits alone is the same; nothing at all has no spread."""
    values = np.full(5, 1000, np.float32)
    values[2] = np.nextafter(np.float32(1000), np.float32(2000))
    others = np.arange(5, dtype=np.float32)

    alone, _ = blended(others[None], (1,))
    final, spreads = blended(np.stack((values, others)), (1, 1))
    nothing, no_spreads = blended(np.zeros((2, 0), np.float32), (1, 1))

    np.testing.assert_array_equal(final, alone)
    assert spreads[0].deviation == 0
    assert len(nothing) == 0
    assert [(s.mean, s.deviation) for s in no_spreads] == [(0, 0)] * 2
