"""`--model_config_file`: which models to serve, from where, and which of their versions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tensorflow_serving.config import model_server_config_pb2

from serving.errors import failed_precondition, invalid_argument
from serving.servables.versions import All, Latest, Specific, VersionPolicy
from serving.text_files import read_text_proto

_PLATFORM = "tensorflow"


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """One model to serve."""

    name: str
    base_path: Path
    policy: VersionPolicy = field(default_factory=Latest)
    labels: Mapping[str, int] = field(default_factory=dict)
    """Label -> version, for callers that ask for a label."""


ModelConfigs = tuple[ModelConfig, ...]


def single_model(name: str, base_path: str) -> ModelConfigs:
    """The configuration of `--model_name` and `--model_base_path`: the latest version.

    Raises:
      ServingError: INVALID_ARGUMENT, the path is relative.
    """
    return (ModelConfig(name=name, base_path=_absolute(name, base_path)),)


def read_model_config(file: Path) -> ModelConfigs | None:
    """The models of a configuration file; None when the file sets nothing at all.

    Raises:
      ServingError: the file is missing, unreadable, malformed, or asks for what cannot be.
    """
    return model_configs(read_text_proto(file, model_server_config_pb2.ModelServerConfig()))


def model_configs(message: model_server_config_pb2.ModelServerConfig) -> ModelConfigs | None:
    """The models of a configuration; None when it sets nothing at all.

    Raises:
      ServingError: INVALID_ARGUMENT or FAILED_PRECONDITION, it asks for what cannot be.
    """
    match message.WhichOneof("config"):
        case None:
            return None
        case "model_config_list":
            configs = tuple(_model(config) for config in message.model_config_list.config)
        case _:
            raise failed_precondition("ModelServer does not yet support custom model config.")
    seen: set[str] = set()
    for config in configs:
        if config.name in seen:
            raise invalid_argument(
                f"Illegal to list model {config.name} multiple times in config list"
            )
        seen.add(config.name)
    return configs


def _absolute(name: str, base_path: str) -> Path:
    path = Path(base_path)
    if not path.is_absolute():
        raise invalid_argument(
            f"Expected model {name} to have an absolute path or URI; got base_path()={base_path}"
        )
    return path


def _model(config: model_server_config_pb2.ModelConfig) -> ModelConfig:
    platform = config.model_platform
    if config.model_type == model_server_config_pb2.TENSORFLOW and not platform:
        platform = _PLATFORM
    if not platform:
        raise invalid_argument(
            "Illegal setting neither ModelServerConfig::model_type (deprecated) nor "
            f"ModelServerConfig::model_platform, model name is {config.name}"
        )
    if platform != _PLATFORM:
        raise invalid_argument(f"Model {config.name} requests unsupported platform {platform}")
    return ModelConfig(
        name=config.name,
        base_path=_absolute(config.name, config.base_path),
        policy=_policy(config),
        labels=dict(config.version_labels),
    )


def _policy(config: model_server_config_pb2.ModelConfig) -> VersionPolicy:
    policy = config.model_version_policy
    match policy.WhichOneof("policy_choice"):
        case "specific":
            return Specific(frozenset(policy.specific.versions))
        case "all":
            return All()
        case _:
            return Latest(policy.latest.num_versions or 1)
