"""Writes a staged release, has it verified in a clean process, and completes its manifest."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pandas as pd

from serving.contract import (
    CONTRACT_VERSION,
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
from trainer.export.graphs import SERVABLES
from trainer.export.release import write_durably
from trainer.export.snapshot import write_snapshot
from trainer.models import content, dot_bias, similarity
from trainer.pipeline import Report, Trained, described
from trainer.split import Split

LARGEST_BATCH = 64
VERIFY_TIMEOUT_S = 900


class VerificationError(RuntimeError):
    """A staged release does not hold what it promises; nothing was published."""


def stage(
    models: ModelsDir, dataset: Dataset, split: Split, trained: Trained, seed: int, report: Report
) -> tuple[str, Manifest]:
    """Writes and verifies a release.

    Returns:
      Its id, which `publish` takes, and its manifest with the test figures of the exported
      artifact.

    Raises:
      VerificationError: it does not reproduce in a clean process.
    """
    created = datetime.now(UTC)
    release_id = f"{created:%Y%m%dT%H%M%S}-{uuid4().hex[:6]}"
    folder = models.staging / release_id
    folder.mkdir(parents=True)
    try:
        report("exporting SavedModels")
        manifest = _write(folder, dataset, split, trained, seed, created)
        report("verifying in a clean process")
        figures = verify(folder, split.test)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    manifest = replace(manifest, metrics={**manifest.metrics, "test": figures})
    # With its manifest the staged release is complete: publish looks for nothing else.
    write_durably(folder / MANIFEST_FILE, manifest.to_json())
    return release_id, manifest


def _write(
    folder: Path, dataset: Dataset, split: Split, trained: Trained, seed: int, created: datetime
) -> Manifest:
    servables = {name: servable(trained.ingredients) for name, servable in SERVABLES.items()}
    for name, servable in servables.items():
        servable.save(str(folder / name))
        hints = folder / name / MODEL_HINTS_FILE
        hints.parent.mkdir(exist_ok=True)
        hints.write_text(json.dumps(merge_hints()) + "\n", encoding="utf-8")
    features = folder / FEATURES_PART
    features.mkdir()
    write_snapshot(
        features,
        dataset,
        trained.index,
        trained.history,
        split.test,
        trained.ingredients,
        seed,
    )
    examples = golden.example_inputs(dataset, trained.index, trained.history)
    lengths = np.bincount(trained.history.users)
    parts = trained.ingredients
    manifest = Manifest(
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
            "recommend": f"{trained.choices.retrieval_model} + {dot_bias.NAME}",
            "ranking": dot_bias.NAME,
            "retrieval": f"{trained.choices.retrieval_model}; similar: {similarity.NAME}",
            "content": content.NAME,
        },
        notes=tuple(trained.choices.notes),
        hyper_parameters=described(trained),
        metrics={"validation": trained.choices.metrics},
        parts={name: list_files(folder / name) for name in (*servables, FEATURES_PART)},
        golden_requests=golden.record(servables, examples),
    )
    (folder / MANIFEST_FILE).write_text(manifest.to_json(), encoding="utf-8")
    return manifest


def merge_hints() -> dict[str, Any]:
    """What a model server may do with queued calls of our servables."""
    return {
        "merge_calls": True,
        "largest_batch": LARGEST_BATCH,
        "width_buckets": list(WIDTH_BUCKETS),
        "padding": {"string": "", "float32": 0.0, "int64": 0},
        "ranked_columns": K_MAX,
    }


def verify(staged: Path, test: pd.DataFrame) -> dict[str, float]:
    """Runs trainer.export.verify on a staged release in a process of its own.

    Returns:
      Figures of the exported artifact on the test rows; empty without test rows.

    Raises:
      VerificationError: something differs; the message lists it.
    """
    command = [sys.executable, "-m", "trainer.export.verify", str(staged)]
    with tempfile.TemporaryDirectory() as scratch:
        if not test.empty:
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
