"""The model server that the contract suite talks to, and the models that it serves."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.model_server_target import ModelsFolder, Target, free_port, model_server
from tests.unit.serving import saved_models

SERVED = {
    "half": "model_version_policy { specific { versions: 1 } }",
    "tf1": "",
    "words": "",
    "lookup": "",
    "count": "",
    "total": "",
}


@pytest.fixture(scope="session")
def models_folder(tmp_path_factory: pytest.TempPathFactory) -> ModelsFolder:
    given = os.environ.get("MODEL_SERVER_MODELS")
    here = Path(given) if given else tmp_path_factory.mktemp("models")
    for export, folder in (
        (saved_models.export_affine, "half/1"),
        (saved_models.export_tf1_affine, "tf1/00000123"),
        (saved_models.export_words, "words/5"),
        (saved_models.export_lookup, "lookup/1"),
        (saved_models.export_count, "count/1"),
        (saved_models.export_total, "total/1"),
    ):
        export(here / folder)
    return ModelsFolder(here, os.environ.get("MODEL_SERVER_MODELS_THERE", str(here)))


@pytest.fixture(scope="session")
def server(
    models_folder: ModelsFolder, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Target]:
    """The server under test, which serves SERVED."""
    address = os.environ.get("MODEL_SERVER")
    if address:
        target = Target(address, os.environ.get("MODEL_SERVER_REST", ""))
        target.reload(models_folder.config(SERVED))
        yield target
        target.channel.close()
        return
    scratch = tmp_path_factory.mktemp("server")
    config = scratch / "models.config"
    config.write_text("")
    monitoring = scratch / "monitoring.config"
    monitoring.write_text('prometheus_config { enable: true path: "/metrics" }')
    with model_server(
        f"--model_config_file={config}",
        f"--monitoring_config_file={monitoring}",
        log=scratch / "log",
        rest_port=free_port(),
    ) as running:
        running.reload(models_folder.config(SERVED))
        yield running
