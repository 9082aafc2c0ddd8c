"""Exports answer, by their signatures, what the arrays that they hold say."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.trainer.evaluate.worlds import USERS, ladder_split, warm_split
from trainer.evaluate.exported import _no_rating, _towers, export_rating, export_retrieval
from trainer.evaluate.measure import measure
from trainer.evaluate.question import ask
from trainer.evaluate.saved_models import ReleaseScorer
from trainer.evaluate.scorers import DEPTH, ScoreRanking
from trainer.export.towers_file import write_towers
from trainer.models.towers import FoldIn, Liking, RatingTowers, RetrievalTowers
from trainer.models.training_data import training_data

RNG = np.random.default_rng(5)
N, D = 6, 3


def some(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


def rating_towers(n_columns: int) -> RatingTowers:
    """Every number is its own."""
    return RatingTowers(
        mean=3.0,
        item_vectors=some(N, D),
        item_bias=some(N),
        history_vectors=some(N, D),
        history_bias=some(N),
        stored_vectors=some(len(USERS), D),
        stored_bias=some(len(USERS)),
        user_vectors=some(len(USERS), D),
        user_bias=some(len(USERS)),
        fold_in=FoldIn(
            nobody_vector=some(D),
            nobody_bias=0.2,
            profile_vectors=some(n_columns, D),
            profile_bias=some(n_columns),
            usual_profile=some(n_columns),
            history_hold=1.0,
            spread=some(2, D + 1),
            noise=2.0,
            mood=0.25,
        ),
    )


def retrieval_towers() -> RetrievalTowers:
    """One tower whose newest movie counts most, and in which a dislike pushes away."""
    items = some(N, D)
    return RetrievalTowers(
        item_vectors=items,
        history_vectors=some(N, D),
        base_vector=some(D),
        tower_of_column=np.zeros(D, np.int64),
        age_weights=np.array([[3.0], [1.0]], np.float32),
        covariance=np.cov(items.T, bias=True).astype(np.float32),
        gate_from=np.zeros(1, np.int64),
        gate=np.ones((1, 1), np.float32),
        liking=Liking(2.0, 4.0, -1.0),
    )


def test_known_users_are_rated_by_their_id(tmp_path):
    """The same as the stored rows, for pairs of a test part."""
    dataset, split = warm_split()
    data, question = training_data(dataset, split.train), ask(dataset, split)
    towers = rating_towers(data.user_rows.shape[1])

    scorer = export_rating(towers, data, tmp_path)
    found = scorer.rate(question.shown(None), question.test_position, question.test.movies)

    expected = towers.pairs(question.test.users, question.test.movies)
    assert found == pytest.approx(np.clip(expected, 1, 5), abs=1e-5)


def test_strangers_are_rated_by_their_history(tmp_path):
    """At each rung what the towers make of the shown rows; the id table is not asked."""
    dataset, split = ladder_split()
    data, question = training_data(dataset, split.train), ask(dataset, split)
    towers = rating_towers(data.user_rows.shape[1])

    scorer = export_rating(towers, data, tmp_path)

    for n in question.rungs:
        shown = question.shown(n)
        found = scorer.rate(shown, question.test_position, question.test.movies)
        vector, bias = towers.stranger(shown.histories.movies[0], shown.histories.ratings[0])
        ratings = towers.ratings(vector[None, :], np.array([bias], np.float32))
        expected = np.clip(ratings[0, question.test.movies], 1, 5)
        assert found == pytest.approx(expected, abs=1e-4), n


@pytest.mark.parametrize("world", [warm_split, ladder_split])
def test_recommend_ranks_as_the_towers_do(tmp_path, world):
    """Same lists, padded to 200 columns, without the history and without what nobody rated."""
    dataset, split = world()
    data, question = training_data(dataset, split.train), ask(dataset, split)
    towers = retrieval_towers()
    live = ScoreRanking(lambda shown: towers.scores(shown.histories))

    scorer = export_retrieval(towers, data, tmp_path)

    for n in question.rungs:
        shown, excluded = question.shown(n), question.excluded(question.users)
        found = scorer.rank(shown, excluded)
        assert found.lists.shape == (len(question.users), DEPTH)
        assert (found.lists == live.rank(shown, excluded).lists).all()
    assert (
        measure(question, None, scorer).recall_curve == measure(question, None, live).recall_curve
    )


def test_the_index_order_and_untold_ratings(tmp_path):
    """The index is the dot product alone; without ratings a low one pulls like a high one."""
    dataset, split = ladder_split()
    data, question = training_data(dataset, split.train), ask(dataset, split)
    towers, shown = retrieval_towers(), question.shown(2)
    export_retrieval(towers, data, tmp_path)
    write_towers(tmp_path / "recommend", _towers(data, towers, _no_rating(data)))
    excluded = question.excluded(question.users)

    signed = ReleaseScorer(tmp_path, question.index, 2)
    unsigned = ReleaseScorer(tmp_path, question.index, 2, signed=False)

    def expected(ratings: list[float]) -> np.ndarray:
        vector = towers.user_vector(np.array([0, 3]), np.array(ratings, np.float32))
        return np.where(excluded[0], -np.inf, towers.item_vectors @ vector)

    scores = signed.index_ranking().rank(shown, excluded).scores
    assert scores[0] == pytest.approx(expected([2.0, 4.0]), abs=1e-4)
    scores = unsigned.index_ranking().rank(shown, excluded).scores
    assert scores[0] == pytest.approx(expected([np.nan, np.nan]), abs=1e-4)
