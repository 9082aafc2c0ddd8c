"""Comparisons made up for the report's tests: lifelike names and sizes, nothing measured."""

from __future__ import annotations

import math

import numpy as np

from trainer.evaluate.results import (
    Against,
    Comparison,
    Interval,
    Kind,
    MovieMap,
    MoviePoint,
    RatingError,
    Row,
    Slice,
)

RATING: dict[str, tuple[Kind, float, float]] = {
    "random": ("baseline", 1.907, 0.1),
    "weighted": ("baseline", 1.616, 0.1),
    "majority": ("baseline", 1.244, 0.1),
    "mean": ("baseline", 1.154, 0.1),
    "bias": ("baseline", 0.9601, 0.2),
    "surprise_baseline": ("peer", 0.9535, 0.2),
    "surprise_knn": ("peer", 0.9352, 1.1),
    "surprise_svd": ("peer", 0.9276, 4.3),
    "surprise_svdpp": ("peer", 0.9305, 16.8),
    "myfm_plain": ("peer", 0.9082, 10.4),
    "myfm": ("peer", 0.8867, 19.1),
    "ann_product": ("ours", 1.129, 53.4),
    "two_tower_rating": ("ours", 1.0186, 60.2),
    "two_tower_content": ("ours", 0.992, 12.4),
    "ann_concat": ("ours", 0.9657, 55.7),
    "mlp": ("ours", 0.9531, 23.0),
    "content_towers": ("ours", 0.9516, 64.5),
    "dot_bias": ("ours", 0.9359, 128.0),
    "hybrid": ("ours", 0.9442, 31.0),
    "bayes_fm": ("ours", 0.8869, 19.4),
    "svdpp2": ("ours", 0.8869, 23.8),
    "blend": ("ours", 0.881, 43.2),
}
TOPN: dict[str, tuple[Kind, float, float, float]] = {
    "random": ("baseline", 0.0021, 0.0011, 0.1),
    "most_rated": ("baseline", 0.0868, 0.0396, 0.1),
    "highest_rated": ("baseline", 0.0611, 0.0281, 0.1),
    "bayesian_average": ("baseline", 0.0733, 0.0342, 0.1),
    "item_knn": ("baseline", 0.1188, 0.0611, 3.3),
    "ease": ("baseline", 0.1292, 0.0714, 3.5),
    "implicit_bpr": ("peer", 0.1, 0.0596, 2.6),
    "implicit_als": ("peer", 0.1177, 0.0656, 1.3),
    "implicit_knn": ("peer", 0.1141, 0.0607, 0.9),
    "two_tower_retrieval": ("ours", 0.0707, 0.0452, 71.9),
    "prefix": ("ours", 0.1271, 0.0703, 5.2),
    "linear_static": ("ours", 0.1279, 0.0706, 6.9),
    "linear_sequence": ("ours", 0.1731, 0.1071, 13.3),
}
EPOCHS = {
    "ann_product": 15, "ann_concat": 15, "hybrid": 12, "mlp": 20, "dot_bias": 20, "svdpp2": 60,
    "two_tower_rating": 120, "two_tower_content": 18, "content_towers": 25,
}  # fmt: skip
CAUTION = "Caution: consecutive ratings often share a minute."
GENRES = ("Drama", "Comedy", "Action", "Horror", "Children's", "Sci-Fi", "Romance", "Western")


def u1(movie_map: MovieMap | None = None) -> Comparison:
    """Predicted ratings alone; a model of ours with three seeds."""
    rows = [_rating_row(model, seed) for model in RATING for seed in _seeds(model)]
    return Comparison(
        split="u1",
        dataset={"name": "ml-100k", "source": "MovieLens 100K, RecBole atomic files",
                 "users": 943, "movies": 1682, "ratings": 100_000},
        parts={"train": 72_000, "validation": 8_000, "test": 20_000},
        protocol=(
            "The first 20,000 rows of ml-100k are test, as its authors cut u1.test.",
            "A tenth of the other rows, drawn at random with seed 42, is validation.",
            "Every choice of a setting was made there.",
            "Each model was then fitted on training and validation rows.",
            "The test part was looked at once.",
            "Predictions are clipped to 1 to 5.",
        ),
        rows=tuple(rows),
        left_out=("cofi: no wheel for this machine.",),
        movie_map=movie_map,
        command="python -m trainer compare --dataset ml-100k --split u1 --models all",
        created_at="2026-01-02T03:04:05Z",
    )  # fmt: skip


def ls_temporal(movie_map: MovieMap | None = None) -> Comparison:
    """Recommended movies alone, under a split by time."""
    return Comparison(
        split="ls-temporal",
        dataset={"name": "ml-latest-small", "users": 610, "movies": 9742, "ratings": 100_836},
        parts={"train": 64_774, "validation": 16_000, "test": 20_062},
        protocol=("Each user's newest fifth is test.", "All rated movies are candidates.", CAUTION),
        rows=tuple(_topn_row(model) for model in TOPN),
        movie_map=movie_map,
    )


def cold() -> Comparison:
    """A ladder: what new users get after 0, 1, 5, 10 and 20 ratings."""
    rows = []
    for i, (model, kind) in enumerate(
        [("most_rated", "baseline"), ("implicit_als", "peer"), ("prefix", "ours")]
    ):
        figures = {
            n: {"ndcg@10": 0.36 + 0.02 * i * n**0.5, "rmse": 1.05 - 0.01 * i * n**0.5}
            for n in (0, 1, 5, 10, 20)
        }
        last = dict(figures[20])
        parts = tuple(Slice(name, f"users with {name}", 90, 9, last) for name in ("0-9", "10-19"))
        rows.append(
            Row(
                model, kind, 0, "in_process", {}, 1.0, 300.0, ladder=figures, by_activity=parts,
                recall_curve=(0.1, 0.2, 0.3), user_slices=parts,
                by_rating=tuple(RatingError(float(r), 9, 0.8, 0.1) for r in (1, 2, 3)),
            )
        )  # fmt: skip
    return Comparison("cold-100k", {"name": "ml-100k"}, {}, (), tuple(rows))


def toy_map(n: int = 160) -> MovieMap:
    """Movies in one cluster for each genre."""
    draw = np.random.default_rng(5)
    points = []
    for i in range(n):
        g = i % len(GENRES)
        angle = 2 * math.pi * g / len(GENRES)
        x, y = np.array([math.cos(angle), math.sin(angle)]) * 3 + draw.normal(size=2)
        genres = (GENRES[g], *((GENRES[0],) if i % 3 == 0 and g else ()))
        points.append(
            MoviePoint(f"m{i}", f"Toy Movie {i}, The (19{i % 90 + 10})", genres, 900 // (i + 1) + 1,
                       float(x), float(y))
        )  # fmt: skip
    return MovieMap("linear_sequence", "t-SNE of 64-d item vectors, cosine", tuple(points))


def _seeds(model: str) -> tuple[int, ...]:
    return (0, 1, 2) if model in {"blend", "svdpp2", "dot_bias"} else (0,)


def _rating_row(model: str, seed: int) -> Row:
    kind, rmse, seconds = RATING[model]
    rmse += 0.0004 * (seed - 1) if len(_seeds(model)) > 1 else 0
    mae, best = rmse * 0.787, RATING["myfm"][1]
    wobble = 0.0012 + 0.02 * abs(rmse - best)
    paired = Against("myfm", rmse - best, Interval(rmse - best - wobble, rmse - best + wobble))
    return Row(
        model, kind, seed, {"ours": "saved_model", "peer": "peer"}.get(kind, "in_process"),
        {"rmse": rmse, "mae": mae}, seconds, 320 + 9 * seconds,
        parameters=None if kind == "peer" else int(40_000 * rmse),
        intervals={"rmse": Interval(rmse - 0.0092, rmse + 0.0094),
                   "mae": Interval(mae - 0.006, mae + 0.006)},
        against={} if model == "myfm" else {"rmse": paired},
        user_slices=(Slice("hot", "users with 100 training ratings or more", 12_000, 310,
                           {"rmse": rmse * 0.98}),
                     Slice("warm", "users with 20 to 99", 7_900, 140, {"rmse": rmse * 1.03}),
                     Slice("cold", "users with fewer than 20", 100, 9, {"rmse": rmse * 1.11})),
        movie_slices=(Slice("head", "the 536 most rated", 16_000, 459, {"rmse": rmse * 0.97}),
                      Slice("tail", "the other 1,146 movies", 4_000, 400, {"rmse": rmse * 1.12})),
        by_activity=tuple(
            Slice(name, f"users with {name}", 3000, 60, {"rmse": rmse * factor})
            for name, factor in (("10-19", 1.12), ("20-49", 1.04), ("50-99", 1.02),
                                 ("100-199", 0.99), ("200-499", 0.97), ("500+", 1.01))),
        by_rating=tuple(
            RatingError(rating, 4000, rmse * abs(rating - 3.55) ** 0.7 * 0.9 + 0.35,
                        (3.53 - rating) * rmse * 0.62)
            for rating in (1.0, 2.0, 3.0, 4.0, 5.0)),
        curves=_curves(model, rmse) if model in EPOCHS else {},
        notes=("Its members share one set of biases.",) if model == "blend" else (),
    )  # fmt: skip


def _curves(model: str, rmse: float) -> dict[str, tuple[float, ...]]:
    steps = range(1, EPOCHS[model] + 1)
    half = EPOCHS[model] / 6
    return {
        "val_rmse": tuple(rmse + 0.4 * 2 ** (-s / half) + 0.0004 * s / half for s in steps),
        "rmse": tuple(rmse - 0.06 + 0.5 * 2 ** (-s / half) - 0.004 * s / half for s in steps),
    }


def _topn_row(model: str) -> Row:
    kind, ndcg, recall, seconds = TOPN[model]
    metrics = {"recall@10": recall, "recall@20": recall * 1.7,
               "ndcg@10": ndcg, "ndcg@20": ndcg * 1.1, "mrr": ndcg * 2.05,
               "coverage@10": 0.02 + ndcg / 2, "novelty@10": 3.1 + recall,
               "popularity@10": 0.93}  # fmt: skip
    difference = ndcg - TOPN["implicit_als"][1]
    paired = Against("implicit_als", difference, Interval(difference - 0.009, difference + 0.0095))
    return Row(
        model, kind, 0, {"ours": "saved_model", "peer": "peer"}.get(kind, "in_process"),
        metrics, seconds, 400.0, parameters=1_244_672,
        topn_of="index" if kind == "ours" else "scores",
        intervals={"ndcg@10": Interval(ndcg * 0.93, ndcg * 1.072)},
        against={} if model == "implicit_als" else {"ndcg@10": paired},
        by_activity=tuple(Slice(name, f"users with {name}", 3000, 60, {"ndcg@10": ndcg * factor})
                          for name, factor in (("10-19", 0.6), ("20-49", 0.8), ("50-99", 1.0),
                                               ("100-199", 1.3), ("200+", 1.7))),
        recall_curve=tuple(recall * (k / 10) ** 0.75 for k in range(1, 101)),
    )  # fmt: skip
