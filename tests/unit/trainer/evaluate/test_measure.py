"""What is asked, and the figures that come of the answers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import ndcg_score

from tests.unit.trainer.evaluate.worlds import (
    MOVIES,
    TRAIN,
    dataset_of,
    ladder_split,
    warm_split,
)
from trainer import metrics
from trainer.evaluate.measure import measure
from trainer.evaluate.question import Shown, ask
from trainer.evaluate.scorers import DEPTH, Ranking, ScoreRanking
from trainer.split import Split

LOG3 = math.log2(3)


class Constant:
    """Predicts one number for every pair."""

    def __init__(self, rating: float) -> None:
        self.rating = rating
        self.asked: list[tuple[list[int], list[int]]] = []

    def rate(self, shown, position, movies):
        self.asked.append((shown.users[position].tolist(), movies.tolist()))
        return np.full(len(movies), self.rating)


def by_number(shown: Shown) -> np.ndarray:
    """Likes m5 best, then m4, and so on down."""
    return np.tile(np.arange(len(MOVIES), dtype=float), (len(shown), 1))


# --- rating figures -------------------------------------------------------------------------------


def test_predictions_are_clipped_before_they_are_scored():
    """9 becomes 5: errors 3, 1 and 0, mean square 10/3 and mean size 4/3."""
    question = ask(*warm_split())
    scorer = Constant(9.0)

    found = measure(question, scorer, None).rungs[None]

    assert found.metrics == {
        "rmse": pytest.approx(math.sqrt(10 / 3)),
        "mae": pytest.approx(4 / 3),
    }
    assert found.samples["rmse"].tolist() == [9, 1, 0]
    assert scorer.asked == [([0, 0, 1], [3, 4, 2])]


def test_error_by_actual_rating():
    """Always 3: one too much where 2 was given, one too little at 4, two at 5."""
    errors = measure(ask(*warm_split()), Constant(3.0), None).by_rating

    assert [(e.rating, e.n_rows, e.rmse, e.mean_error) for e in errors] == [
        (2.0, 1, 1.0, 1.0),
        (4.0, 1, 1.0, -1.0),
        (5.0, 1, 2.0, -2.0),
    ]


def test_a_prediction_that_is_no_number_is_an_error():
    """A broken model does not become a figure."""
    with pytest.raises(ValueError, match="finite"):
        measure(ask(*warm_split()), Constant(float("nan")), None)


# --- ranked lists ---------------------------------------------------------------------------------


def test_lists_leave_out_the_history_and_what_nobody_rated():
    """m5 has no rating in any part: a's candidates are m4, m3 and b's m4, m3, m2."""
    found = measure(ask(*warm_split()), None, ScoreRanking(by_number)).rungs[None]

    # a: hits at ranks 1 and 2 of 2 relevant; b: a hit at rank 3 of 1.
    assert found.samples["recall@10"].tolist() == [1, 1]
    assert found.samples["ndcg@10"].tolist() == pytest.approx([1, 1 / 2])
    assert found.samples["mrr"].tolist() == pytest.approx([1, 1 / 3])
    # Shown: m4 and m3 to a, m4, m3 and m2 to b, of five candidates.
    assert found.metrics["coverage@10"] == 3 / 5
    # Three users; m4 counts as rated once like m3 and m2: log2(3) bits each.
    assert found.metrics["novelty@10"] == pytest.approx(LOG3)
    # Counts 3 2 1 1 0 0: m4 is at 1/6, m3 and m2 at (2 + 4) / 12 = 1/2.
    assert found.metrics["popularity@10"] == pytest.approx((2 / 6 + 3 / 2) / 5)


def test_ndcg_agrees_with_scikit_learn():
    """Binary gains over full rankings: the same per-user values as an independent library."""
    rng = np.random.default_rng(3)
    scores, relevant = rng.random((20, 30)), rng.random((20, 30)) < 0.2
    relevant[:, 0] = True
    ranked = metrics.top_k(scores, 10)

    found = metrics.ndcg_at_k(np.take_along_axis(relevant, ranked, 1), relevant.sum(1), 10)

    expected = [ndcg_score([r], [s], k=10) for r, s in zip(relevant, scores, strict=True)]
    assert found.tolist() == pytest.approx(expected)


def test_recall_curve():
    """User a finds half with one movie and all with two; b all with three: means 1/4, 1/2, 1."""
    curve = measure(ask(*warm_split()), None, ScoreRanking(by_number)).recall_curve

    assert curve[:4] == pytest.approx((1 / 4, 1 / 2, 1, 1))
    assert len(curve) == 100


def test_a_list_without_scores_has_its_own_reciprocal_rank():
    """`recommend` tells 200 columns: the first hit counts, and none is 0."""
    question = ask(*warm_split())

    class Listed:
        topn_of = "recommend"

        def rank(self, shown, _excluded):
            lists = np.full((len(shown), DEPTH), -1)
            lists[0, :2] = [5, 4]  # of a, m4 at rank 2; of b nothing is found
            return Ranking(lists, None)

    found = measure(question, None, Listed()).rungs[None]

    assert found.samples["mrr"].tolist() == [1 / 2, 0]
    assert found.samples["recall@10"].tolist() == [1 / 2, 0]


def test_scores_must_cover_the_catalogue():
    """Another width is a wrong catalogue, not fewer movies."""
    with pytest.raises(ValueError, match="shape"):
        measure(ask(*warm_split()), None, ScoreRanking(lambda shown: by_number(shown)[:, 1:]))


# --- slices ---------------------------------------------------------------------------------------


def test_head_and_tail():
    """m0 and m1 hold 5 of 7 ratings, below 80 %, so m2 is head too; its one test row is b's."""
    found = measure(ask(*warm_split()), Constant(3.0), ScoreRanking(by_number))

    head, tail = found.movie_slices
    assert (head.n_rows, head.n_users, tail.n_rows, tail.n_users) == (1, 1, 2, 1)
    assert head.definition.startswith("the 3 most-rated movies")
    assert head.metrics["rmse"] == 2
    assert tail.metrics["rmse"] == 1
    # b's list is m4, m3, m2: the head movie keeps its third place.
    assert head.metrics["ndcg@10"] == pytest.approx(1 / 2)
    assert tail.metrics["ndcg@10"] == 1


def test_a_hit_counts_in_its_own_slice_alone():
    """User b finds m4 of the tail at rank 1 and m2 of the head at rank 3."""
    dataset = dataset_of([*TRAIN, ("b", "m2", 5.0), ("b", "m4", 1.0)])
    rows = dataset.ratings
    split = Split("by-hand", {}, rows[: len(TRAIN)], rows[:0], rows[len(TRAIN) :])

    head, tail = measure(ask(dataset, split), None, ScoreRanking(by_number)).movie_slices

    assert (head.metrics["recall@10"], tail.metrics["recall@10"]) == (1, 1)
    assert head.metrics["ndcg@10"] == pytest.approx(1 / 2)
    assert tail.metrics["ndcg@10"] == pytest.approx(1)


def test_activity_and_user_slices():
    """Users a and b have three and two training ratings: both are cold, in the bucket 1-9."""
    found = measure(ask(*warm_split()), Constant(3.0), None)

    (cold,) = found.user_slices
    (few,) = found.by_activity
    assert (cold.name, cold.n_rows, cold.n_users) == ("cold", 3, 2)
    assert (few.name, few.n_rows) == ("1-9", 3)
    assert few.metrics["rmse"] == pytest.approx(math.sqrt(6 / 3))


# --- the ladder -----------------------------------------------------------------------------------


def test_each_rung_shows_more_of_a_stranger():
    """User d is shown nothing, m0, then m0 and m3, always as a stranger, with the ratings given."""
    shown = []

    def scores(asked: Shown) -> np.ndarray:
        assert asked.strangers
        (movies,), (ratings,) = asked.histories.movies, asked.histories.ratings
        shown.append((movies.tolist(), ratings.tolist()))
        return by_number(asked)

    measure(ask(*ladder_split()), None, ScoreRanking(scores))

    assert shown == [([], []), ([0], [2.0]), ([0, 3], [2.0, 4.0])]


def test_candidates_are_the_same_at_every_rung():
    """m0 and m3 may be shown, so they are never ranked: m5, m4, m2, m1 with hits at 2 and 4.

    The ideal has hits at 1 and 2. A model that turns its order round on the last rung has m1
    first and m4 third.
    """

    def scores(asked: Shown) -> np.ndarray:
        full = len(asked.histories.movies[0]) == 2
        return -by_number(asked) if full else by_number(asked)

    found = measure(ask(*ladder_split()), None, ScoreRanking(scores)).rungs

    ideal = 1 + 1 / LOG3
    early = (1 / LOG3 + 1 / math.log2(5)) / ideal
    assert list(found) == [0, 1, 2]
    assert [found[n].metrics["ndcg@10"] for n in (0, 1, 2)] == pytest.approx(
        [early, early, (1 + 1 / 2) / ideal]
    )
    assert [found[n].metrics["mrr"] for n in (0, 1, 2)] == pytest.approx([1 / 2, 1 / 2, 1])


def test_ladder_of_ratings():
    """Half the mean of what is shown: 0, 1 and 3 / 2, clipped to 1, 1 and 1.5; actual 4 and 1."""

    class HalfTheMean:
        def rate(self, shown, _position, movies):
            (ratings,) = shown.histories.ratings
            return np.full(len(movies), ratings.mean() / 2 if len(ratings) else 0.0)

    found = measure(ask(*ladder_split()), HalfTheMean(), None).rungs

    assert [found[n].metrics["rmse"] for n in (0, 1, 2)] == pytest.approx(
        [math.sqrt(9 / 2), math.sqrt(9 / 2), math.sqrt((2.5**2 + 0.5**2) / 2)]
    )
