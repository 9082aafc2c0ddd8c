"""The engine's part of a release: what is written, what verification refuses, who has none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from serving.contract import ENGINE_ARRAYS, ENGINE_PART, ModelsDir, read_engine_description
from tests.staged import PARTS, stage
from tests.unit.trainer.served import DIM, N_MOVIES, N_USERS, RATING_DIM, make_ingredients
from trainer.export.engine import engine_problems, why_no_engine, write_engine
from trainer.export.gc import collect_garbage
from trainer.export.ingredients import Ingredients
from trainer.export.live import Retention
from trainer.export.release import publish, rollback
from trainer.models.rating_net import RatingNet

SIZES = {"N": N_MOVIES, "D": DIM, "R": RATING_DIM}


@pytest.fixture(scope="module")
def parts() -> Ingredients:
    return make_ingredients()


@pytest.fixture
def folder(tmp_path: Path, parts: Ingredients) -> Path:
    write_engine(tmp_path / ENGINE_PART, parts)
    return tmp_path / ENGINE_PART


def test_the_part_keeps_the_contract(folder: Path) -> None:
    """A file for each array and the description; none is a pickle."""
    names = {path.name for path in folder.iterdir()}

    assert names == {"engine.json", *(f"{name}.npy" for name in ENGINE_ARRAYS)}
    assert not list(engine_problems(folder, dict(SIZES)))
    assert read_engine_description(folder / "engine.json").candidates == 300


def test_users_lie_by_rising_id(tmp_path: Path, parts: Ingredients) -> None:
    """Each with his or her own row: a reader finds them by bisection."""
    user_ids = ("9", "10", "1", "é", "user")
    assert len(user_ids) == N_USERS
    write_engine(tmp_path / "named", replace(parts, user_ids=user_ids))

    found = np.load(tmp_path / "named" / "user_ids.npy")
    stored = np.load(tmp_path / "named" / "stored_users.npy")

    assert [name.decode() for name in found] == ["1", "10", "9", "user", "é"]
    for name, row in zip(found, stored, strict=True):
        place = user_ids.index(name.decode())
        assert row[:-1].tolist() == parts.rating.stored_vectors[place].tolist()
        assert row[-1] == parts.rating.stored_bias[place]


def saved(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        path = folder / f"{name}.npy"
        np.save(path, change(np.load(path)))

    return apply


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (saved("gate", lambda a: a.astype(np.int64)), "gate is int64, the contract says float32"),
        (saved("item_vectors", lambda a: a[:-1]), "item_vectors has shape (349, 7)"),
        (saved("item_columns", lambda a: a + 1), "item_columns is another matrix than item_vec"),
        (saved("age_weights", lambda a: a[:, :1]), "gate has shape (3, 2)"),
        (saved("spread", lambda a: a * np.nan), "spread has a number that is not finite"),
        (lambda f: (f / "engine.json").write_text("{}"), "no description of an engine"),
    ],
)
def test_verification_finds_what_is_wrong(
    folder: Path, damage: Callable[[Path], None], problem: str
) -> None:
    """A release with such a part is not published."""
    damage(folder)

    assert any(problem in found for found in engine_problems(folder, dict(SIZES)))


def test_a_network_has_no_part(parts: Ingredients) -> None:
    """Nor has a release with a user id that the file cannot hold; each says why."""
    net = RatingNet(
        user_rows=np.zeros((N_USERS, 2), np.float32),
        stranger_row=np.zeros(2, np.float32),
        movie_rows=np.zeros((N_MOVIES, 2), np.float32),
        join="sum",
        kernels=(),
        biases=(),
        output_range=None,
        mean=3.0,
        fold_in_strength=1.0,
    )
    long_id = replace(parts, user_ids=("x" * 257, *parts.user_ids[1:]))

    assert why_no_engine(parts) == ""
    assert "network" in why_no_engine(replace(parts, rating=net))
    assert "257 bytes" in why_no_engine(long_id)


def test_the_part_is_published_and_removed_with_its_release(tmp_path: Path) -> None:
    """Rolled back as every part; no model server is told of it; gc takes the folder, too."""
    models = ModelsDir(tmp_path)
    for version, parts in ((1, PARTS), (2, (*PARTS, ENGINE_PART)), (3, PARTS), (4, PARTS)):
        stage(models, f"r{version}", f"release {version}", parts)
        assert publish(models, retention=Retention(keep=4)) == version
        for config in (models.model_config, models.container_model_config):
            assert ENGINE_PART not in config.read_text()
    assert (models.part(ENGINE_PART, 2) / "variables" / "data").is_file()
    for version in (2, 3, 4):
        assert rollback(models, version, Retention(keep=4)) == version

    removed = collect_garbage(models, Retention(keep=0))

    assert f"{ENGINE_PART}/2" in removed
    assert not models.part(ENGINE_PART, 2).exists()


def test_a_missing_array_is_told_by_name(folder: Path) -> None:
    """Also one that parts of earlier versions did not have."""
    (folder / "item_columns.npy").unlink()

    assert list(engine_problems(folder, dict(SIZES))) == ["engine: item_columns.npy is missing"]
