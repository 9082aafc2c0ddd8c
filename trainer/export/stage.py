"""Writes a staged release, has it verified in a clean process, and completes its manifest."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pandas as pd

from serving.contract import (
    BATCH_SIZES,
    CONTRACT_VERSION,
    ENGINE_PART,
    FEATURES_PART,
    K_MAX,
    MANIFEST_FILE,
    MODEL_HINTS_FILE,
    WIDTH_BUCKETS,
    Manifest,
    ModelsDir,
    list_files,
)
from trainer.datasets import Col, Dataset
from trainer.export import golden
from trainer.export.durable import write_durably
from trainer.export.engine import why_no_engine, write_engine
from trainer.export.graphs import SERVABLES
from trainer.export.snapshot import write_snapshot
from trainer.export.towers_file import write_towers
from trainer.export.verify import UNVERIFIED_MANIFEST_FILE
from trainer.export.warmup import Example, write_warmup
from trainer.models import content, similarity
from trainer.pipeline import Report, Trained, described
from trainer.split import Split

VERIFY_TIMEOUT_S = 900


class VerificationError(RuntimeError):
    """A staged release does not hold what it promises; nothing was published."""


def stage(
    models: ModelsDir, dataset: Dataset, split: Split, trained: Trained, report: Report
) -> tuple[str, Manifest]:
    """Writes and verifies a release.

    Returns:
      Its id, which `publish` takes, and its manifest with the test figures of the exported
      artifact.

    Raises:
      VerificationError: it does not reproduce in a clean process.
    """
    created = datetime.now(UTC)
    with new_staging(models, created) as folder:
        report("exporting SavedModels")
        manifest = _write(folder, dataset, split, trained, created)
        report("verifying in a clean process")
        manifest = complete(folder, manifest, split.test)
    return folder.name, manifest


@contextmanager
def new_staging(models: ModelsDir, created: datetime) -> Iterator[Path]:
    """A folder for a release that is being made; gone again if that fails."""
    folder = models.staging / f"{created:%Y%m%dT%H%M%S}-{uuid4().hex[:6]}"
    folder.mkdir(parents=True)
    with _being_written(folder):
        try:
            yield folder
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise


def complete(folder: Path, manifest: Manifest, test: pd.DataFrame | None = None) -> Manifest:
    """Verifies a staged release in a clean process, and writes its manifest.

    Args:
      test: rows on which the exported artifact is scored; None keeps the figures there are.

    Raises:
      VerificationError: it does not reproduce.
    """
    unverified = folder / UNVERIFIED_MANIFEST_FILE
    unverified.write_text(manifest.to_json(), encoding="utf-8")
    figures = verify(folder, test)
    if test is not None:
        manifest = replace(manifest, metrics={**manifest.metrics, "test": figures})
    # With its manifest the staged release is complete: publish looks for nothing else.
    write_durably(folder / MANIFEST_FILE, manifest.to_json())
    unverified.unlink()
    return manifest


def write_extras(saved_model: Path, servable: str, examples: Sequence[Example]) -> None:
    """Writes what a model server reads beside the SavedModel: merge hints and warm-up records."""
    hints = saved_model / MODEL_HINTS_FILE
    hints.parent.mkdir(exist_ok=True)
    hints.write_text(json.dumps(merge_hints()) + "\n", encoding="utf-8")
    write_warmup(saved_model, servable, examples)


@contextmanager
def _being_written(folder: Path) -> Iterator[None]:
    """Tells `gc` that this process still writes the folder; a killed one tells it no longer."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


def _write(
    folder: Path, dataset: Dataset, split: Split, trained: Trained, created: datetime
) -> Manifest:
    servables = {name: servable(trained.ingredients) for name, servable in SERVABLES.items()}
    examples = golden.example_inputs(dataset, trained.index, trained.history)
    for name, servable in servables.items():
        servable.save(str(folder / name))
        write_extras(folder / name, name, examples)
    write_towers(folder / "recommend", trained.ingredients)
    features = folder / FEATURES_PART
    features.mkdir()
    write_snapshot(
        features,
        dataset,
        trained.index,
        trained.history,
        split,
        trained.ingredients,
        trained.settings.seed,
    )
    lengths = np.bincount(trained.history.users)
    parts, settings = trained.ingredients, trained.settings
    notes, array_parts = trained.notes, [FEATURES_PART]
    if why_not := why_no_engine(parts):
        notes = (*notes, f"no part for the in-process engine: {why_not}")
    else:
        write_engine(folder / ENGINE_PART, parts)
        array_parts.append(ENGINE_PART)
    return Manifest(
        contract_version=CONTRACT_VERSION,
        release_version=0,
        created_at=created.isoformat(timespec="seconds"),
        dataset={
            "name": dataset.name,
            "source": dataset.source,
            "sha256": dataset.fingerprint(),
            "users": trained.index.n_users,
            "movies": trained.index.n_movies,
            "ratings": len(dataset.ratings),
            "rejected": dict(dataset.rejected),
        },
        split={"name": split.name, "parameters": dict(split.parameters), "rows": split.counts()},
        rating_range=dataset.rating_range,
        genres=dataset.genres,
        max_history=int(lengths.max()),
        vector_dim=parts.retrieval.dim,
        rating_dim=parts.rating.dim,
        rating_weight=parts.rating_weight,
        models={
            "recommend": f"{settings.retrieval} + {settings.rating}",
            "ranking": settings.rating,
            "retrieval": f"{settings.retrieval}; similar: {similarity.NAME}",
            "content": content.NAME,
        },
        notes=notes,
        hyper_parameters=described(trained),
        metrics={"validation": trained.choices.metrics, "curves": trained.choices.curves},
        parts={name: list_files(folder / name) for name in (*servables, *array_parts)},
        golden_requests=golden.record(servables, examples),
    )


def merge_hints() -> dict[str, Any]:
    """What a model server may do with queued calls of our servables."""
    return {
        "merge_calls": True,
        "largest_batch": BATCH_SIZES[-1],
        "width_buckets": list(WIDTH_BUCKETS),
        "padding": {"string": "", "float32": 0.0, "int64": 0},
        "ranked_columns": K_MAX,
    }


def verify(staged: Path, test: pd.DataFrame | None) -> dict[str, float]:
    """Runs trainer.export.verify on a staged release in a process of its own.

    Returns:
      Figures of the exported artifact on the test rows; empty without test rows.

    Raises:
      VerificationError: something differs; the message lists it.
    """
    command = [sys.executable, "-m", "trainer.export.verify", str(staged)]
    with tempfile.TemporaryDirectory() as scratch:
        if test is not None and not test.empty:
            rows = Path(scratch) / "held_out.npz"
            np.savez(
                rows,
                user_ids=test[Col.USER].to_numpy(str),
                movie_ids=test[Col.MOVIE].to_numpy(str),
                ratings=test[Col.RATING].to_numpy(np.float32),
            )
            command += ["--held-out", str(rows)]
        done = subprocess.run(  # noqa: S603 - our own module, our own interpreter
            command, capture_output=True, text=True, timeout=VERIFY_TIMEOUT_S, check=False
        )
    try:
        answer = json.loads(done.stdout)
    except ValueError as error:
        last_words = "\n".join(done.stderr.splitlines()[-20:])
        raise VerificationError(
            f"verification ended with {done.returncode}:\n{last_words}"
        ) from error
    if answer["problems"]:
        raise VerificationError(
            "the staged release is not right:\n" + "\n".join(answer["problems"])
        )
    figures: dict[str, float] = answer["metrics"]
    return figures
