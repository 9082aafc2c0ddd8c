"""Trains and stages what `python -m trainer train` exports by default, to be scored as served."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from serving.contract import ModelsDir
from trainer.evaluate.fits import Fitted, count_numbers
from trainer.evaluate.prepare import Prepared
from trainer.evaluate.saved_models import ReleaseScorer
from trainer.export.stage import stage
from trainer.pipeline import Settings, described, train


def fit_release(seed: int, prepared: Prepared, scratch: Path) -> Fitted:
    """A whole release, with the lists asked in three ways.

    Besides `recommend`, which re-orders by the predicted rating: "index", the dot products alone;
    and "unsigned", `recommend` with histories whose ratings are not told.

    Args:
      scratch: an empty folder, which the release is written to.

    Raises:
      DataError: there is too little to learn from.
      VerificationError: the release does not reproduce in a clean process.
    """
    started, cpu_started = time.perf_counter(), time.process_time()
    trained = train(prepared.dataset, prepared.exported, Settings(seed=seed), print)
    train_s = time.perf_counter() - started
    train_cpu_s = time.process_time() - cpu_started
    models = ModelsDir(scratch)
    release_id, manifest = stage(models, prepared.dataset, prepared.exported, trained, print)
    stage_s = time.perf_counter() - started - train_s
    parts = trained.ingredients
    scorer = ReleaseScorer(
        models.staging / release_id, prepared.question.index, len(prepared.dataset.genres)
    )
    return Fitted(
        rating=scorer,
        topn=scorer,
        scored="saved_model",
        train_s=train_s,
        train_cpu_s=train_cpu_s,
        parameters=count_numbers(parts.retrieval) + count_numbers(parts.rating),
        settings={"models": manifest.models, **described(trained)},
        curves={
            f"{name} {figure}": values
            for name, curves in trained.choices.curves.items()
            for figure, values in curves.items()
        },
        item_vectors=parts.retrieval.item_vectors,
        variants={"index": scorer.index_ranking(), "unsigned": replace(scorer, signed=False)},
        notes=(
            f"{manifest.models['retrieval']}; ratings: {manifest.models['ranking']}",
            f"final order: weight {parts.rating_weight:g} on the predicted rating",
            *_choices(prepared),
            f"exporting and verifying took {stage_s:.0f} s more",
        ),
    )


def _choices(prepared: Prepared) -> tuple[str, ...]:
    if not prepared.exported.validation.empty:
        return ()
    return ("its choices are made as `train` makes them without validation rows, not on the twin",)
