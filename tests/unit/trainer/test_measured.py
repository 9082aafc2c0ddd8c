"""Figures on held-out rows, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.trainer.tiny import seven_ratings
from trainer.features.index import Interactions
from trainer.models import measured
from trainer.models.interfaces import FittedRating, FittedRetrieval


def rows(*cells: tuple[int, int, float]) -> Interactions:
    users, movies, ratings = map(np.array, zip(*cells, strict=True))
    return Interactions(users, movies, ratings.astype(np.float32), np.arange(len(cells)))


def test_ratings_are_clipped_to_the_range():
    """Errors 0 and 1: a prediction of 9 is a 5."""
    fitted = FittedRating(lambda users, _: np.where(users == 0, 9.0, 3.0), None, None)

    found = measured.figures(fitted, seven_ratings(), rows((0, 3, 5.0), (1, 3, 4.0)))

    assert found == pytest.approx({"rmse": np.sqrt(1 / 2), "mae": 1 / 2})


def test_a_list_leaves_the_history_out():
    """User 1 has seen movies 0 and 1: of 2 and 3 the wanted one comes second."""

    def scores(histories):
        assert [movies.tolist() for movies in histories.movies] == [[0, 1]]
        return np.array([[9.0, 8.0, 2.0, 1.0]])

    found = measured.figures(FittedRetrieval(scores, None, None), seven_ratings(), rows((1, 3, 4)))

    assert found["ndcg@10"] == pytest.approx(1 / np.log2(3))
    assert (found["recall@10"], found["mrr"]) == (1, 1 / 2)


def test_all_rows_of_some_users_are_measured(monkeypatch):
    """Two of three users, the same ones each time, with every row they have."""
    monkeypatch.setattr(measured, "USERS_MEASURED", 2)
    cells = [(user, movie, 4.0) for user in (0, 1, 2) for movie in (2, 3)]

    first, again = measured.some_users(rows(*cells)), measured.some_users(rows(*cells))

    assert len(np.unique(first.users)) == 2
    assert np.bincount(first.users)[np.unique(first.users)].tolist() == [2, 2]
    assert first.users.tolist() == again.users.tolist()


def test_what_is_no_number_is_told():
    """A fit that diverged is no fit that is bad."""
    nan = np.full((1, 4), np.nan)
    for fitted in (
        FittedRating(lambda *_: nan[0, :1], None, None),
        FittedRetrieval(lambda _: nan, None, None),
    ):
        with pytest.raises(measured.NotFiniteError, match="not finite"):
            measured.figures(fitted, seven_ratings(), rows((1, 3, 4)))
