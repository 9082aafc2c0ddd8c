"""Fits one contestant: choose on validation, fit again on all that may be learnt from."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trainer.evaluate.contestants import BEST, Contestant
from trainer.evaluate.peers.fitting import PeerTraining, fit_peer
from trainer.evaluate.prepare import Prepared
from trainer.evaluate.results import Scored
from trainer.evaluate.scorers import RatingScorer, TopNScorer

if TYPE_CHECKING:
    from trainer.models.interfaces import FittedRating, FittedRetrieval, TrainingData


@dataclass(frozen=True, eq=False)
class Fitted:
    """A model that can be asked, and what its row says of how it came about."""

    rating: RatingScorer | None
    topn: TopNScorer | None
    scored: Scored
    train_s: float
    train_cpu_s: float
    parameters: int | None
    settings: Mapping[str, Any]
    curves: Mapping[str, list[float]] = field(default_factory=dict)
    item_vectors: npt.NDArray[np.float32] | None = None
    """[N, D], for the map of the movies."""
    variants: Mapping[str, TopNScorer] = field(default_factory=dict)
    """Other ways to ask the same fit for lists, by name; each has a row of its own."""
    notes: tuple[str, ...] = ()


def fit(contestant: Contestant, prepared: Prepared, scratch: Path) -> Fitted:
    """Fits it on the prepared rows.

    Args:
      scratch: an empty folder for exports, which must last as long as the scorers are asked.

    Raises:
      DataError: it cannot be fitted on them; PeerMissingError where a peer is not installed.
    """
    if contestant.peer is not None:
        return _fit_peer(contestant, prepared)
    if contestant.model == BEST:
        # TensorFlow Serving's contract, the exporters and all models: only where they are needed.
        from trainer.evaluate.released import fit_release  # noqa: PLC0415

        return fit_release(contestant.seed, prepared, scratch)
    return _fit_named(contestant, prepared, scratch)


def _fit_peer(contestant: Contestant, prepared: Prepared) -> Fitted:
    peer, question = contestant.peer, prepared.question
    assert peer is not None  # noqa: S101 - the caller's condition, for the type checker
    training = PeerTraining(
        rows=question.train,
        n_users=question.index.n_users,
        n_movies=question.index.n_movies,
        users=prepared.dataset.users,
        movies=prepared.dataset.movies,
        rating_range=question.rating_range,
    )
    started, cpu_started = time.perf_counter(), time.process_time()
    found = fit_peer(peer, training, prepared.name, contestant.seed)
    return Fitted(
        rating=found.rating,
        topn=found.topn,
        scored="peer",
        train_s=time.perf_counter() - started,
        train_cpu_s=time.process_time() - cpu_started,
        parameters=found.parameters,
        settings=dict(peer.settings_for(prepared.name)),
        notes=found.notes,
    )


def _fit_named(contestant: Contestant, prepared: Prepared, scratch: Path) -> Fitted:
    # They import TensorFlow, which a peer's process has no use for.
    from trainer.models.registry import model  # noqa: PLC0415
    from trainer.models.training_data import training_data  # noqa: PLC0415

    chosen, split = model(contestant.model), prepared.split
    config = chosen.config(seed=contestant.seed)
    started, cpu_started = time.perf_counter(), time.process_time()
    known = training_data(prepared.dataset, split.train)
    first = chosen.fit(known, config, known.index.interactions(split.validation))
    data = training_data(prepared.dataset, split.final_train)
    fitted = chosen.fit(data, first.config)
    train_s = time.perf_counter() - started
    train_cpu_s = time.process_time() - cpu_started
    rating, topn, scored = _scorers(fitted, data, scratch)
    return Fitted(
        rating=rating,
        topn=topn,
        scored=scored,
        train_s=train_s,
        train_cpu_s=train_cpu_s,
        parameters=None if fitted.towers is None else count_numbers(fitted.towers),
        settings=asdict(first.config) if is_dataclass(first.config) else {},
        curves=first.curves,
        item_vectors=getattr(fitted.towers, "item_vectors", None),
    )


def _scorers(
    fitted: FittedRating | FittedRetrieval, data: TrainingData, scratch: Path
) -> tuple[RatingScorer | None, TopNScorer | None, Scored]:
    """The export's, where a graph serves the model; the live object's for a baseline."""
    from trainer.evaluate.exported import export_rating, export_retrieval  # noqa: PLC0415
    from trainer.evaluate.live import LiveRating, live_ranking  # noqa: PLC0415
    from trainer.models.interfaces import FittedRating  # noqa: PLC0415

    if isinstance(fitted, FittedRating):
        if fitted.towers is None:
            return LiveRating(fitted), None, "in_process"
        return export_rating(fitted.towers, data, scratch), None, "saved_model"
    if fitted.towers is None:
        return None, live_ranking(fitted), "in_process"
    return None, export_retrieval(fitted.towers, data, scratch), "saved_model"


def count_numbers(towers: object) -> int:
    """Floating-point numbers in a dataclass of arrays, dataclasses and tuples of them."""
    if isinstance(towers, np.ndarray):
        return towers.size if towers.dtype.kind == "f" else 0
    if isinstance(towers, float):
        return 1
    if isinstance(towers, tuple):
        return sum(map(count_numbers, towers))
    if is_dataclass(towers):
        return sum(count_numbers(getattr(towers, f.name)) for f in fields(towers))
    return 0
