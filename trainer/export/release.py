"""Publish a release and take it back: what is on disk is always the old one or the new one, whole.

Staged releases lie under names that are no integers, which TensorFlow Serving does not see. A
publish is a list of steps, each durable before the next begins:

1. Every part gets its integer version: inert so far, for nothing names it. What is staged stays
   whole, so that a publish that was cut off can be done again.
2. The manifest is written, and the model server is told of the version beside the live ones.
3. `active.json` is replaced: that is the commit.
4. The model server is told what is no longer live, and the staged copy goes.
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from serving.contract import (
    MANIFEST_FILE,
    Active,
    ContractError,
    Manifest,
    ModelsDir,
    read_active,
    read_manifest,
    verify_part,
)
from trainer.export import durable, live
from trainer.export.live import Retention
from trainer.export.server_configs import write_server_configs, written_labels


class PublishError(RuntimeError):
    """A release can't be published; the message says why, what is live now, and what to do."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that is done whole or not at all."""

    name: str
    """As in "the publish failed at: <name>"."""
    run: Callable[[], object]


def staged_ids(models: ModelsDir) -> list[str]:
    """Complete staged releases, oldest first."""
    if not models.staging.is_dir():
        return []
    complete = [p for p in models.staging.glob("[!.]*") if (p / MANIFEST_FILE).is_file()]
    return [p.name for p in sorted(complete, key=lambda p: (p / MANIFEST_FILE).stat().st_mtime_ns)]


def publish(
    models: ModelsDir,
    release_id: str | None = None,
    *,
    candidate_share: float | None = None,
    retention: Retention | None = None,
) -> int:
    """Makes a staged release the stable one, or the candidate.

    Args:
      release_id: as `train` printed it; the newest staged one when None.
      candidate_share: share of the users that it answers as the candidate, above 0 and below 1;
        None makes it stable.
      retention: which releases stay live beside it.

    Returns:
      Its version: one more than any version that ever had a part or a manifest here.

    Raises:
      PublishError: it could not be done; the release that was live still is, unless it says so.
      ContractError: what is staged is damaged.
    """
    if candidate_share is not None and not 0 < candidate_share < 1:
        raise PublishError(f"share is {candidate_share:g}, allowed above 0 and below 1")
    with publishing(models):
        staged = _find_staged(models, release_id)
        manifest = read_manifest(staged / MANIFEST_FILE)
        for part in manifest.parts:
            verify_part(manifest, part, staged / part)
        before = read_active(models)
        if candidate_share is not None and before is None:
            raise PublishError("a candidate needs a stable release beside it: publish one first")

        # A publish that was cut off after its commit is finished, not done twice.
        cut_off = _live_version_of(models, manifest, before)
        version = cut_off or next_version(models)
        retention = retention or Retention()
        if candidate_share is None:
            after = live.with_stable(before, version, retention)
        else:
            if before is None or version == before.stable:
                raise PublishError(f"release {version} is the stable one already")
            after = live.with_candidate(before, version, candidate_share, retention)
        steps: list[Step] = []
        if cut_off is None:
            steps += _placing(models, staged, replace(manifest, release_version=version))
        steps += switching(models, before, after)
        steps.append(Step("remove the staged copy", lambda: durable.remove_tree(staged)))
        run_steps(models, steps)
    return version


def promote(models: ModelsDir, retention: Retention | None = None) -> int:
    """Makes the candidate the stable release, and returns its version."""
    with publishing(models):
        before = require_active(models)
        if not before.candidate:
            raise PublishError("there is no candidate: publish one with --candidate --share")
        after = live.with_stable(before, before.candidate, retention or Retention())
        run_steps(models, switching(models, before, after))
    return after.stable


def withdraw_candidate(models: ModelsDir, retention: Retention | None = None) -> int:
    """Lets the stable release answer everybody again, and returns its version."""
    with publishing(models):
        before = require_active(models)
        if not before.candidate:
            raise PublishError("there is no candidate to take back")
        after = live.without_candidate(before, retention or Retention())
        run_steps(models, switching(models, before, after))
    return after.stable


def rollback(
    models: ModelsDir, version: int | None = None, retention: Retention | None = None
) -> int:
    """Makes a published release the stable one again.

    Args:
      version: None = the last stable release that is older than the one that is stable now. The
        stable one itself is allowed: the server's configuration is then written again.

    Returns:
      The version that is stable now.

    Raises:
      PublishError: there is no such release.
      ContractError: it is damaged.
    """
    with publishing(models):
        before = require_active(models)
        target = live.way_back(before) if version is None else version
        there = published_versions(models)
        if target is None:
            raise PublishError(
                f"no release before {before.stable} is retained; name one of those on disk: "
                f"{_listed(there)}"
            )
        if target not in there:
            raise PublishError(f"release {target} is not on disk; there: {_listed(there)}")
        manifest = read_manifest(models.manifest(target))
        for part in manifest.parts:
            verify_part(manifest, part, models.part(part, target))
        after = live.with_stable(before, target, retention or Retention())
        run_steps(models, switching(models, before, after))
    return target


def published_versions(models: ModelsDir) -> list[int]:
    """Versions with a manifest, ascending."""
    return sorted(int(p.stem) for p in models.releases.glob("*.json") if p.stem.isdecimal())


def part_versions(models: ModelsDir) -> Iterator[tuple[str, int]]:
    """(part, version) of every folder below the models folder that has an integer name."""
    for path in sorted(models.root.glob("*/*")):
        if path.name.isdecimal() and path.is_dir():
            yield path.parent.name, int(path.name)


def next_version(models: ModelsDir) -> int:
    """A version that was never used: not by a publish that was cut off, not before a gc."""
    used = {0, *published_versions(models), *(version for _, version in part_versions(models))}
    if models.highest_version.is_file():
        used.add(int(models.highest_version.read_text(encoding="utf-8")))
    return 1 + max(used)


@contextmanager
def publishing(models: ModelsDir) -> Iterator[None]:
    """One publisher at a time; the lock goes with the process, whatever happens to it.

    Raises:
      PublishError: somebody else is at it, or the folder can't be written.
    """
    try:
        models.root.mkdir(parents=True, exist_ok=True)
        stream = (models.root / ".publish.lock").open("w")
    except OSError as error:
        raise PublishError(f"{models.root} can't be written: {error.strerror}") from error
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise PublishError(f"{models.root}: another publish is under way") from error
        yield


def _find_staged(models: ModelsDir, release_id: str | None) -> Path:
    waiting = staged_ids(models)
    if release_id is None and not waiting:
        raise PublishError(f"no staged release in {models.staging}: run `python -m trainer train`")
    chosen = release_id or waiting[-1]
    if chosen not in waiting:
        raise PublishError(
            f"no staged release {chosen!r} in {models.staging}; there: {_listed(waiting)}"
        )
    return models.staging / chosen


def require_active(models: ModelsDir) -> Active:
    """What is live.

    Raises:
      PublishError: nothing was ever published.
    """
    active = read_active(models)
    if active is None:
        raise PublishError(f"nothing is published in {models.root}")
    return active


def _live_version_of(models: ModelsDir, manifest: Manifest, active: Active | None) -> int | None:
    """The stable release or candidate with the same files, if there is one."""
    for version in (active.stable, active.candidate) if active else ():
        if version and read_manifest(models.manifest(version)).parts == manifest.parts:
            return version
    return None


def _placing(models: ModelsDir, staged: Path, manifest: Manifest) -> Iterator[Step]:
    """Parts and manifest under their version; nothing names them yet."""
    version = manifest.release_version

    def link_and_place(part: str) -> None:
        durable.link_tree(staged / part, models.part(part, version))
        durable.place(models.part(part, version))

    def write_manifest() -> None:
        models.releases.mkdir(exist_ok=True)
        durable.write_durably(models.manifest(version), manifest.to_json())

    for part in manifest.parts:
        yield Step(f"place {part}/{version}", lambda part=part: link_and_place(part))
    yield Step(f"write the manifest of release {version}", write_manifest)


def switching(models: ModelsDir, before: Active | None, after: Active) -> Iterator[Step]:
    """Steps from one set of live releases to another."""
    labels = written_labels(models)
    both = {*after.versions(), *(before.versions() if before else ())}
    yield Step(
        "tell the model server of every version", lambda: write_server_configs(models, both, labels)
    )
    yield Step("commit", lambda: durable.write_durably(models.active, after.to_json()))
    yield Step(
        "tell the model server what is live",
        lambda: write_server_configs(models, after.versions(), labels),
    )


def run_steps(models: ModelsDir, steps: Iterable[Step]) -> None:
    """Takes the steps in order.

    Raises:
      PublishError: the file system refused one; what was done before it is inert or whole.
    """
    for step in steps:
        try:
            step.run()
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            raise PublishError(
                f"failed at {step.name!r}: {where}{error.strerror or error}. "
                f"{_what_is_live(models)}. Nothing is lost: put it right and do it again"
            ) from error


def _what_is_live(models: ModelsDir) -> str:
    try:
        active = read_active(models)
    except (ContractError, OSError) as error:
        return f"What is live can't be read: {error}"
    return f"Release {active.stable} is stable" if active else "Nothing is published yet"


def _listed(names: Iterable[object]) -> str:
    return ", ".join(map(str, names)) or "none"
