"""Stage and publish a release: what is on disk is always the old release or the new one, whole.

Staged releases lie under names that are no integers, which TensorFlow Serving does not see. A
publish renames the parts to their integer version (inert so far), writes the manifest, and then
replaces `active.json`: that is the commit. Each step is durable before the next begins.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from serving.contract import (
    CONTAINER_MODELS_DIR,
    FEATURES_PART,
    MANIFEST_FILE,
    Active,
    ModelsDir,
    model_config_text,
    read_active,
    read_manifest,
    verify_part,
)


class PublishError(RuntimeError):
    """A release can't be published; the message says why and what to do."""


def staged_ids(models: ModelsDir) -> list[str]:
    """Complete staged releases, oldest first."""
    if not models.staging.is_dir():
        return []
    complete = [p for p in models.staging.iterdir() if (p / MANIFEST_FILE).is_file()]
    return [p.name for p in sorted(complete, key=lambda p: (p / MANIFEST_FILE).stat().st_mtime_ns)]


def publish(models: ModelsDir, release_id: str | None = None) -> int:
    """Makes a staged release the stable one.

    Args:
      release_id: as `train` printed it; the newest staged one when None.

    Returns:
      Its version: one more than any version that ever had a part or a manifest here.

    Raises:
      PublishError: nothing staged under this id, or what is staged is damaged.
    """
    models.root.mkdir(parents=True, exist_ok=True)
    with _lock(models):
        waiting = staged_ids(models)
        if release_id is None and not waiting:
            raise PublishError(
                f"no staged release in {models.staging}: run `python -m trainer train`"
            )
        release_id = release_id or waiting[-1]
        if release_id not in waiting:
            known = ", ".join(waiting) or "none"
            raise PublishError(
                f"no staged release {release_id!r} in {models.staging}; there: {known}"
            )
        staged = models.staging / release_id
        manifest = read_manifest(staged / MANIFEST_FILE)
        for part in manifest.parts:
            verify_part(manifest, part, staged / part)

        version = _next_version(models)
        for part in manifest.parts:
            sync_tree(staged / part)
            target = models.part(part, version)
            target.parent.mkdir(exist_ok=True)
            (staged / part).rename(target)
            sync_folder(target.parent)
        models.releases.mkdir(exist_ok=True)
        published = replace(manifest, release_version=version)
        write_durably(models.manifest(version), published.to_json())
        before = read_active(models)
        active = Active(stable=version, retained=(before.stable,) if before else ())
        write_durably(models.active, active.to_json())
        write_model_configs(models, active)
        shutil.rmtree(staged)
    return version


def write_model_configs(models: ModelsDir, active: Active) -> None:
    """Writes models.config and models.container.config for the live versions."""
    versions: dict[str, tuple[int, ...]] = {}
    for version in active.versions():
        for part in read_manifest(models.manifest(version)).parts:
            if part != FEATURES_PART:
                versions[part] = (*versions.get(part, ()), version)
    local = model_config_text(str(models.root.resolve()), versions)
    write_durably(models.model_config, local)
    container = model_config_text(CONTAINER_MODELS_DIR, versions)
    write_durably(models.container_model_config, container)


def write_durably(path: Path, text: str) -> None:
    """Replaces a file so that a reader, or a crash, sees the old content or the new one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Makes renames inside `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """Makes every file and folder below `folder` durable."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as stream:
                os.fsync(stream.fileno())
        else:
            sync_folder(path)
    sync_folder(folder)


def _next_version(models: ModelsDir) -> int:
    """A version that no part and no manifest has: a crashed publish may have left parts behind."""
    names = [p.stem for p in models.root.glob("releases/*.json")]
    names += [p.name for p in models.root.glob("*/*") if p.is_dir()]
    return 1 + max((int(name) for name in names if name.isdecimal()), default=0)


@contextmanager
def _lock(models: ModelsDir) -> Iterator[None]:
    """One publisher at a time; the lock goes with the process, whatever happens to it."""
    with (models.root / ".publish.lock").open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise PublishError(f"{models.root}: another publish is under way") from error
        yield
