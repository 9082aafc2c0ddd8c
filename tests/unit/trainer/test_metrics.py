"""Metrics equal what a person works out with a pencil."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.metrics import (
    coverage_at_k,
    evaluate_topn,
    mae,
    mrr,
    ndcg_at_k,
    recall_at_k,
    rmse,
    top_k,
)

LOG3 = math.log2(3)


def pairs(*users_and_movies: tuple[int, int]):
    users, movies = zip(*users_and_movies, strict=True) if users_and_movies else ((), ())
    return np.array(users, dtype=np.int64), np.array(movies, dtype=np.int64)


def test_rmse_and_mae():
    """Errors 1, -2, 0: mean square 5/3, mean size 3/3."""
    actual, predicted = np.array([4.0, 1.0, 3.0]), np.array([3.0, 3.0, 3.0])

    assert rmse(actual, predicted) == pytest.approx(math.sqrt(5 / 3))
    assert mae(actual, predicted) == pytest.approx(1.0)


@pytest.mark.parametrize("predicted", [[1.0], [[1.0, 2.0]], []])
def test_rmse_needs_equal_shapes(predicted):
    """Broadcasting would hide a bug; nothing has no mean."""
    with pytest.raises(ValueError, match="need equal, not empty"):
        rmse(np.array([] if not predicted else [1.0, 2.0]), np.array(predicted))


HITS = np.array([[True, False, True, False], [False, True, False, False]])
N_RELEVANT = np.array([3, 1])


def test_recall():
    """Hits over all relevant movies, also those that do not fit into the list."""
    assert recall_at_k(HITS, N_RELEVANT, 3).tolist() == pytest.approx([2 / 3, 1])
    assert recall_at_k(HITS, N_RELEVANT, 1).tolist() == pytest.approx([1 / 3, 0])


def test_ndcg():
    """The ideal list has min(relevant, k) hits at the top."""
    ideal = 1 + 1 / LOG3 + 1 / 2
    expected = [(1 + 1 / 2) / ideal, (1 / LOG3) / 1]
    assert ndcg_at_k(HITS, N_RELEVANT, 3).tolist() == pytest.approx(expected)
    assert ndcg_at_k(HITS, N_RELEVANT, 2).tolist() == pytest.approx([1 / (1 + 1 / LOG3), 1 / LOG3])
    assert ndcg_at_k(HITS, N_RELEVANT, 1).tolist() == [1, 0]


def test_mrr_and_coverage():
    """1 / rank; distinct movies shown / catalogue, padding not counted."""
    assert mrr(np.array([1, 4])).tolist() == [1, 0.25]
    assert coverage_at_k(np.array([[0, 1, 5], [1, 2, -1]]), 10, 2) == 3 / 10
    assert coverage_at_k(np.array([[0, 1, 5], [1, 2, -1]]), 10, 3) == 4 / 10


@pytest.mark.parametrize("k", [0, 5])
def test_k_out_of_range(k):
    """A list is not cut at ranks that it does not have."""
    with pytest.raises(ValueError, match=rf"k is {k}, allowed 1\.\.4"):
        recall_at_k(HITS, N_RELEVANT, k)


@given(
    scores=st.lists(st.sampled_from([-np.inf, -1.0, 0.0, 0.5, 2.0]), min_size=1, max_size=12),
    k=st.integers(1, 14),
)
def test_top_k_is_a_sorted_list(scores, k):
    """Best first, ties by lower index, -1 where candidates run out."""
    candidates = [i for i, score in enumerate(scores) if score > -np.inf]
    expected = sorted(candidates, key=lambda i: (-scores[i], i))[:k]

    assert top_k(np.array([scores]), k)[0].tolist() == expected + [-1] * (k - len(expected))


# User 0 rated movie 0 and is tested on 2 and 3; user 2 is tested on 1; user 1 is not tested.
SCORES = np.array([[9.0, 5.0, 7.0, 1.0], [0.0, 0.0, 0.0, 0.0], [3.0, 3.0, 3.0, 3.0]])
HISTORY = pairs((0, 0), (1, 3))
HELD_OUT = pairs((2, 1), (0, 3), (0, 2))


def test_evaluate_topn_by_hand():
    """User 0 sees 2, 1, 3; user 2 sees 0, 1, 2, 3 because equal scores go by index."""
    result = evaluate_topn(SCORES, HISTORY, HELD_OUT, 4, ks=(1, 2))

    assert result.users.tolist() == [0, 2]
    expected = {
        "recall@1": [1 / 2, 0],
        "recall@2": [1 / 2, 1],
        "ndcg@1": [1, 0],
        "ndcg@2": [1 / (1 + 1 / LOG3), 1 / LOG3],
        "mrr": [1, 1 / 2],
    }
    assert set(result.per_user) == set(expected)
    for name, values in expected.items():
        assert result.per_user[name].tolist() == pytest.approx(values), name
        assert result.metrics[name] == pytest.approx(sum(values) / 2), name
    # First places: movies 2 and 0; first two places: 2, 1 and 0, 1.
    assert result.metrics["coverage@1"] == 2 / 4
    assert result.metrics["coverage@2"] == 3 / 4


@pytest.mark.parametrize("batch_size", [1, 2, 100])
def test_evaluate_topn_in_batches(batch_size):
    """A function asked in batches gives what the whole matrix gives."""
    asked = []

    def score(users):
        asked.append(len(users))
        return SCORES[users]

    result = evaluate_topn(score, HISTORY, HELD_OUT, 4, ks=(2,), batch_size=batch_size)

    assert result.metrics == evaluate_topn(SCORES, HISTORY, HELD_OUT, 4, ks=(2,)).metrics
    assert max(asked) <= batch_size
    assert sum(asked) == 2


def test_evaluate_topn_leaves_the_scores_alone():
    """What a score function returns may be its own table: it is not written to."""
    scores = SCORES[[0, 2]].copy()

    evaluate_topn(lambda _: scores, HISTORY, HELD_OUT, 4, ks=(2,))

    assert (scores == SCORES[[0, 2]]).all()


def test_evaluate_topn_beyond_the_catalogue():
    """A list longer than the catalogue finds everything."""
    result = evaluate_topn(SCORES, HISTORY, HELD_OUT, 4, ks=(10,))

    assert result.metrics["recall@10"] == 1
    assert result.metrics["coverage@10"] == 1


def test_evaluate_topn_equals_a_plain_loop():
    """Random scores and pairs, against metrics computed from Python lists."""
    rng = np.random.default_rng(7)
    n_users, n_movies, k = 30, 40, 5
    scores = rng.integers(0, 15, (n_users, n_movies)).astype(float)
    owner = rng.integers(0, 4, (n_users, n_movies))  # 0 history, 1 held out, else neither
    history, held_out = (
        tuple(axis.astype(np.int64) for axis in np.nonzero(owner == c)) for c in (0, 1)
    )

    result = evaluate_topn(scores, history, held_out, n_movies, ks=(k,), batch_size=7)

    for position, user in enumerate(result.users):
        wanted = set(np.flatnonzero(owner[user] == 1))
        ranking = sorted(
            np.flatnonzero(owner[user] != 0), key=lambda m, user=user: (-scores[user, m], m)
        )
        gains = [1 / math.log2(r + 2) for r in range(k) if ranking[r] in wanted]
        ideal = sum(1 / math.log2(r + 2) for r in range(min(len(wanted), k)))
        best = 1 + min(r for r, m in enumerate(ranking) if m in wanted)
        assert result.per_user[f"recall@{k}"][position] == pytest.approx(len(gains) / len(wanted))
        assert result.per_user[f"ndcg@{k}"][position] == pytest.approx(sum(gains) / ideal)
        assert result.per_user["mrr"][position] == pytest.approx(1 / best)


@pytest.mark.parametrize(
    ("scores", "history", "held_out", "message"),
    [
        (SCORES, HISTORY, pairs(), "held_out is empty"),
        (SCORES, pairs((0, 2)), HELD_OUT, "in the history too"),
        (SCORES[:, :3], HISTORY, HELD_OUT, r"of shape \(2, 4\)"),
        (np.full((3, 4), np.nan), HISTORY, HELD_OUT, "finite"),
        (np.full((3, 4), np.inf), HISTORY, HELD_OUT, "finite"),
    ],
)
def test_evaluate_topn_refuses(scores, history, held_out, message):
    """A wrong protocol or broken scores do not become a number."""
    with pytest.raises(ValueError, match=message):
        evaluate_topn(scores, history, held_out, 4, ks=(2,))
