"""Baselines follow their formulas, and reach on MovieLens 100K what was measured elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

from trainer.baselines import (
    BiasModel,
    late_popularity,
    popularity,
    position_in_history,
    segment_popularity,
    segments,
    shrunk_means,
)
from trainer.datasets import Col
from trainer.metrics import evaluate_topn, mae, rmse

AGE_BOUNDS = np.array([1, 18, 25, 35, 45, 50, 56])


def test_popularity_counts_ratings():
    """Movies without a rating have 0."""
    assert popularity(np.array([2, 0, 2]), 4).tolist() == [1, 0, 2, 0]


def test_position_in_history():
    """Oldest first within each user; equal times by row order."""
    users = np.array([1, 0, 1, 1, 0])
    times = np.array([5, 9, 3, 5, 8])

    assert position_in_history(users, times).tolist() == [1, 1, 0, 2, 0]


def test_late_popularity_counts_late_rows_first():
    """Late rows decide; all rows only order movies of equal late counts."""
    users = np.array([0, 0, 0, 1, 1])
    movies = np.array([0, 1, 2, 0, 0])
    times = np.array([1, 2, 3, 1, 2])

    scores = late_popularity(users, movies, times, 4, late_from=2)

    # Only (user 0, movie 2) stands at position 2; movie 0 was rated thrice, all early.
    assert scores.tolist() == pytest.approx([3 / 6, 1 / 6, 1 + 1 / 6, 0])


def test_shrunk_means():
    """(sum + C mu) / (count + C), with mu = 3 and C = 2."""
    means = shrunk_means(np.array([0, 0, 1]), np.array([5.0, 3.0, 1.0]), 3, pseudo_count=2)

    assert means.tolist() == pytest.approx([(8 + 6) / 4, (1 + 6) / 3, 3])


def test_shrunk_means_need_ratings():
    """No ratings have no mean; a pseudo-count of 0 would divide by 0."""
    with pytest.raises(ValueError, match="needs ratings"):
        shrunk_means(np.array([], dtype=int), np.array([]), 3)
    with pytest.raises(ValueError, match="pseudo_count > 0"):
        shrunk_means(np.array([0]), np.array([1.0]), 3, pseudo_count=0)


def test_bias_model_by_hand():
    """One round on two ratings of two users and movies, penalties 1."""
    model = BiasModel.fit(
        np.array([0, 1]), np.array([0, 1]), np.array([5.0, 3.0]), (2, 2), (1.0, 1.0), rounds=1
    )

    # mu 4; movie biases 1 / 2 and -1 / 2; user biases (1 - 1/2) / 2 and -(1 - 1/2) / 2
    assert model.mean == 4
    assert model.movie_bias.tolist() == [0.5, -0.5]
    assert model.user_bias.tolist() == [0.25, -0.25]
    predicted = model.predict(np.array([0, 1, -1, 0]), np.array([0, 0, 0, -1]))
    assert predicted.tolist() == [4.75, 4.25, 4.5, 4.25]


def test_bias_model_finds_planted_biases():
    """With small penalties and every pair rated, additive ratings are reproduced."""
    users, movies = (axis.ravel() for axis in np.indices((6, 5)))
    rating = 3 + np.linspace(-1, 1, 6)[users] + np.linspace(-0.5, 0.5, 5)[movies]

    model = BiasModel.fit(users, movies, rating, (6, 5), (1e-6, 1e-6))

    assert model.predict(users, movies) == pytest.approx(rating, abs=1e-4)


def test_segments():
    """Gender times age bucket; what is unknown has no segment."""
    gender = np.array(["F", "M", "M", "", "F", "M"])
    age = np.array([17, 18, 99, 30, 0, 0])

    assert segments(gender, age, np.array([1, 18, 60])).tolist() == [0, 4, 5, -1, -1, -1]


def test_segment_popularity_by_hand():
    """Counts of the segment moved towards the population's share."""
    # 2 users in segment 0, 1 in segment 1, none in segment 2; movie 0 rated by all three.
    movies, row_segment = np.array([0, 1, 0, 0]), np.array([0, 0, 0, 1])

    share = segment_popularity(movies, row_segment, np.array([2, 1, 0]), 3, pseudo_users=6)

    overall = [1, 1 / 3, 0]
    assert share[0].tolist() == pytest.approx([(2 + 6) / 8, (1 + 2) / 8, 0])
    assert share[1].tolist() == pytest.approx([(1 + 6) / 7, (0 + 2) / 7, 0])
    assert share[2].tolist() == pytest.approx(overall)


@pytest.fixture(scope="module")
def columns(ml_100k):
    """user_index, movie_index, rating and timestamp of the real ratings: ids minus 1."""
    ratings = ml_100k.ratings
    return (
        ratings[Col.USER].astype(int).to_numpy() - 1,
        ratings[Col.MOVIE].astype(int).to_numpy() - 1,
        ratings[Col.RATING].to_numpy(),
        ratings[Col.TIME].to_numpy(),
    )


def test_rating_baselines_on_u1(columns):
    """u1: mean 1.1537 / 0.9680, biases 0.9535 / 0.7529, as Surprise's tuned BaselineOnly."""
    users, movies, rating, _ = columns
    test = np.arange(len(rating)) < 20_000

    model = BiasModel.fit(users[~test], movies[~test], rating[~test], (943, 1682))
    mean = np.full(test.sum(), model.mean)
    biased = np.clip(model.predict(users[test], movies[test]), 1, 5)

    assert rmse(rating[test], mean) == pytest.approx(1.1537, abs=5e-5)
    assert mae(rating[test], mean) == pytest.approx(0.9680, abs=5e-5)
    assert rmse(rating[test], biased) == pytest.approx(0.9535, abs=2e-4)
    assert mae(rating[test], biased) == pytest.approx(0.7529, abs=2e-4)


def test_ranking_baselines_on_the_cold_start_ladder(columns, ml_100k):
    """cold-100k, NDCG@10 / Recall@10: the figures measured before this code was written."""
    users, movies, rating, times = columns
    cold_users = np.random.default_rng(42).permutation(943)[:189]
    cold = np.isin(users, cold_users)
    early = position_in_history(users, times) < 20
    segment = segments(
        ml_100k.users[Col.GENDER].to_numpy(), ml_100k.users[Col.AGE].to_numpy(), AGE_BOUNDS
    )
    sizes = np.bincount(np.delete(segment, cold_users), minlength=2 * len(AGE_BOUNDS))
    train = (users[~cold], movies[~cold])

    def measure(scores):
        seen, wanted = ((users[mask], movies[mask]) for mask in (cold & early, cold & ~early))
        result = evaluate_topn(scores, seen, wanted, 1682, ks=(10,))
        assert len(result.users) == 179
        return round(result.metrics["ndcg@10"], 3), round(result.metrics["recall@10"], 3)

    def same_for_all(scores):
        return np.broadcast_to(scores, (943, 1682))

    assert measure(same_for_all(popularity(train[1], 1682))) == (0.360, 0.067)
    assert measure(same_for_all(shrunk_means(train[1], rating[~cold], 1682, 500))) == (0.329, 0.038)
    late = late_popularity(*train, times[~cold], 1682)
    assert measure(same_for_all(late))[0] == 0.390
    by_segment = segment_popularity(train[1], segment[train[0]], sizes, 1682)
    assert measure(by_segment[segment]) == (0.373, 0.063)
