"""The served retrieval: a tower for short histories beside one for long ones, behind a gate.

`prefix` ranks best for users with few ratings. For the others `linear_sequence` does where the
order of a history means something, `linear_static` where it does not; validation says which. The
gate adds their scores, each scaled to unit deviation over the catalogue, with weights for each
length of history. Validation rows choose them wherever enough users have a history of that length;
else training users who are held out whole and asked for after their first ratings.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import Final, Literal, get_args

import numpy as np

from trainer.features.index import Histories, Interactions
from trainer.metrics import evaluate_topn
from trainer.models import linear_sequence, linear_static, measured, prefix
from trainer.models.interfaces import FittedRetrieval, TrainingData
from trainer.models.liking import LikingConfig
from trainer.models.towers import FloatArray, RetrievalTowers, side_by_side
from trainer.search_space import FloatRange, SearchSpace

NAME = "gated_linear"

SEARCH_SPACE: SearchSpace = {
    "linear_sequence.tau": FloatRange(2.0, 20.0, log=True),
    "linear_sequence.item_item_weight": FloatRange(0.2, 3.0, log=True),
    "linear_static.l2": FloatRange(50.0, 2000.0, log=True),
    "prefix.l2": FloatRange(200.0, 5000.0, log=True),
}

Long = Literal["linear_sequence", "linear_static"]

LADDER: Final = (0, 1, 3, 5, 10, 15, 20)
"""Numbers of ratings at which the gate is chosen; each holds up to the next."""
LONG_FROM: Final = 50
"""The gate's last row, where validation says something about such users."""
MIXES: Final = (
    *((1.0, 0.0), (1.0, 0.1), (1.0, 0.2), (1.0, 0.35), (1.0, 0.5), (1.0, 0.75), (1.0, 1.0)),
    *((0.5, 1.0), (0.25, 1.0), (0.1, 1.0), (0.0, 1.0)),
)
"""Weights (prefix, long) that are tried."""
NOISE: Final = 0.002
"""A gain in NDCG@10 that is no reason to change the mix from one row to the next."""
MOST_USERS: Final = 2_000
"""Users who decide on a row of the gate; more would take memory and change nothing."""
FEWEST_USERS: Final = 20
"""So many must be measured for a row of the gate to be chosen; else the row before it holds."""


@dataclass(frozen=True, slots=True)
class Gate:
    """Weights of the two towers by the length of the history."""

    long: Long
    """The tower beside the prefix tower."""
    shortest: tuple[int, ...]
    """[G] ascending from 0."""
    weights: tuple[tuple[float, float], ...]
    """[G] (prefix, long)"""


USUAL: Final = Gate(
    "linear_sequence",
    (0, 10, 15, 20),
    ((1.0, 0.0), (1.0, 0.1), (1.0, 0.2), (1.0, 0.5)),
)
"""Where there are too few users to choose on: what MovieLens' beginnings ask for."""


@dataclass(frozen=True, slots=True)
class Config:
    """Hyper-parameters of the three towers, and the gate."""

    prefix: prefix.Config = field(default_factory=prefix.Config)
    linear_sequence: linear_sequence.Config = field(default_factory=linear_sequence.Config)
    linear_static: linear_static.Config = field(default_factory=linear_static.Config)
    long: Long | None = None
    """None = chosen on validation."""
    gate: Gate | None = None
    """None = chosen; see `fit`."""
    held_out_share: float = 0.2
    """Of the training users, for choosing the gate."""
    newcomer_dim: int = 64
    """Columns for movies that training did not see, beside linear_sequence."""
    liking: LikingConfig = field(default_factory=LikingConfig)
    """Of all towers."""
    seed: int = 0
    """Draws the users that are held out."""


def fit(
    data: TrainingData, config: Config, validation: Interactions | None = None
) -> FittedRetrieval:
    """Chooses what `config` leaves open, and fits the two towers that are served."""
    towers = _Towers(data, config)
    gate, curves = config.gate, dict[str, list[float]]()
    if gate is None:
        gate, curves = _chosen_gate(towers, validation)
    joined, placing = _joined(towers, gate)
    return FittedRetrieval(
        scores=joined.scores,
        towers=joined,
        config=replace(config, gate=gate, long=gate.long),
        curves=curves,
        placing=placing,
    )


def _joined(towers: _Towers, gate: Gate) -> tuple[RetrievalTowers, FloatArray]:
    """The towers that are served, and [N, D] where the content model learns to place movies.

    Nobody's first or next movies can be told from genres and years; what the users of a movie like
    otherwise can. So movies that training did not see stand in the columns of the static tower: the
    long one, or a third tower in which rated movies are zero.
    """
    short, long = towers.short, towers.long(gate.long)
    both = (short, long)
    weights = np.array(gate.weights, np.float32)
    if gate.long == "linear_static":
        joined = side_by_side(both, np.array(gate.shortest, np.int64), weights)
        return joined, _only(joined, tower=1)
    third = towers.newcomers
    weights = np.append(weights, weights.max(axis=1, keepdims=True), axis=1)
    joined = side_by_side((*both, third), np.array(gate.shortest, np.int64), weights)
    placing = _only(joined, tower=2)
    return replace(joined, item_vectors=joined.item_vectors - placing), placing


def _only(towers: RetrievalTowers, tower: int) -> FloatArray:
    """[N, D] item vectors with the columns of one tower alone."""
    return np.where(towers.tower_of_column == tower, towers.item_vectors, np.float32(0))


class _Towers:
    """The towers of one set of rows, each fitted when it is first asked for."""

    def __init__(self, data: TrainingData, config: Config) -> None:
        self.data, self.config = data, config
        self._long: dict[Long, RetrievalTowers] = {}

    @cached_property
    def short(self) -> RetrievalTowers:
        return prefix.towers_of(self.data, replace(self.config.prefix, liking=self.config.liking))

    @cached_property
    def newcomers(self) -> RetrievalTowers:
        """The tower of movies that training did not see."""
        settings = replace(
            self.config.linear_static, dim=self.config.newcomer_dim, liking=self.config.liking
        )
        return linear_static.towers_of(self.data, settings)

    def long(self, name: Long) -> RetrievalTowers:
        if name not in self._long:
            self._long[name] = (
                linear_sequence.towers_of(
                    self.data, replace(self.config.linear_sequence, liking=self.config.liking)
                )
                if name == "linear_sequence"
                else linear_static.towers_of(
                    self.data, replace(self.config.linear_static, liking=self.config.liking)
                )
            )
        return self._long[name]


def _chosen_gate(
    towers: _Towers, validation: Interactions | None
) -> tuple[Gate, dict[str, list[float]]]:
    """The gate, and NDCG@10 of each of its rows as a curve."""
    data, config = towers.data, towers.config
    rng = np.random.default_rng(config.seed)
    active = np.flatnonzero(data.histories.lengths() > 0)
    n_held_out = min(round(config.held_out_share * len(active)), MOST_USERS)
    held_out = rng.permutation(active)[:n_held_out]
    learnt = _Towers(data.with_rows(data.rows.where(~np.isin(data.rows.users, held_out))), config)
    beginnings = data.histories.of(np.sort(held_out))
    if validation is not None and not len(validation):
        validation = None
    long = config.long or _better_long(towers, learnt, beginnings, validation)
    if validation is not None and long == "linear_static":
        # Held-out rows don't follow the known ones: then a beginning is any part of a history.
        beginnings = _shuffled(beginnings, rng)

    rows = _Rows()
    for n in LADDER:
        shown = beginnings.first(n)
        scores = learnt.short.scores(shown), learnt.long(long).scores(shown)
        figures = [_mean(_later_ndcg(a * scores[0] + b * scores[1], beginnings)) for a, b in MIXES]
        if np.isfinite(figures).all():
            rows.put(n, figures)
    if validation is not None:
        _put_validated(rows, towers, validation, long)
    if not rows.figures:
        return replace(USUAL, long=long), {}
    return rows.gate(long), {"gate ndcg@10": rows.best()}


def _better_long(
    towers: _Towers, learnt: _Towers, beginnings: Histories, validation: Interactions | None
) -> Long:
    """The tower that ranks validation better; without, what follows the ladder's last rung."""
    found: dict[Long, float] = {}
    for name in get_args(Long):
        if validation is not None:
            found[name] = measured.top_n(towers.long(name).scores, towers.data, validation)[
                "ndcg@10"
            ]
        else:
            shown = beginnings.first(LADDER[-1])
            found[name] = _mean(_later_ndcg(learnt.long(name).scores(shown), beginnings))
    # Where nothing could be measured, every comparison is false and the first one stays.
    return max(found, key=lambda name: found[name])


class _Rows:
    """NDCG@10 of every mix, for each length of history."""

    def __init__(self) -> None:
        self.figures: dict[int, list[float]] = {}

    def put(self, shortest: int, figures: list[float]) -> None:
        self.figures[shortest] = figures

    def gate(self, long: Long) -> Gate:
        """The best mix of each row; the row before's where that is as good within the noise."""
        # What the shortest histories ask for unless they were measured: others say nothing to them.
        weights = {0: MIXES[0]}
        chosen = 0
        for shortest, figures in sorted(self.figures.items()):
            if max(figures) > figures[chosen] + NOISE:
                chosen = int(np.argmax(figures))
            weights[shortest] = MIXES[chosen]
        return Gate(long, tuple(weights), tuple(weights.values()))

    def best(self) -> list[float]:
        return [max(figures) for _, figures in sorted(self.figures.items())]


def _put_validated(rows: _Rows, towers: _Towers, validation: Interactions, long: Long) -> None:
    """Lets validation decide wherever enough of its users have so long a history."""
    data = towers.data
    lengths = data.histories.lengths()
    asked = np.bincount(validation.users, minlength=data.n_users) > 0
    for low, high in pairwise((*LADDER, LONG_FROM, np.inf)):
        users = np.flatnonzero((lengths >= low) & (lengths < high) & asked)
        if len(users) < FEWEST_USERS:
            continue
        users = np.sort(np.random.default_rng(towers.config.seed).permutation(users)[:MOST_USERS])
        histories = data.histories.of(users)
        scores = towers.short.scores(histories), towers.long(long).scores(histories)
        position = np.full(data.n_users, -1)
        position[users] = np.arange(len(users))
        kept = position[validation.users] >= 0
        held_out = position[validation.users[kept]], validation.movies[kept]
        known = _pairs(histories)
        figures = [_ndcg(a * scores[0] + b * scores[1], known, held_out) for a, b in MIXES]
        rows.put(int(low), figures)


def _later_ndcg(scores: FloatArray, histories: Histories) -> FloatArray:
    """NDCG@10 of what stands after the ladder's last rung, among all but what stands before it.

    Args:
      scores: [U, N] for the users of `histories`.

    Returns:
      One figure for each user who has such movies.
    """
    shown = histories.first(LADDER[-1])
    later = Histories(
        [movies[LADDER[-1] :] for movies in histories.movies],
        [ratings[LADDER[-1] :] for ratings in histories.ratings],
    )
    if not later.lengths().any():
        return np.zeros(0, np.float32)
    found = evaluate_topn(scores, _pairs(shown), _pairs(later), scores.shape[1], ks=(10,))
    return found.per_user["ndcg@10"]


def _ndcg(
    scores: FloatArray,
    known: tuple[np.ndarray, np.ndarray],
    held_out: tuple[np.ndarray, np.ndarray],
) -> float:
    return evaluate_topn(scores, known, held_out, scores.shape[1], ks=(10,)).metrics["ndcg@10"]


def _mean(values: FloatArray) -> float:
    return float(values.mean()) if len(values) >= FEWEST_USERS else float("nan")


def _pairs(histories: Histories) -> tuple[np.ndarray, np.ndarray]:
    users = np.repeat(np.arange(len(histories)), histories.lengths())
    return users, np.concatenate([*histories.movies, np.zeros(0, np.int64)])


def _shuffled(histories: Histories, rng: np.random.Generator) -> Histories:
    orders = [rng.permutation(len(movies)) for movies in histories.movies]
    return Histories(
        [movies[order] for movies, order in zip(histories.movies, orders, strict=True)],
        [ratings[order] for ratings, order in zip(histories.ratings, orders, strict=True)],
    )
