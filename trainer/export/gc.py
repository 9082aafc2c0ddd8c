"""Removes the releases that nobody uses any more, and what was cut off half-way."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from serving.contract import (
    ARRAY_PARTS,
    MANIFEST_FILE,
    OPTIONAL_SERVABLES,
    REQUIRED_SERVABLES,
    ModelsDir,
)
from trainer.export import durable, live
from trainer.export.live import Retention
from trainer.export.release import (
    Step,
    part_versions,
    published_versions,
    publishing,
    require_active,
    run_steps,
    switching,
)

PARTS = (*REQUIRED_SERVABLES, *OPTIONAL_SERVABLES, *ARRAY_PARTS)
"""The folders that are ours; others in the models folder are left alone."""

_HALF_DONE = re.compile(
    rf"\..*({re.escape(durable.INCOMING_SUFFIX)}|{re.escape(durable.REMOVED_SUFFIX)})"
)
_TEMPORARY = re.compile(r"\..+\.(json|config)\.[0-9]+|\.highest_version\.[0-9]+")


def collect_garbage(models: ModelsDir, retention: Retention) -> list[str]:
    """Retains no more than `retention` says and removes the rest, with everything half-done.

    Staged releases that are complete stay: nobody but the user knows whether they are wanted.

    Returns:
      What was removed, as paths below the models folder.

    Raises:
      PublishError: nothing is published, another publish is under way, or the disk refused.
    """
    with publishing(models):
        before = require_active(models)
        after = live.trimmed(before, retention)
        steps = list(switching(models, before, after)) if after != before else []
        doomed = [v for v in published_versions(models) if v not in after.versions()]
        folders = [
            models.part(part, version)
            for part, version in part_versions(models)
            if part in PARTS and version not in after.versions()
        ]
        highest = max((*doomed, *(int(folder.name) for folder in folders)), default=0)
        if highest:
            steps.append(Step("record the highest version", lambda: _record(models, highest)))
        removed = [models.manifest(version) for version in doomed] + folders
        # A release without its manifest is none; its parts follow.
        steps += [_removal(models, path) for path in removed]
        half_done = list(_half_done(models))
        steps += [_sweep(models, path) for path in half_done]
        run_steps(models, steps)
    return [path.relative_to(models.root).as_posix() for path in (*removed, *half_done)]


def leftovers(models: ModelsDir) -> list[str]:
    """What cut-off commands left behind, as paths below the models folder."""
    published = set(published_versions(models))
    cut_off = [
        models.part(part, version)
        for part, version in part_versions(models)
        if part in PARTS and version not in published
    ]
    return [p.relative_to(models.root).as_posix() for p in (*cut_off, *_half_done(models))]


def _removal(models: ModelsDir, path: Path) -> Step:
    remove = path.unlink if path.suffix == ".json" else lambda: durable.remove_tree(path)
    return Step(f"remove {path.relative_to(models.root)}", remove)


def _sweep(models: ModelsDir, path: Path) -> Step:
    sweep = (lambda: shutil.rmtree(path)) if path.is_dir() else path.unlink
    return Step(f"remove {path.relative_to(models.root)}", sweep)


def _record(models: ModelsDir, highest: int) -> None:
    known = models.highest_version
    before = int(known.read_text(encoding="utf-8")) if known.is_file() else 0
    durable.write_if_new(known, f"{max(before, highest)}\n")


def _half_done(models: ModelsDir) -> Iterator[Path]:
    for folder in (*(models.root / part for part in PARTS), models.staging):
        yield from (p for p in sorted(folder.glob(".*")) if _HALF_DONE.fullmatch(p.name))
    for folder in (models.root, models.releases):
        yield from (p for p in sorted(folder.glob(".*")) if _TEMPORARY.fullmatch(p.name))
    for staged in sorted(models.staging.glob("[!.]*")):
        if not (staged / MANIFEST_FILE).is_file() and not _is_being_written(staged):
            yield staged


def _is_being_written(staged: Path) -> bool:
    """Whether a `train` that still runs holds the folder, as `stage` does."""
    descriptor = os.open(staged, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
