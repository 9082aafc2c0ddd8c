import re
from pathlib import Path

import grpc
import pytest

from serving.contract import model_config_text
from serving.errors import ServingError
from serving.model_config import ModelConfig, read_model_config, single_model
from serving.servables.versions import All, Latest, Specific

MODEL = 'config { name: "m" base_path: "/models/m" model_platform: "tensorflow" %s }'


def write(folder: Path, text: str) -> Path:
    file = folder / "models.config"
    file.write_text(text)
    return file


def test_contract_text_pins_versions(tmp_path):
    """What a publish writes is read as the same models with the `specific` policy."""
    text = model_config_text("/srv/models", {"ranking": (3, 1), "content": (2,)})
    assert read_model_config(write(tmp_path, text)) == (
        ModelConfig("ranking", Path("/srv/models/ranking"), Specific(frozenset({1, 3}))),
        ModelConfig("content", Path("/srv/models/content"), Specific(frozenset({2}))),
    )


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("", Latest(1)),
        ("model_version_policy { latest { num_versions: 2 } }", Latest(2)),
        ("model_version_policy { latest { } }", Latest(1)),
        ("model_version_policy { all { } }", All()),
        ("model_version_policy { specific { } }", Specific(frozenset())),
    ],
)
def test_each_version_policy_is_read(tmp_path, policy, expected):
    """latest, all and specific are told apart; nothing means the latest one."""
    (config,) = read_model_config(write(tmp_path, "model_config_list { " + MODEL % policy + " }"))
    assert config.policy == expected


def test_labels_are_read(tmp_path):
    """version_labels is a map from label to version."""
    labels = 'version_labels { key: "stable" value: 3 } version_labels { key: "next" value: 4 }'
    (config,) = read_model_config(write(tmp_path, "model_config_list { " + MODEL % labels + " }"))
    assert config.labels == {"stable": 3, "next": 4}


def test_empty_file_is_no_configuration(tmp_path):
    """A file that sets nothing is told from a list without models."""
    assert read_model_config(write(tmp_path, "# nothing\n")) is None
    assert read_model_config(write(tmp_path, "model_config_list { }")) == ()


@pytest.mark.parametrize(
    ("text", "code", "told"),
    [
        ("model_config_list { config {", "INVALID_ARGUMENT", "Invalid protobuf file: '"),
        ("models { }", "INVALID_ARGUMENT", "Invalid protobuf file: '"),
        (
            "model_config_list { " + (MODEL % "").replace("/models/m", "models/m") + " }",
            "INVALID_ARGUMENT",
            "Expected model m to have an absolute path or URI; got base_path()=models/m",
        ),
        (
            "model_config_list { " + MODEL % "" + MODEL % "" + " }",
            "INVALID_ARGUMENT",
            "Illegal to list model m multiple times in config list",
        ),
        (
            'model_config_list { config { name: "m" base_path: "/m" } }',
            "INVALID_ARGUMENT",
            "ModelServerConfig::model_platform, model name is m",
        ),
        (
            'model_config_list { config { name: "m" base_path: "/m" model_platform: "onnx" } }',
            "INVALID_ARGUMENT",
            "Model m requests unsupported platform onnx",
        ),
    ],
)
def test_wrong_file_is_refused_in_the_real_servers_words(tmp_path, text, code, told):
    """A malformed or impossible configuration is an error that names the model or the file."""
    with pytest.raises(ServingError, match=re.escape(told)) as caught:
        read_model_config(write(tmp_path, text))
    assert caught.value.code is grpc.StatusCode[code]


def test_missing_file_is_not_found(tmp_path):
    """The error names the file."""
    with pytest.raises(ServingError, match=r"none\.config; No such file or directory") as caught:
        read_model_config(tmp_path / "none.config")
    assert caught.value.code is grpc.StatusCode.NOT_FOUND


def test_base_path_of_a_single_model_must_be_absolute():
    """As in the real server, a relative --model_base_path is refused."""
    with pytest.raises(ServingError, match="absolute path"):
        single_model("m", "models/m")
    assert single_model("m", "/models/m") == (ModelConfig("m", Path("/models/m"), Latest(1)),)
