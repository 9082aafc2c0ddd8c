"""Garbage collection and status of a models folder."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from serving.contract import Active, ModelsDir, read_active
from tests.staged import PARTS, stage
from trainer.export.gc import collect_garbage, leftovers
from trainer.export.live import Retention
from trainer.export.release import PublishError, publish, rollback
from trainer.export.status import models_status


@pytest.fixture
def models(tmp_path: Path) -> ModelsDir:
    """Releases 1 to 4; 4 is stable, 3 and 2 are retained."""
    models = ModelsDir(tmp_path / "models")
    for number in range(1, 5):
        stage(models, f"r{number}", f"release {number}")
        publish(models)
    assert read_active(models) == Active(stable=4, retained=(3, 2))
    return models


def versions_of(models: ModelsDir, part: str) -> list[str]:
    return sorted(path.name for path in (models.root / part).iterdir())


def test_gc_removes_what_is_neither_live_nor_retained(models):
    """Release 1 goes, manifest and parts; the others stay whole."""
    removed = collect_garbage(models, Retention(keep=1))

    assert set(removed) == {"releases/1.json", *(f"{part}/1" for part in PARTS)}
    for part in PARTS:
        assert versions_of(models, part) == ["2", "3", "4"]
    assert collect_garbage(models, Retention(keep=1)) == []


def test_gc_with_a_smaller_n_retains_less_and_tells_the_model_server(models):
    """`--keep 0` leaves stable and what was stable before it."""
    collect_garbage(models, Retention(keep=0))

    assert read_active(models) == Active(stable=4, retained=(3,))
    assert versions_of(models, "recommend") == ["3", "4"]
    assert "specific { versions: 3 versions: 4 }" in models.model_config.read_text()


def test_gc_leaves_the_candidate_and_what_a_gateway_answers_from(models):
    """Neither counts against N."""
    stage(models, "new", "candidate")
    publish(models, candidate_share=0.1)

    collect_garbage(models, Retention(keep=0, confirmed=(2,)))

    assert read_active(models) == Active(4, 5, 0.1, (3, 2))
    assert versions_of(models, "recommend") == ["2", "3", "4", "5"]


def test_a_removed_version_is_never_used_again(models):
    """After a rollback and gc the highest number is gone from disk, but not free."""
    rollback(models, 2, Retention(keep=0))
    collect_garbage(models, Retention(keep=0))
    assert versions_of(models, "recommend") == ["2", "4"]
    rollback(models, 2, Retention(keep=0, confirmed=()))
    rollback(models, 4)
    rollback(models, 2)
    models.active.write_text(Active(stable=2).to_json())
    collect_garbage(models, Retention(keep=0))
    assert versions_of(models, "recommend") == ["2"]

    stage(models, "next")
    assert publish(models) == 5


def test_gc_sweeps_what_cut_off_commands_left(models):
    """Parts without a manifest, half-made folders, temporary files and a killed training."""
    left = [
        models.part("recommend", 9),
        models.root / "ranking" / ".10.incoming",
        models.staging / ".r9.removed",
        models.staging / "killed",
    ]
    for folder in left:
        folder.mkdir(parents=True)
    temporary = models.releases / ".active.json.123"
    temporary.touch()
    expected = {path.relative_to(models.root).as_posix() for path in (*left, temporary)}
    assert set(leftovers(models)) == expected

    assert expected <= set(collect_garbage(models, Retention()))

    assert leftovers(models) == []
    assert not any(path.exists() for path in (*left, temporary))
    stage(models, "next")
    assert publish(models) == 10


def test_gc_leaves_a_running_training_and_staged_releases_alone(models):
    """A folder that `train` holds is being written; a complete one waits for its publish."""
    running = models.staging / "running"
    running.mkdir()
    waiting = stage(models, "waiting")
    descriptor = os.open(running, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        collect_garbage(models, Retention())
    finally:
        os.close(descriptor)

    assert running.is_dir()
    assert waiting.is_dir()


def test_gc_leaves_folders_that_are_not_ours_alone(models):
    """Another model in the same folder keeps its versions."""
    foreign = models.root / "half_plus_two" / "1"
    foreign.mkdir(parents=True)

    collect_garbage(models, Retention(keep=0))

    assert foreign.is_dir()


def test_gc_of_an_empty_folder_is_told(tmp_path):
    """Nothing published means that there is nothing to decide by."""
    with pytest.raises(PublishError, match="nothing is published"):
        collect_garbage(ModelsDir(tmp_path / "empty"), Retention())


def test_status_names_every_release_and_its_role(models):
    """Stable, retained, on disk alone; staged and left over; parts that are gone."""
    stage(models, "waiting")
    models.part("content", 3).rename(models.root / "content" / "gone")
    models.part("ranking", 9).mkdir()

    found = models_status(models)

    assert (found.stable, found.candidate, found.retained) == (4, None, [3, 2])
    roles = {entry.version: entry.role for entry in found.releases}
    assert roles == {1: "", 2: "retained", 3: "retained", 4: "stable"}
    lacking = {entry.version: entry.lacking_parts for entry in found.releases}
    assert lacking == {1: [], 2: [], 3: ["content"], 4: []}
    assert found.staged == ["waiting"]
    assert found.leftovers == ["ranking/9"]
    assert (found.labels, found.labels_wanted) == ({}, {"stable": 4})


def test_status_of_a_folder_that_does_not_exist(tmp_path):
    """It is empty, which is no error, and it isn't made."""
    found = models_status(ModelsDir(tmp_path / "none"))

    assert (found.stable, found.releases, found.staged, found.leftovers) == (None, [], [], [])
    assert not (tmp_path / "none").exists()
