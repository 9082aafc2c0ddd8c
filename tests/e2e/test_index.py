"""A published release gets a ScaNN index as a new release, and the stack serves it."""

from __future__ import annotations

import io
import json
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest
from rich.console import Console

from client import RecommenderClient
from client.demo.index import has_index, wait_for_index
from client.demo.phases import Phases
from client.demo.stack import embedded_stack
from serving.contract import Active, ModelsDir, read_active, read_manifest
from tests.conftest import Release, run_trainer

pytestmark = pytest.mark.skipif(find_spec("scann") is None, reason="no ScaNN on this platform")


@pytest.fixture(scope="module")
def models_dir(release: Release, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("indexed") / "models"
    shutil.copytree(release.models_dir, folder)
    return folder


def test_exact_search_stays_while_the_catalogue_is_small(models_dir):
    """The curve is printed, the index that it would choose is marked, nothing is published."""
    lines = run_trainer("tune-index", f"--models-dir={models_dir}").splitlines()

    assert lines[0].split() == ["leaves", "recall@200", "ms"]
    recalls = [float(line.split()[1]) for line in lines[1:-1]]
    assert recalls == sorted(recalls)
    chosen = [line for line in lines if line.endswith("<- chosen")]
    assert len(chosen) == 1
    assert float(chosen[0].split()[1]) >= 0.98
    assert lines[-1].split()[:2] == ["exact", "1.0000"]
    assert read_active(ModelsDir(models_dir)) == Active(stable=1)


@pytest.mark.slow
def test_a_forced_index_is_a_new_release_that_is_served(models_dir):
    """Release 2 shares the files of release 1; its flavours become AVAILABLE."""
    models = ModelsDir(models_dir)

    output = run_trainer("tune-index", "--force", f"--models-dir={models_dir}")

    assert output.splitlines()[-1] == "2"
    before, after = (read_manifest(models.manifest(version)) for version in (1, 2))
    assert {part: after.parts[part] for part in before.parts} == dict(before.parts)
    assert after.hyper_parameters["scann_index"]["recall@200"] >= 0.98
    saved = [models.part("recommend", version) / "saved_model.pb" for version in (1, 2)]
    assert saved[0].samefile(saved[1])
    assert has_index(models_dir, 2)
    assert not has_index(models_dir, 1)
    with (
        embedded_stack(models_dir, Phases(Console(file=io.StringIO()))) as address,
        RecommenderClient(address, timeout=20) as client,
    ):
        assert wait_for_index(client).count("AVAILABLE") == 2
        assert len(client.recommend_user("42", page_size=5)) == 5
    status = json.loads(run_trainer("status", "--json", f"--models-dir={models_dir}"))
    assert (status["stable"], status["retained"]) == (2, [1])
