"""Publishing: the old release or the new one, whole."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from pathlib import Path

import pytest

from serving.contract import (
    MANIFEST_FILE,
    REQUIRED_SERVABLES,
    ContractError,
    ModelsDir,
    read_active,
    read_manifest,
)
from tests.staged import PARTS, stage
from trainer.export import release
from trainer.export.release import PublishError, publish, rollback


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
    """While another process publishes, a second one ends with a clear sentence."""
    stage(models, "first")
    program = (
        "import sys; from pathlib import Path; from serving.contract import ModelsDir\n"
        "from trainer.export.release import publishing\n"
        "with publishing(ModelsDir(Path(sys.argv[1]))):\n"
        "    print('locked', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(models.root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout.readline() == "locked\n"
        for command in (publish, rollback):
            with pytest.raises(PublishError, match="another publish is under way"):
                command(models)
        other.communicate()

    assert publish(models) == 1


def test_a_version_that_appears_meanwhile_is_left_alone(models, monkeypatch):
    """Another writer's folder under the chosen number is neither replaced nor mixed with ours."""
    stage(models, "first")
    foreign = models.part("ranking", 1)
    monkeypatch.setattr(release, "next_version", lambda _: 1)
    foreign.mkdir(parents=True)

    with pytest.raises(PublishError, match=r"place ranking/1.*exists already.*Nothing is lost"):
        publish(models)

    assert list(foreign.iterdir()) == []
    assert read_active(models) is None
    monkeypatch.undo()
    assert publish(models) == 2


def test_a_file_system_without_hard_links_gets_copies(models, monkeypatch):
    """What is published then shares nothing with what was staged, and is the same."""
    staged = stage(models, "first")
    inode = (staged / "ranking" / "variables" / "data").stat().st_ino

    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    publish(models)

    data = models.part("ranking", 1) / "variables" / "data"
    assert data.read_text() == "weights of ranking"
    assert data.stat().st_ino != inode


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
