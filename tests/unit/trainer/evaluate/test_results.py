"""The JSON is what the issue says, and holds everything."""

from __future__ import annotations

import json

import pytest

from trainer.evaluate.results import (
    Against,
    Comparison,
    Interval,
    MovieMap,
    MoviePoint,
    RatingError,
    Row,
    Slice,
)

RATING = Row(
    model="svd",
    kind="peer",
    seed=1,
    scored="peer",
    metrics={"rmse": 0.9, "mae": 0.7},
    train_s=1.5,
    peak_mb=200.0,
    settings={"factors": 8},
    user_slices=(Slice("hot", "many", 3, 2, {"rmse": 0.8}),),
    by_rating=(RatingError(1.0, 3, 0.5, 0.1),),
    curves={"rmse": (1.0, 0.9)},
)
RANKING = Row(
    model="best",
    kind="ours",
    seed=0,
    scored="saved_model",
    metrics={},
    train_s=2.0,
    peak_mb=300.0,
    parameters=10,
    topn_of="recommend",
    ladder={0: {"ndcg@10": 0.3}, 5: {"ndcg@10": 0.4}},
    intervals={"ndcg@10 at n=5": Interval(0.38, 0.42)},
    against={"ndcg@10 at n=5": Against("als", 0.1, Interval(0.05, 0.15))},
    recall_curve=(0.1, 0.2),
    notes=("a note",),
)
COMPARISON = Comparison(
    split="u1",
    dataset={"name": "ml-100k"},
    parts={"train": 8, "validation": 1, "test": 2},
    protocol=("a sentence",),
    rows=(RATING, RANKING),
    left_out=("peer x is missing",),
    movie_map=MovieMap("best", "t-SNE", (MoviePoint("1", "T", ("Drama",), 3, 0.5, -1.0),)),
    command="python -m trainer compare",
    created_at="2026-01-01T00:00:00+00:00",
)


def test_rows_carry_their_metrics_as_keys():
    """{"model", "kind", "rmse", "mae", "train_s", "seed", ...}; what there is not is left out."""
    document = json.loads(COMPARISON.to_json())

    rating, ranking = document["rows"]
    assert document["split"] == "u1"
    assert {key: rating[key] for key in ("model", "kind", "rmse", "mae", "train_s", "seed")} == {
        "model": "svd",
        "kind": "peer",
        "rmse": 0.9,
        "mae": 0.7,
        "train_s": 1.5,
        "seed": 1,
    }
    assert not {"recall@10", "ndcg@10", "mrr", "parameters", "topn_of", "ladder"} & set(rating)
    assert ranking["ladder"] == {"0": {"ndcg@10": 0.3}, "5": {"ndcg@10": 0.4}}
    assert "rmse" not in ranking


def test_nothing_is_lost():
    """What was written is read again, value by value."""
    assert Comparison.from_json(COMPARISON.to_json()) == COMPARISON


def test_another_format_is_refused():
    """A file of a later program is not half understood."""
    with pytest.raises(ValueError, match="format 2"):
        Comparison.from_json(json.dumps({"format": 2}))


def test_flat_names_of_a_ladder():
    """A rung is part of the name wherever metrics stand in one table."""
    assert RANKING.figures() == {"ndcg@10 at n=0": 0.3, "ndcg@10 at n=5": 0.4}


def test_spread_over_seeds():
    """0.8, 0.9, 1.0: mean 0.9, deviation 0.1 (n - 1)."""
    rows = tuple(
        Row("svd", "peer", seed, "peer", {"rmse": rmse}, 1.0, 1.0)
        for seed, rmse in enumerate((0.8, 0.9, 1.0))
    )
    found = Comparison("u1", {}, {}, (), rows).spread()

    assert found["svd"]["rmse"] == pytest.approx(
        {"mean": 0.9, "deviation": 0.1, "lowest": 0.8, "highest": 1.0, "seeds": 3}
    )


def test_a_difference_is_established_when_zero_is_outside():
    """On either side."""
    assert Against("p", 0.1, Interval(0.05, 0.15)).established
    assert Against("p", -0.1, Interval(-0.15, -0.05)).established
    assert not Against("p", 0.1, Interval(-0.01, 0.15)).established
