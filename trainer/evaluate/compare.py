"""Runs a comparison: every contestant apart, then the intervals that need all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from trainer.datasets import Dataset
from trainer.evaluate.apart import Job, run_apart
from trainer.evaluate.bootstrap import interval, resampled_figures
from trainer.evaluate.contestants import Contestant
from trainer.evaluate.finished import Finished, load, question_digest, row_key
from trainer.evaluate.movie_map import map_movies
from trainer.evaluate.prepare import Prepared, prepare
from trainer.evaluate.results import (
    Against,
    Comparison,
    Interval,
    MovieMap,
    Row,
    flat_name,
    higher_is_better,
)
from trainer.split import Split

Report = Callable[[str], None]

_HEADLINES: Final = ("rmse", "ndcg@10")


@dataclass(frozen=True, eq=False)
class Asked:
    """What the user asked for."""

    contestants: Sequence[Contestant]
    left_out: Sequence[str]
    """Sentences on those that cannot be compared at all."""
    work_dir: Path
    """Where finished rows are kept; it exists."""
    command: str


def compare(dataset: Dataset, split: Split, asked: Asked, report: Report) -> Comparison:
    """Fits, asks and compares; rows that are finished already are taken as they are.

    Args:
      report: called with a sentence for every row, and for every contestant that has none.
    """
    prepared = prepare(dataset, split)
    finished, failures = _run_all(dataset, prepared, asked, report)
    rows = _with_intervals(finished)
    return Comparison(
        split=split.name,
        dataset={
            "name": dataset.name,
            "source": dataset.source,
            "sha256": dataset.fingerprint(),
            "users": len(dataset.users),
            "movies": len(dataset.movies),
            "ratings": len(dataset.ratings),
        },
        parts=split.counts(),
        protocol=prepared.sentences,
        rows=tuple(rows),
        left_out=(*asked.left_out, *failures),
        movie_map=_map_of_the_best(dataset, prepared, finished),
        command=asked.command,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _run_all(
    dataset: Dataset, prepared: Prepared, asked: Asked, report: Report
) -> tuple[list[Finished], list[str]]:
    digest = question_digest(prepared.question, dataset.fingerprint())
    finished: list[Finished] = []
    failures: list[str] = []
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    )
    with progress:
        task = progress.add_task("compare", total=len(asked.contestants))
        for contestant in asked.contestants:
            name = f"{contestant.model}, seed {contestant.seed}"
            progress.update(task, description=f"{name:<32}")
            key = row_key(contestant, digest)
            rows, problem, kept = load(asked.work_dir, key), None, " (kept)"
            if not rows:
                problem = run_apart(Job(contestant, prepared, asked.work_dir, key))
                rows, kept = load(asked.work_dir, key), ""
            if not rows:
                failures.append(problem or f"{name}: its process ended without a row")
                report(failures[-1])
            for found in rows:
                report(_sentence(found.row) + kept)
            finished += rows
            progress.advance(task)
    return finished, failures


def _sentence(row: Row) -> str:
    shown = {name: value for name, value in row.metrics.items() if name in _HEADLINES}
    if row.ladder:
        # All rungs are in the table at the end; here the first and the last will do.
        for n in (min(row.ladder), max(row.ladder)):
            rung = row.ladder[n].items()
            shown |= {flat_name(name, n): value for name, value in rung if name in _HEADLINES}
    figures = ", ".join(f"{name} {value:.4f}" for name, value in shown.items())
    return f"{row.model}, seed {row.seed}: {figures}; {row.train_s:.1f} s"


def _with_intervals(finished: Sequence[Finished]) -> list[Row]:
    """The rows with 95 % intervals, and with their differences from the best peer."""
    intervals: list[dict[str, Interval]] = [{} for _ in finished]
    against: list[dict[str, Against]] = [{} for _ in finished]
    for metric in dict.fromkeys(name for found in finished for name in found.samples):
        measured = [i for i, found in enumerate(finished) if metric in found.samples]
        drawn = resampled_figures(
            {str(i): finished[i].samples[metric] for i in measured}, root=metric.startswith("rmse")
        )
        best = _best_peer([finished[i].row for i in measured], metric)
        for i in measured:
            row = finished[i].row
            intervals[i][metric] = interval(drawn[str(i)])
            if best is None or row.kind == "peer":
                continue
            peer_position = measured[best]
            peer = finished[peer_position].row
            against[i][metric] = Against(
                peer=peer.model,
                difference=row.figures()[metric] - peer.figures()[metric],
                interval=interval(drawn[str(i)] - drawn[str(peer_position)]),
            )
    return [
        replace(found.row, intervals=intervals[i], against=against[i])
        for i, found in enumerate(finished)
    ]


def _best_peer(rows: Sequence[Row], metric: str) -> int | None:
    """Position of the peer with the best figure, whatever its seed; None = there is no peer."""
    sign = 1 if higher_is_better(metric) else -1
    peers = [i for i, row in enumerate(rows) if row.kind == "peer"]
    return max(peers, key=lambda i: sign * rows[i].figures()[metric], default=None)


def _map_of_the_best(
    dataset: Dataset, prepared: Prepared, finished: Sequence[Finished]
) -> MovieMap | None:
    """A map of the model of our own that ranks best, or else of the one that rates best."""
    mapped = [found for found in finished if found.row.kind == "ours" and len(found.map_movies)]
    best = max(mapped, key=_quality, default=None)
    if best is None:
        return None
    counts: npt.NDArray[np.int64] = prepared.question.movie_counts
    return map_movies(dataset, best.row.model, best.map_movies, best.map_vectors, counts)


def _quality(found: Finished) -> tuple[float, float]:
    figures = found.row.figures()
    ndcg = [value for name, value in figures.items() if name.startswith("ndcg@10")]
    rmse = [value for name, value in figures.items() if name.startswith("rmse")]
    return (max(ndcg, default=-1.0), -min(rmse, default=np.inf))
