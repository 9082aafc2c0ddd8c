"""What the training process predicts is what a caller gets: nothing is lost on the way."""

from __future__ import annotations

from itertools import groupby

import numpy as np
import pytest

from client import RecommenderClient
from tests.conftest import Release
from tests.oracle import final_order
from trainer.datasets import load_dataset
from trainer.split import per_user_temporal

TOLERANCE = 1e-4


def test_predict_rating_equals_the_live_model(release: Release, client: RecommenderClient):
    """500 held-out pairs through client, gateway and model server agree to 1e-4."""
    live = release.live
    pairs = sorted(
        zip(live["pair_users"], live["pair_movies"], live["pair_ratings"], strict=True),
        key=lambda pair: pair[0],
    )
    compared = 0
    for user, rows in groupby(pairs, key=lambda pair: pair[0]):
        expected = {str(movie): float(np.clip(rating, 1, 5)) for _, movie, rating in rows}
        answer = client.predict_rating(str(user), list(expected))
        assert [rated.movie_id for rated in answer] == list(expected)
        for rated in answer:
            assert rated.rating == pytest.approx(expected[rated.movie_id], abs=TOLERANCE)
            compared += 1

    assert compared == 500


def test_recommend_user_equals_an_offline_list(release: Release, client: RecommenderClient):
    """The lists of 50 users are those of the live towers, ordered by plain NumPy."""
    dataset = load_dataset("ml-100k")
    known = per_user_temporal(dataset.ratings).history
    live = release.live
    movie_ids = live["movie_ids"].tolist()
    assert len(live["users"]) == 50
    for user, scores, ratings in zip(live["users"], live["scores"], live["ratings"], strict=True):
        seen = set(known[known["user_id"] == user]["movie_id"])
        allowed = np.array([movie_id not in seen for movie_id in movie_ids])
        movies, final = final_order(scores, ratings, allowed, float(live["rating_weight"]))
        score_of = {movie_ids[movie]: score for movie, score in zip(movies, final, strict=True)}
        rating_of = dict(zip(movie_ids, np.clip(ratings, 1, 5).tolist(), strict=True))

        answer = client.recommend_user(str(user), page_size=100)
        served = list(answer)
        assert not answer.answer.degraded
        assert len({row.movie.movie_id for row in served}) == 100
        for row, expected in zip(served, final, strict=False):
            # Where two scores tie within the tolerance, either order is right.
            assert score_of[row.movie.movie_id] == pytest.approx(expected, abs=TOLERANCE)
            assert row.score == pytest.approx(expected, abs=TOLERANCE)
            assert row.predicted_rating == pytest.approx(
                rating_of[row.movie.movie_id], abs=TOLERANCE
            )
