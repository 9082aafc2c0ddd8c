"""The model server's configuration files, from the templates in serving/config.

`models.config` has the paths of this machine and every servable, `models.container.config` the
paths inside a container and what the stock server can load.

A publish writes them twice. The first time the new versions are added beside the live ones, before
the commit, so that `active.json` never names a version that the model server was not told of; the
second time, after it, the versions that are no longer live are dropped.

Labels are moved by a write of their own, once the model server says that the versions are
AVAILABLE: it refuses a file that points a label to anything else. Labels that are there stay where
they are until then.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from importlib.resources import files
from string import Template

from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from serving.contract import (
    ARRAY_PARTS,
    BATCH_SIZES,
    CONTAINER_MODELS_DIR,
    REQUIRED_SERVABLES,
    Active,
    ContractError,
    ModelsDir,
    model_config_text,
    read_manifest,
)
from trainer.export.durable import write_if_new

STABLE, CANDIDATE = "stable", "candidate"


def write_server_configs(
    models: ModelsDir, live: Collection[int], labels: Mapping[str, int]
) -> None:
    """Writes all four files for these releases.

    Args:
      live: published releases to keep loaded.
      labels: label -> release; labels of releases that are not live are left out.
    """
    versions: dict[str, tuple[int, ...]] = {}
    for version in sorted(live):
        for part in read_manifest(models.manifest(version)).parts:
            if part not in ARRAY_PARTS:
                versions[part] = (*versions.get(part, ()), version)
    allowed = "\n".join(f"allowed_batch_sizes: {size}" for size in BATCH_SIZES)
    write_if_new(
        models.batching_config,
        _filled("batching", max_batch_size=str(BATCH_SIZES[-1]), allowed_batch_sizes=allowed),
    )
    write_if_new(models.monitoring_config, _filled("monitoring"))
    # The stock server does not start when one of its models can't be loaded, and it has no ScaNN.
    stock = {part: numbers for part, numbers in versions.items() if part in REQUIRED_SERVABLES}
    for path, base_dir, servables, where in (
        (models.model_config, str(models.root.resolve()), versions, " on this machine"),
        (models.container_model_config, CONTAINER_MODELS_DIR, stock, " in a container"),
    ):
        text = model_config_text(base_dir, servables, labels).rstrip("\n")
        write_if_new(path, _filled("models", model_config_list=text, where=where))


def written_labels(models: ModelsDir) -> dict[str, int]:
    """Label -> release of models.config; empty when there is no file yet.

    Raises:
      ContractError: the file is no model server configuration.
    """
    if not models.model_config.is_file():
        return {}
    message = model_server_config_pb2.ModelServerConfig()
    try:
        text_format.Parse(models.model_config.read_text(encoding="utf-8"), message)
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise ContractError(f"{models.model_config}: {error}") from error
    configs = message.model_config_list.config
    return {
        label: version for config in configs for label, version in config.version_labels.items()
    }


def live_labels(active: Active) -> dict[str, int]:
    """The labels that say what is live."""
    candidate = {CANDIDATE: active.candidate} if active.candidate else {}
    return {STABLE: active.stable, **candidate}


def _filled(name: str, **values: str) -> str:
    template = (files("serving") / "config" / f"{name}.config").read_text(encoding="utf-8")
    return Template(template).substitute(values)
