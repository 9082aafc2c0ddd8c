"""Publishing: the old release or the new one, whole."""

from __future__ import annotations

import fcntl
import json
from pathlib import Path

import pytest

from serving.contract import (
    MANIFEST_FILE,
    REQUIRED_SERVABLES,
    ContractError,
    Manifest,
    ModelsDir,
    list_files,
    read_active,
    read_manifest,
)
from trainer.export.release import PublishError, publish

PARTS = (*REQUIRED_SERVABLES, "features")


def stage(models: ModelsDir, release_id: str, content: str = "weights") -> Path:
    """A staged release whose parts hold one small file each."""
    folder = models.staging / release_id
    for part in PARTS:
        (folder / part / "variables").mkdir(parents=True)
        (folder / part / "variables" / "data").write_text(f"{content} of {part}")
    manifest = Manifest(
        contract_version=1,
        release_version=0,
        created_at="2026-01-01T00:00:00+00:00",
        dataset={},
        split={},
        rating_range=(1.0, 5.0),
        genres=("Drama",),
        max_history=10,
        vector_dim=4,
        rating_dim=2,
        rating_weight=0.1,
        models={},
        notes=(),
        hyper_parameters={},
        metrics={},
        parts={part: list_files(folder / part) for part in PARTS},
    )
    (folder / MANIFEST_FILE).write_text(manifest.to_json())
    return folder


@pytest.fixture
def models(tmp_path: Path) -> ModelsDir:
    return ModelsDir(tmp_path / "models")


def test_publish_moves_every_part_and_commits(models):
    """Release 1 is stable, its parts lie under their version, nothing is left staged."""
    stage(models, "first")

    assert publish(models) == 1

    active = read_active(models)
    assert active is not None
    assert (active.stable, active.retained) == (1, ())
    manifest = read_manifest(models.manifest(1))
    assert manifest.release_version == 1
    assert set(manifest.parts) == set(PARTS)
    for part in PARTS:
        data = models.part(part, 1) / "variables" / "data"
        assert data.read_text() == f"weights of {part}"
    assert list(models.staging.iterdir()) == []


def test_second_release_retains_the_first(models):
    """The model server keeps serving what a gateway may still use."""
    stage(models, "first")
    publish(models)
    stage(models, "second", "other")

    assert publish(models, "second") == 2

    active = read_active(models)
    assert active is not None
    assert (active.stable, active.retained) == (2, (1,))
    config = models.model_config.read_text()
    assert config.count("specific { versions: 1 versions: 2 }") == len(REQUIRED_SERVABLES)
    assert f'base_path: "{models.root.resolve()}/recommend"' in config
    assert 'base_path: "/models/recommend"' in models.container_model_config.read_text()


def test_a_version_is_never_reused(models):
    """Parts that a crashed publish left behind keep their number to themselves."""
    models.part("recommend", 7).mkdir(parents=True)
    stage(models, "first")

    assert publish(models) == 8


def test_a_damaged_staged_release_is_refused(models):
    """A file that changed after verification stops the publish before anything moves."""
    folder = stage(models, "first")
    (folder / "ranking" / "variables" / "data").write_text("bit rot")

    with pytest.raises(ContractError, match="ranking/variables/data"):
        publish(models)

    assert read_active(models) is None
    assert not models.part("recommend", 1).exists()


def test_a_part_without_a_manifest_is_no_staged_release(models):
    """What a killed `train` leaves behind is not published."""
    folder = stage(models, "first")
    (folder / MANIFEST_FILE).unlink()

    with pytest.raises(PublishError, match="no staged release"):
        publish(models)


def test_an_unknown_id_names_what_is_there(models):
    """The error lists the staged ids."""
    stage(models, "first")

    with pytest.raises(PublishError, match=r"'second'.*there: first"):
        publish(models, "second")


def test_two_publishers_at_once_are_told(models):
    """The second one fails with a clear sentence and changes nothing."""
    stage(models, "first")
    with (models.root / ".publish.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(PublishError, match="another publish"):
            publish(models)

    assert publish(models) == 1


def test_a_corrupt_manifest_names_file_and_field(models):
    """A reader of a damaged manifest learns which file and what is wrong."""
    stage(models, "first")
    publish(models)
    path = models.manifest(1)
    content = json.loads(path.read_text())

    path.write_text(json.dumps({**content, "contract_version": 99}))
    with pytest.raises(ContractError, match=r"1\.json: contract_version is 99"):
        read_manifest(path)

    del content["genres"]
    path.write_text(json.dumps(content))
    with pytest.raises(ContractError, match="missing fields: genres"):
        read_manifest(path)

    path.write_text("{")
    with pytest.raises(ContractError, match="not readable as JSON"):
        read_manifest(path)
