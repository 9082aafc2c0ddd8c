"""What the gateway makes of an engine part: mapped where it is right, refused where it is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from server.engine.arrays import EngineArrays, read_arrays
from server.engine.opening import open_engine
from server.features.snapshot import read_catalogue
from serving.contract import ENGINE_PART, ContractError, Manifest, ModelsDir, list_files
from tests.releases import write_release
from tests.unit.server.engine.conftest import N_MOVIES


def test_arrays_are_mapped_and_cannot_be_written(arrays: EngineArrays) -> None:
    """The file is the memory: nothing is read before it is used."""
    assert isinstance(arrays.item_vectors.base, np.memmap)
    assert isinstance(arrays.item_columns.base, np.memmap)
    assert arrays.item_vectors.shape == (N_MOVIES, 2)
    with pytest.raises(ValueError, match="read-only"):
        arrays.item_vectors[0, 0] = 1


def test_a_part_from_before_the_columns_is_read(folder: Path, manifest: Manifest) -> None:
    """The rows turned over stand in for them; a file that is listed must be there."""
    (folder / "item_columns.npy").unlink()
    as_listed = replace(manifest, parts={**manifest.parts, ENGINE_PART: list_files(folder)})

    arrays = read_arrays(folder, as_listed, N_MOVIES)

    np.testing.assert_array_equal(arrays.item_columns, arrays.item_vectors.T)
    with pytest.raises(ContractError, match="missing, the manifest lists it"):
        read_arrays(folder, manifest, N_MOVIES)


def text(change: Callable[[str], str]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        path = folder / "engine.json"
        path.write_text(change(path.read_text()))

    return apply


def array(name: str, values: object) -> Callable[[Path], None]:
    return lambda folder: np.save(folder / f"{name}.npy", values)


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (text(lambda t: t.replace('"format": 1', '"format": 2')), "format is 2, this code reads 1"),
        (text(lambda t: t.replace('"noise"', '"loud"')), "missing fields: noise"),
        (text(lambda t: t[:50]), "no description of an engine"),
        (array("gate", np.ones((2, 2))), "dtype float64, expected float32"),
        (array("gate", np.ones((3, 2), np.float32)), r"shape \(3, 2\), expected \(2, 2\)"),
        (array("item_vectors", np.ones((11, 2), np.float32)), r"expected \(12, 2\)"),
        (array("confidence", np.ones((12, 1), np.float32)), r"expected \(12,\)"),
        (lambda f: (f / "gate.npy").write_bytes(b"no numpy"), "gate.npy: no array"),
    ],
)
def test_a_part_that_breaks_the_contract_is_refused(
    folder: Path, manifest: Manifest, damage: Callable[[Path], None], fault: str
) -> None:
    """Even where the manifest lists it so: the message names the file and what was expected."""
    damage(folder)
    as_listed = replace(manifest, parts={**manifest.parts, ENGINE_PART: list_files(folder)})

    with pytest.raises(ContractError, match=fault):
        read_arrays(folder, as_listed, N_MOVIES)


def test_a_changed_file_is_refused(folder: Path, manifest: Manifest) -> None:
    """One number is another one than the manifest's checksum says."""
    vectors = np.load(folder / "item_vectors.npy")
    vectors[3, 1] += 1
    np.save(folder / "item_vectors.npy", vectors)

    with pytest.raises(ContractError, match=r"item_vectors.npy: SHA-256 differs"):
        read_arrays(folder, manifest, N_MOVIES)


def test_a_pickle_is_never_opened(folder: Path, manifest: Manifest) -> None:
    """An array of objects could run code when it is read."""
    np.save(folder / "gate.npy", np.array([{}], object), allow_pickle=True)
    as_listed = replace(manifest, parts={**manifest.parts, ENGINE_PART: list_files(folder)})

    with pytest.raises(ContractError, match="no array"):
        read_arrays(folder, as_listed, N_MOVIES)


@pytest.mark.parametrize(
    ("notes", "why"),
    [
        ((), "it was trained before there was one"),
        (("no part for the in-process engine: the model is a network",), "the model is a network"),
    ],
)
def test_a_release_without_the_part_says_why(
    tmp_path: Path, notes: tuple[str, ...], why: str
) -> None:
    """By the trainer's note; an old release has none."""
    manifest = write_release(tmp_path, 7, notes=notes)
    models = ModelsDir(tmp_path)
    catalogue = read_catalogue(models.features(7), manifest.genres)

    engine, why_not = open_engine(models, manifest, catalogue)

    assert engine is None
    assert why_not == f"it has no part for the in-process engine: {why}"


def test_a_missing_file_is_told(tmp_path: Path, manifest: Manifest, folder: Path) -> None:
    """The release answers without it; nobody is left to guess."""
    (folder / "gate.npy").unlink()
    models = ModelsDir(tmp_path)
    catalogue = read_catalogue(models.features(1), manifest.genres)

    engine, why_not = open_engine(models, manifest, catalogue)

    assert engine is None
    assert why_not == f"{folder / 'gate.npy'}: missing, the manifest lists it"


def test_the_description_is_plain_json(folder: Path) -> None:
    """Every field is a number, a text or a list of these."""
    content = json.loads((folder / "engine.json").read_text())

    assert content["age_tokens"] == ["age:0-17", "age:18+"]
    assert content["candidates"] == 300
