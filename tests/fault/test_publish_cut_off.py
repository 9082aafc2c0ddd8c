"""Release commands that are killed, or that the disk refuses, at every single file operation."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from serving.contract import (
    ENGINE_PART,
    REQUIRED_SERVABLES,
    ModelsDir,
    read_active,
    read_manifest,
    verify_part,
)
from tests.fault.cut_off import COMMANDS
from tests.staged import PARTS, stable_content, stage
from trainer.export.gc import collect_garbage, leftovers
from trainer.export.live import Retention
from trainer.export.release import publish, published_versions, rollback, staged_ids
from trainer.export.server_configs import write_server_configs

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def fast_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """No power is cut here, so nothing need wait for the disk."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


def before_first(models: ModelsDir) -> None:
    stage(models, "only", "second")


def before_publish(models: ModelsDir) -> None:
    """A release of the time before the engine is live, one with every part waits."""
    stage(models, "one", "first")
    publish(models)
    write_server_configs(models, {1}, {"stable": 1})
    stage(models, "two", "second", (*PARTS, ENGINE_PART))


def before_promote(models: ModelsDir) -> None:
    before_publish(models)
    publish(models, candidate_share=0.1)


def before_rollback(models: ModelsDir) -> None:
    before_publish(models)
    publish(models)


def before_gc(models: ModelsDir) -> None:
    before_publish(models)
    publish(models)
    for number in ("third", "fourth"):
        stage(models, number, number, (*PARTS, ENGINE_PART))
        publish(models, retention=Retention(keep=0))
    rollback(models, 3, Retention(keep=3))


CASES = {
    # command: (state before, contents that may be stable afterwards, what is stable in the end)
    "publish": (before_publish, {"first", "second"}, "second"),
    "candidate": (before_publish, {"first"}, "first"),
    "promote": (before_promote, {"first", "second"}, "second"),
    "rollback": (before_rollback, {"first", "second"}, "first"),
    "gc": (before_gc, {"third"}, "third"),
}


def cut_off_everywhere(
    fault: str, command: str, before: Callable[[ModelsDir], None], tmp_path: Path
) -> tuple[list[ModelsDir], list[str]]:
    """The models folders that the cut-off commands left, in order, and what they said."""
    before(ModelsDir(tmp_path / "template"))
    runs = tmp_path / "runs"
    runs.mkdir()
    arguments = [fault, command, str(tmp_path / "template"), str(runs)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.fault.cut_off", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    count = sum(path.is_dir() for path in runs.iterdir())
    folders = [ModelsDir(runs / str(at)) for at in range(count)]
    return folders, [(runs / f"{at}.error").read_text() for at in range(count)]


def assert_whole(models: ModelsDir) -> None:
    """Every release that `active.json` or the model server's configuration names is complete."""
    active = read_active(models)
    live = set(active.versions()) if active else set()
    named = set(live)
    for file in (models.model_config, models.container_model_config):
        if not file.exists():
            assert not live
            continue
        message = model_server_config_pb2.ModelServerConfig()
        text_format.Parse(file.read_text(), message)
        assert [c.name for c in message.model_config_list.config] == list(REQUIRED_SERVABLES)
        for config in message.model_config_list.config:
            versions = set(config.model_version_policy.specific.versions)
            assert live <= versions
            assert set(config.version_labels.values()) <= versions
            named |= versions
    for version in named:
        manifest = read_manifest(models.manifest(version))
        assert manifest.release_version == version
        for part in manifest.parts:
            verify_part(manifest, part, models.part(part, version))


@pytest.mark.parametrize("command", COMMANDS)
def test_a_kill_at_any_operation_leaves_the_old_release_or_the_new_one(command, tmp_path):
    """After SIGKILL a reader finds one whole release; the same command then gets through.

    A version whose manifest was not written is not used again, whatever parts it has.
    """
    before, allowed, in_the_end = CASES[command]
    folders, _ = cut_off_everywhere("kill", command, before, tmp_path)

    assert len(folders) > 5
    seen = set()
    for models in folders:
        assert_whole(models)
        seen.add(stable_content(models).removesuffix(" of recommend"))
        committed, placed = published_versions(models), placed_versions(models)
        once_more(command, models)
        assert_whole(models)
        assert not (set(published_versions(models)) - set(committed)) & placed
        assert stable_content(models) == f"{in_the_end} of recommend"
        collect_garbage(models, Retention(keep=0))
        assert leftovers(models) == []
        assert_whole(models)
    assert seen == allowed


def placed_versions(models: ModelsDir) -> set[int]:
    return {int(path.name) for path in models.root.glob("*/*") if path.name.isdecimal()}


def once_more(command: str, models: ModelsDir) -> None:
    """What a user does who saw the command die: looks what is live, and runs it if need be."""
    active = read_active(models)
    assert active is not None
    needed = {
        "publish": bool(staged_ids(models)),
        "candidate": bool(staged_ids(models)),
        "promote": active.candidate is not None,
        "rollback": active.stable != 1,
        "gc": True,
    }
    if needed[command]:
        COMMANDS[command](models)


def test_the_first_publish_is_killed_at_any_operation(tmp_path):
    """A reader finds nothing or release 1; the next publish gets through in every case."""
    folders, _ = cut_off_everywhere("kill", "publish", before_first, tmp_path)

    assert read_active(folders[0]) is None
    for models in folders:
        assert_whole(models)
        if staged_ids(models):
            publish(models)
        assert_whole(models)
        assert stable_content(models) == "second of recommend"


@pytest.mark.parametrize(
    ("fault", "reason"), [("full", "No space left on device"), ("rofs", "Read-only file system")]
)
def test_a_disk_that_refuses_an_operation_is_named_and_nothing_is_lost(fault, reason, tmp_path):
    """A full or read-only disk ends the publish with a sentence; later it gets through."""
    folders, errors = cut_off_everywhere(fault, "publish", before_publish, tmp_path)

    # In the last folder nothing struck. A full disk does not hinder what needs no space.
    assert errors[-1] == ""
    assert not any(errors[at] and not errors[at - 1] for at in range(1, len(errors)))
    for models, error in zip(folders, errors, strict=True):
        assert_whole(models)
        if error:
            assert reason in error
            assert "can't be written" in error or "Nothing is lost" in error
        if staged_ids(models):
            publish(models)
        assert_whole(models)
        assert stable_content(models) == "second of recommend"
    assert sum(reason in error for error in errors) > 20
