"""Baselines that show everybody the same list: most rated, highest rated, Bayesian average."""

from __future__ import annotations

import pytest

from tests.unit.trainer.tiny import seven_ratings
from trainer.models import bayesian_average, highest_rated, popularity


def scores_of(module, config) -> list[float]:
    """What each of the four movies scores, the same for all users, with a history or without."""
    data = seven_ratings()
    scores = module.fit(data, config).scores(data.histories.of([0, 2]))
    empty = module.fit(data, config).scores(data.histories.first(0))
    assert scores.shape == (2, 4)
    assert scores[0].tolist() == scores[1].tolist() == empty[0].tolist()
    return scores[0].tolist()


def test_popularity_counts_ratings():
    """Nobody rated movie 3."""
    assert scores_of(popularity, popularity.Config()) == [3, 2, 2, 0]


def test_popularity_puts_what_is_not_above_the_threshold_behind_the_rest():
    """Movie 1's mean is the threshold itself; movie 3 has none: 4 less than their counts."""
    assert scores_of(popularity, popularity.Config(rating_threshold=2.0)) == [3, -2, 2, -4]


def test_highest_rated_orders_by_the_mean():
    """All three have more than one rating; without a rating 1 below the lowest possible."""
    assert scores_of(highest_rated, highest_rated.Config(count_threshold=1)) == [4, 2, 4, 0]


def test_highest_rated_needs_more_ratings_than_the_threshold():
    """Two ratings are not more than two: such movies stand below every mean, by their counts."""
    found = scores_of(highest_rated, highest_rated.Config(count_threshold=2))

    assert found == pytest.approx([4, 2 / 3, 2 / 3, 0])


def test_bayesian_average_moves_means_towards_the_mean_of_all():
    """(sum + 2 mu) / (count + 2) with mu = 24 / 7."""
    found = scores_of(bayesian_average, bayesian_average.Config(pseudo_count=2.0))

    mu = 24 / 7
    assert found == pytest.approx([(12 + 2 * mu) / 5, (4 + 2 * mu) / 4, (8 + 2 * mu) / 4, mu])
