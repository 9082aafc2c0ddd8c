"""Labels, the model server's configuration files, and the commands that write them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from protos.tfserving.v1 import config_pb2
from serving.contract import BATCH_SIZES, REQUIRED_SERVABLES, Active, ModelsDir, read_active
from tests.fake_model_server import LOADING, FakeModelServer
from tests.staged import PARTS, stage
from trainer.__main__ import main
from trainer.export.labels import confirmed_releases, move_labels
from trainer.export.live import Retention
from trainer.export.release import PublishError, publish, rollback
from trainer.export.server_configs import written_labels

NOBODY = "127.0.0.1:9"


@pytest.fixture
def models(tmp_path: Path) -> ModelsDir:
    models = ModelsDir(tmp_path / "models")
    stage(models, "first")
    publish(models)
    return models


@pytest.fixture
def server() -> Iterator[FakeModelServer]:
    with FakeModelServer({}, versions=(1, 2)) as server:
        yield server


def parsed(path: Path) -> dict[str, model_server_config_pb2.ModelConfig]:
    """Read by the official message."""
    message = model_server_config_pb2.ModelServerConfig()
    text_format.Parse(path.read_text(), message)
    return {config.name: config for config in message.model_config_list.config}


def test_both_files_pin_the_live_versions(models):
    """Local and container paths differ, versions do not; nothing is labelled yet."""
    stage(models, "second", "other")
    publish(models)

    local, container = parsed(models.model_config), parsed(models.container_model_config)

    assert list(local) == list(container) == list(REQUIRED_SERVABLES)
    for name in REQUIRED_SERVABLES:
        assert local[name].base_path == f"{models.root.resolve()}/{name}"
        assert container[name].base_path == f"/models/{name}"
        for config in (local[name], container[name]):
            assert config.model_platform == "tensorflow"
            assert list(config.model_version_policy.specific.versions) == [1, 2]
            assert dict(config.version_labels) == {}


def test_scann_servables_are_named_only_where_they_can_be_loaded(models):
    """The stock server would not start; ours reads models.config."""
    stage(models, "second", "other", (*PARTS, "recommend_scann"))
    publish(models)

    local, container = parsed(models.model_config), parsed(models.container_model_config)

    assert list(local["recommend_scann"].model_version_policy.specific.versions) == [2]
    assert "recommend_scann" not in container


def test_batching_and_monitoring_files_parse(models):
    """The last allowed size equals the largest batch, or the real server refuses to start."""
    batching = config_pb2.BatchingParameters()
    text_format.Parse(models.batching_config.read_text(), batching)
    monitoring = config_pb2.MonitoringConfig()
    text_format.Parse(models.monitoring_config.read_text(), monitoring)

    assert batching.max_batch_size.value == 64
    assert list(batching.allowed_batch_sizes) == [1, 2, 4, 8, 16, 32, 64] == list(BATCH_SIZES)
    assert batching.pad_variable_length_inputs
    assert monitoring.prometheus_config.enable
    assert monitoring.prometheus_config.path == "/monitoring/prometheus/metrics"


def test_labels_move_once_the_versions_are_available(models, server):
    """Stable and candidate; optional servables, which may be lacking, have none."""
    stage(models, "second", "other", (*PARTS, "recommend_scann"))
    publish(models, candidate_share=0.1)

    assert move_labels(models, server.target, 10) == {"stable": 1, "candidate": 2}

    for path in (models.model_config, models.container_model_config):
        for name in REQUIRED_SERVABLES:
            assert dict(parsed(path)[name].version_labels) == {"stable": 1, "candidate": 2}
    assert dict(parsed(models.model_config)["recommend_scann"].version_labels) == {}


def test_labels_stay_while_a_version_is_not_available(models, server):
    """A publish leaves them on the old release, and so does a model server that still loads."""
    move_labels(models, server.target, 10)
    server.states["ranking", 2] = LOADING
    stage(models, "second", "other")
    publish(models)
    assert written_labels(models) == {"stable": 1}

    with pytest.raises(PublishError, match=r"ranking/2 not AVAILABLE.*rollback 2 --model-server"):
        move_labels(models, server.target, 0)

    assert written_labels(models) == {"stable": 1}
    server.states["ranking", 2] = 30
    assert move_labels(models, server.target, 0) == {"stable": 2}


def test_a_label_goes_with_the_release_that_it_names(models, server):
    """The real server refuses a label for a version that it is told to unload."""
    move_labels(models, server.target, 10)
    for name in ("second", "third"):
        stage(models, name, name)
        publish(models, retention=Retention(keep=0))

    assert read_active(models) == Active(stable=3, retained=(2,))
    assert written_labels(models) == {}


def test_publish_command_reports_labels_that_could_not_be_moved(models, capsys):
    """The release is live and its version printed; exit status 1 tells a script about the rest."""
    stage(models, "second", "other")
    arguments = ["--models-dir", str(models.root), "--model-server", NOBODY, "--wait", "0"]

    assert main(["publish", *arguments]) == 1

    out, err = capsys.readouterr()
    assert out == "2\n"
    assert "the labels stay where they were" in err
    assert read_active(models) == Active(stable=2, retained=(1,))


def test_commands_from_publish_to_gc(models, server, capsys):
    """Publish --candidate, --promote, rollback, gc and status --json, as a user types them."""
    where = ["--models-dir", str(models.root)]
    labelled = [*where, "--model-server", server.target]
    stage(models, "second", "other")

    assert main(["publish", "second", "--candidate", "--share", "0.25", *labelled]) == 0
    assert main(["status", "--json", *labelled]) == 0
    version, status = capsys.readouterr().out.split("\n", 1)
    assert version == "2"
    found = json.loads(status)
    assert (found["stable"], found["candidate"], found["share"]) == (1, 2, 0.25)
    assert found["labels"] == found["labels_wanted"] == {"stable": 1, "candidate": 2}
    assert found["available"]["recommend/2"] is True

    assert main(["publish", "--promote", *labelled]) == 0
    assert main(["rollback", *labelled]) == 0
    assert main(["gc", "--keep", "0", *where]) == 0
    assert capsys.readouterr().out == "2\n1\n"
    assert read_active(models) == Active(stable=1, retained=(2,))
    assert main(["status", *where]) == 0
    text = capsys.readouterr().out
    assert "   1  stable" in text
    assert "   2  retained" in text
    assert "labels: stable -> 1" in text


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["publish", "--candidate"], "--candidate and --share belong together"),
        (["publish", "--share", "0.1"], "--candidate and --share belong together"),
        (["publish", "x", "--promote"], "--promote makes the candidate stable"),
        (["rollback", "1", "--candidate"], "--candidate takes the candidate back"),
        (["gc", "--keep", "-1"], "-1 is negative"),
        (["gc"], "--keep"),
    ],
)
def test_contradicting_options_are_refused(models, capsys, arguments, sentence):
    """Exit status 2 and a sentence, before anything is touched."""
    with pytest.raises(SystemExit) as caught:
        main([*arguments, "--models-dir", str(models.root)])

    assert caught.value.code == 2
    assert sentence in capsys.readouterr().err


def test_a_gateway_that_does_not_answer_stops_the_publish(models):
    """Its release might be needed: nothing is decided without it."""
    with pytest.raises(PublishError, match=f"gateway {NOBODY}"):
        confirmed_releases([NOBODY])


def test_configuration_is_written_again_by_a_rollback_to_stable(models, server):
    """The way to repeat a label move that failed, or a file that somebody removed."""
    models.batching_config.unlink()

    assert rollback(models, 1) == 1
    move_labels(models, server.target, 0)

    assert models.batching_config.exists()
    assert read_active(models) == Active(stable=1)
    assert written_labels(models) == {"stable": 1}
