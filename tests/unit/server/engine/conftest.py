"""An engine of twelve movies, as the gateway opens it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from server.engine import kernel
from server.engine.arrays import EngineArrays, read_arrays
from server.engine.engine import Engine
from serving.contract import ENGINE_PART, Manifest, ModelsDir
from tests.releases import write_release

N_MOVIES = 12


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    return write_release(tmp_path, 1, engine_seed=0)


@pytest.fixture
def folder(tmp_path: Path, manifest: Manifest) -> Path:
    return ModelsDir(tmp_path).part(ENGINE_PART, 1)


@pytest.fixture
def arrays(folder: Path, manifest: Manifest) -> EngineArrays:
    return read_arrays(folder, manifest, N_MOVIES)


@pytest.fixture
def changed(folder: Path, manifest: Manifest) -> Callable[..., Any]:
    """The arrays with some of them, or numbers of the description, replaced."""

    def change(**changes: Any) -> EngineArrays:
        arrays = read_arrays(folder, manifest, N_MOVIES)
        own = {field.name for field in fields(EngineArrays)}
        numbers = {name: value for name, value in changes.items() if name not in own}
        given = {name: value for name, value in changes.items() if name in own}
        return replace(arrays, description=replace(arrays.description, **numbers), **given)

    return change


@pytest.fixture(params=[False, True], ids=["NumPy", "compiled"])
def compiled(request: pytest.FixtureRequest) -> bool:
    """Which of the two answers: the tests that ask hold for both."""
    if request.param and kernel.Kernel is None:
        pytest.skip("the kernel was not built")
    return bool(request.param)


@pytest.fixture
def engine_of(manifest: Manifest, compiled: bool) -> Callable[..., Engine]:
    """An engine for arrays, and ids -> movie_index."""

    def engine(arrays: EngineArrays, index: Any = None) -> Engine:
        opened = Engine(arrays, index or {}, manifest, compiled=compiled)
        assert opened.compiled == compiled
        return opened

    return engine
