"""What a comparison found, as plain values: the JSON file holds exactly this, the report shows it.

A metric's name is that of the JSON: "rmse", "mae", "recall@10", "ndcg@10", "mrr", "coverage@10",
"novelty@10", "popularity@10". Where the split asks after n shown ratings (a ladder), the flat name
is "ndcg@10 at n=5".
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

Kind = Literal["ours", "peer", "baseline"]
Scored = Literal["saved_model", "in_process", "peer"]

HIGHER_IS_BETTER: Final[Mapping[str, bool]] = {
    "rmse": False,
    "mae": False,
    "recall@10": True,
    "recall@20": True,
    "ndcg@10": True,
    "ndcg@20": True,
    "mrr": True,
    "coverage@10": True,
}
"""The metrics by which one row beats another; novelty and popularity describe and do not judge."""

FORMAT: Final = 1


@dataclass(frozen=True)
class Interval:
    """A 95 % interval of a bootstrap."""

    low: float
    high: float


@dataclass(frozen=True)
class Against:
    """A row's figure minus that of the best peer, over the same test rows or users."""

    peer: str
    """Which peer is the best by this metric on this very test part: a choice in its favour."""
    difference: float
    interval: Interval

    @property
    def established(self) -> bool:
        """The interval leaves out zero."""
        return not self.interval.low <= 0 <= self.interval.high


@dataclass(frozen=True)
class Slice:
    """The figures of some users or some movies."""

    name: str
    """"hot", "warm", "cold" (users), "head", "tail" (movies), or a bucket such as "20-49"."""
    definition: str
    """In words: "users with 100 ratings or more in training"."""
    n_rows: int
    """Test rows in it."""
    n_users: int
    """Users with test rows in it."""
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class RatingError:
    """The error at one actual rating."""

    rating: float
    n_rows: int
    rmse: float
    mean_error: float
    """Predicted minus actual."""


@dataclass(frozen=True)
class Row:
    """One model, fitted once with one seed."""

    model: str
    kind: Kind
    seed: int
    """0 for a model that has none."""
    scored: Scored
    metrics: Mapping[str, float]
    """Over all test rows and all users who have any; empty on a ladder."""
    train_s: float
    """Final fit, with the choices on validation before it."""
    peak_mb: float
    """Largest resident memory of the fitting process, data and libraries included, in MiB."""
    train_cpu_s: float | None = None
    """Processor time of all threads in `train_s`, which other work on the machine moves less."""
    parameters: int | None = None
    """Numbers that were fitted and are needed to answer; None = not counted."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """As fitted, with what validation chose."""
    topn_of: str | None = None
    """What ranked: "recommend" (its 200 columns), "index" (dot products alone), "scores"."""
    ladder: Mapping[int, Mapping[str, float]] = field(default_factory=dict)
    """{number of shown ratings: metrics}."""
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    """By flat name."""
    against: Mapping[str, Against] = field(default_factory=dict)
    """By flat name; without peers, and for a peer itself, empty."""
    user_slices: tuple[Slice, ...] = ()
    """hot, warm, cold; of a ladder at its last rung, as all that follow."""
    movie_slices: tuple[Slice, ...] = ()
    """head, tail."""
    by_activity: tuple[Slice, ...] = ()
    """RMSE and NDCG@10 by the number of the user's training ratings, ascending."""
    by_rating: tuple[RatingError, ...] = ()
    """Ascending by rating."""
    recall_curve: tuple[float, ...] = ()
    """Recall@k for k = 1, 2, ..."""
    curves: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """After each epoch, of the fit that validation watched: "rmse", "val_rmse", ..."""
    notes: tuple[str, ...] = ()

    def figures(self) -> dict[str, float]:
        """All metrics by flat name."""
        rungs = {
            flat_name(metric, n): value
            for n, metrics in self.ladder.items()
            for metric, value in metrics.items()
        }
        return {**self.metrics, **rungs}


@dataclass(frozen=True)
class MoviePoint:
    """One movie of the map."""

    movie_id: str
    title: str
    genres: tuple[str, ...]
    n_ratings: int
    """In training."""
    x: float
    y: float


@dataclass(frozen=True)
class MovieMap:
    """The most-rated movies' vectors laid out in the plane; near = alike to the model."""

    model: str
    method: str
    """How the plane was found: "t-SNE of 64-d item vectors, cosine"."""
    points: tuple[MoviePoint, ...]


@dataclass(frozen=True)
class Comparison:
    """One run on one split."""

    split: str
    dataset: Mapping[str, Any]
    """name, source, sha256, users, movies, ratings."""
    parts: Mapping[str, int]
    """Rows by part: train, validation, test."""
    protocol: tuple[str, ...]
    """What was done, sentence by sentence, with the cautions."""
    rows: tuple[Row, ...]
    """Baselines, peers, ours; as they were asked for."""
    left_out: tuple[str, ...] = ()
    """Models that were asked for and could not be compared, with the reason, a sentence each."""
    movie_map: MovieMap | None = None
    command: str = ""
    created_at: str = ""
    """ISO 8601, UTC."""

    def spread(self) -> dict[str, dict[str, dict[str, float]]]:
        """{model: {flat metric: mean, deviation, lowest, highest over the seeds, and seeds}}."""
        found: dict[str, dict[str, dict[str, float]]] = {}
        for model in dict.fromkeys(row.model for row in self.rows):
            rows = [row.figures() for row in self.rows if row.model == model]
            found[model] = {
                metric: _spread([row[metric] for row in rows if metric in row])
                for metric in rows[0]
            }
        return found

    def to_json(self) -> str:
        """Rows carry their metrics as keys of their own; what is empty is left out."""
        document: dict[str, Any] = {"format": FORMAT, **_without_empty(asdict(self))}
        document["rows"] = [row_to_document(row) for row in self.rows]
        document["spread"] = self.spread()
        return json.dumps(document, indent=1, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Comparison:
        """What `to_json` wrote.

        Raises:
          ValueError: it is of another format.
        """
        document = json.loads(text)
        if document.get("format") != FORMAT:
            raise ValueError(f"format {document.get('format')!r}, this program reads {FORMAT}")
        movie_map = document.get("movie_map")
        return cls(
            split=document["split"],
            dataset=document["dataset"],
            parts=document["parts"],
            protocol=tuple(document.get("protocol", ())),
            rows=tuple(row_from_document(row) for row in document["rows"]),
            left_out=tuple(document.get("left_out", ())),
            movie_map=_map_from_json(movie_map) if movie_map else None,
            command=document.get("command", ""),
            created_at=document.get("created_at", ""),
        )


def flat_name(metric: str, shown: int | None) -> str:
    """The name of a metric at one rung of a ladder; None = there is no ladder."""
    return metric if shown is None else f"{metric} at n={shown}"


def higher_is_better(name: str) -> bool | None:
    """Whether more of a metric, by flat name, is better; None = it does not judge."""
    return HIGHER_IS_BETTER.get(name.split(" at n=", maxsplit=1)[0])


def row_from_document(document: Mapping[str, Any]) -> Row:
    """The row that `row_to_document` made."""
    own = {name: document[name] for name in _PLAIN if name in document}
    known = {*_PLAIN, *_NESTED}
    return Row(
        **own,
        metrics={name: value for name, value in document.items() if name not in known},
        ladder={int(n): metrics for n, metrics in document.get("ladder", {}).items()},
        intervals={name: Interval(**i) for name, i in document.get("intervals", {}).items()},
        against={
            name: Against(**{**found, "interval": Interval(**found["interval"])})
            for name, found in document.get("against", {}).items()
        },
        user_slices=_slices(document.get("user_slices", ())),
        movie_slices=_slices(document.get("movie_slices", ())),
        by_activity=_slices(document.get("by_activity", ())),
        by_rating=tuple(RatingError(**error) for error in document.get("by_rating", ())),
        recall_curve=tuple(document.get("recall_curve", ())),
        curves={name: tuple(values) for name, values in document.get("curves", {}).items()},
        notes=tuple(document.get("notes", ())),
    )


_PLAIN: Final = (
    *("model", "kind", "seed", "scored", "train_s", "peak_mb", "train_cpu_s"),
    *("parameters", "settings", "topn_of"),
)
_NESTED: Final = (
    *("metrics", "ladder", "intervals", "against", "user_slices", "movie_slices", "by_activity"),
    *("by_rating", "recall_curve", "curves", "notes"),
)


def row_to_document(row: Row) -> dict[str, Any]:
    """One row of the JSON."""
    document = asdict(row)
    metrics = document.pop("metrics")
    # Identity first, then the metrics, then the long parts: a person reads this file too.
    plain = {name: document.pop(name) for name in _PLAIN if document[name] is not None}
    return {**plain, **metrics, **_without_empty(document)}


def _without_empty(document: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if value not in (None, (), {}, "")}


def _slices(documents: Iterable[Mapping[str, Any]]) -> tuple[Slice, ...]:
    return tuple(Slice(**document) for document in documents)


def _map_from_json(document: Mapping[str, Any]) -> MovieMap:
    points = [MoviePoint(**{**p, "genres": tuple(p["genres"])}) for p in document["points"]]
    return MovieMap(document["model"], document["method"], tuple(points))


def _spread(values: list[float]) -> dict[str, float]:
    mean = sum(values) / len(values)
    deviation = (sum((v - mean) ** 2 for v in values) / max(len(values) - 1, 1)) ** 0.5
    return {
        "mean": mean,
        "deviation": deviation,
        "lowest": min(values),
        "highest": max(values),
        "seeds": len(values),
    }
