"""What the metrics are called, how they are written, and which of them leads."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from trainer.evaluate.results import higher_is_better

_NAMES: Final = {
    "rmse": "RMSE",
    "mae": "MAE",
    "ndcg": "NDCG",
    "recall": "Recall",
    "mrr": "MRR",
    "coverage": "Coverage",
    "novelty": "Novelty",
    "popularity": "Popularity",
}
_MEANINGS: Final = {
    "rmse": "root of the mean squared error of the predicted ratings, in stars",
    "mae": "mean size of the error of the predicted ratings, in stars",
    "ndcg": "how near the held-out movies stand to the top of a user's list",
    "recall": "share of a user's held-out movies that are in the list",
    "mrr": "one over the rank of a user's best-ranked held-out movie",
    "coverage": "share of the catalogue that is in anybody's list",
    "novelty": "how seldom the listed movies were rated in training, in bits",
    "popularity": "mean percentile of the listed movies by popularity; 0.5 is without bias",
}
MINUS: Final = "\N{MINUS SIGN}"
LEADING: Final = ("rmse", "ndcg@10")
"""The metric that decides, of predicted ratings and of recommended movies."""


def base(flat: str) -> str:
    """The metric without its rung: "ndcg@10" of "ndcg@10 at n=5"."""
    return flat.split(" at n=", maxsplit=1)[0]


def rung(flat: str) -> int | None:
    """The number of shown ratings: 5 of "ndcg@10 at n=5"; None = there is no ladder."""
    _, at, n = flat.partition(" at n=")
    return int(n) if at else None


def title(flat: str) -> str:
    """As a heading: "NDCG@10 after 5 ratings"."""
    name, at, k = base(flat).partition("@")
    n = rung(flat)
    shown = "" if n is None else " after 1 rating" if n == 1 else f" after {n} ratings"
    return f"{_NAMES.get(name, name)}{at}{k}{shown}"


def meaning(flat: str) -> str:
    """What the metric measures, and which way is better."""
    better = {True: "; higher is better", False: "; lower is better", None: ""}
    name = base(flat).partition("@")[0]
    return _MEANINGS.get(name, title(flat)) + better[higher_is_better(flat)]


def written(flat: str, value: float) -> str:
    """The figure with the digits that its metric deserves."""
    name = base(flat).partition("@")[0]
    if name == "coverage":
        return f"{value:.1%}"
    if name in {"novelty", "popularity"}:
        return f"{value:.2f}"
    return f"{value:.4f}"


def in_order(flat_names: Iterable[str]) -> list[str]:
    """Ratings before lists, and of one metric the lower rungs first."""
    names = list(_NAMES)

    def place(flat: str) -> tuple[int, str, int]:
        name, _, k = base(flat).partition("@")
        return (names.index(name) if name in names else len(names), k, rung(flat) or 0)

    return sorted(set(flat_names), key=place)


def leading(flat_names: Iterable[str]) -> list[str]:
    """The metrics that decide; of a ladder those at its last rung."""
    found = in_order(flat_names)
    return [
        max((flat for flat in found if base(flat) == metric), key=lambda flat: rung(flat) or 0)
        for metric in LEADING
        if any(base(flat) == metric for flat in found)
    ]


def signed(flat: str, value: float) -> str:
    """The figure with + or a true minus sign."""
    return f"{MINUS if value < 0 else '+'}{written(flat, abs(value))}"
