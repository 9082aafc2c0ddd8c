"""Each fit in a process of its own: its peak memory is its own, and a crash is its own too."""

from __future__ import annotations

import multiprocessing
import os
import resource
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from trainer.datasets import DataError
from trainer.evaluate.contestants import Contestant
from trainer.evaluate.finished import Finished, plain_json, save
from trainer.evaluate.fits import Fitted, fit
from trainer.evaluate.measure import Measurement, measure
from trainer.evaluate.prepare import Prepared
from trainer.evaluate.results import Row

MAPPED_MOVIES = 600
"""The map shows so many, the most rated."""
_REFUSED = 2
_STATUS = Path("/proc/self/status")


@dataclass(frozen=True, eq=False)
class Job:
    """One fit, and where its row goes."""

    contestant: Contestant
    prepared: Prepared
    folder: Path
    key: str

    @property
    def log(self) -> Path:
        """What the fit printed."""
        return self.folder / f"{self.key}.log"


def run_apart(job: Job) -> str | None:
    """Fits and measures in a fresh process, which writes the finished row.

    Returns:
      None, or a sentence that says why there is no row.
    """
    # spawn: a forked child would start with this process's memory, and with its TensorFlow.
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(job, sender), name=job.key)
    process.start()
    sender.close()
    try:
        process.join()
    finally:
        if process.is_alive():  # this process was interrupted
            process.kill()
            process.join()
    if process.exitcode == _REFUSED:
        return str(receiver.recv())
    if process.exitcode:
        lines = job.log.read_text(encoding="utf-8").splitlines() if job.log.exists() else []
        return (
            f"{job.contestant.model}, seed {job.contestant.seed}: its process ended with "
            f"{process.exitcode}: {lines[-1] if lines else 'it printed nothing'} ({job.log})"
        )
    return None


def _work(job: Job, sender: Connection) -> None:
    _end_with_the_parent()
    with job.log.open("w", encoding="utf-8") as log:
        # Below Python too: TensorFlow and the peers' C++ write to the descriptors.
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            rows = list(_rows(job, fit(job.contestant, job.prepared, Path(scratch))))
    except DataError as error:
        sender.send(str(error))
        sys.exit(_REFUSED)
    save(job.folder, job.key, rows)


def _rows(job: Job, fitted: Fitted) -> Iterator[Finished]:
    question = job.prepared.question
    measured = measure(question, fitted.rating, fitted.topn)
    yield _finished(job, fitted, measured)
    for name, topn in fitted.variants.items():
        variant = replace(fitted, rating=None, topn=topn, curves={}, item_vectors=None)
        found = _finished(job, variant, measure(question, None, topn))
        yield replace(found, row=replace(found.row, model=f"{job.contestant.model}:{name}"))


def _finished(job: Job, fitted: Fitted, measured: Measurement) -> Finished:
    ladder = {n: rung.metrics for n, rung in measured.rungs.items() if n is not None}
    whole = measured.rungs.get(None)
    row = Row(
        model=job.contestant.model,
        kind=job.contestant.kind,
        seed=job.contestant.seed,
        scored=fitted.scored,
        metrics=whole.metrics if whole else {},
        train_s=round(fitted.train_s, 3),
        peak_mb=round(peak_mb(), 1),
        train_cpu_s=round(fitted.train_cpu_s, 3),
        parameters=fitted.parameters,
        settings=plain_json(fitted.settings),
        topn_of=fitted.topn.topn_of if fitted.topn else None,
        ladder=ladder,
        user_slices=measured.user_slices,
        movie_slices=measured.movie_slices,
        by_activity=measured.by_activity,
        by_rating=measured.by_rating,
        recall_curve=measured.recall_curve,
        curves={name: tuple(map(float, values)) for name, values in fitted.curves.items()},
        notes=fitted.notes,
    )
    movies = np.argsort(-job.prepared.question.movie_counts, kind="stable")[:MAPPED_MOVIES]
    has_vectors = fitted.item_vectors is not None
    return Finished(
        row=row,
        samples=measured.samples(),
        map_movies=movies if has_vectors else movies[:0],
        map_vectors=(
            fitted.item_vectors[movies]
            if fitted.item_vectors is not None
            else np.zeros((0, 0), np.float32)
        ),
    )


def peak_mb() -> float:
    """Largest resident memory of this process so far, in MiB."""
    if _STATUS.exists():
        # Linux hands ru_maxrss on through exec: a child of a large parent would start with it.
        for line in _STATUS.read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def _end_with_the_parent() -> None:
    """A comparison that is killed leaves no fit running, to be fitted twice when it goes on."""
    parent = multiprocessing.parent_process()
    if parent is None:  # not in a child: nothing to watch
        return

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
