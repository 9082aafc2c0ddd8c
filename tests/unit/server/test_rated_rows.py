"""Ratings of a row that the model server widened to merge it with longer ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from server.deadline import Budget
from server.domain import MovieId, UserId, Version
from server.errors import ContractViolation
from server.features.snapshot import read_catalogue
from server.placed_user import ModelUser
from server.releases import ActiveRelease
from server.servables import NO_MOVIES, ServableModels
from tests.releases import GENRES, World, write_release

NOBODY = ModelUser(UserId("u"), NO_MOVIES, np.zeros(0, np.float32), ())


class Prediction:
    """Answers every call with these ratings."""

    def __init__(self, *ratings: float) -> None:
        self._ratings = np.array([ratings], np.float32)

    def predict(self, *_call: Any) -> dict[str, Any]:
        return {"ratings": self._ratings}


@pytest.fixture
def release(tmp_path: Path) -> ActiveRelease:
    manifest = write_release(tmp_path, 4, World())
    catalogue = read_catalogue(tmp_path / "features" / "4", GENRES)
    return ActiveRelease(Version(4), manifest, catalogue, catalogue)


def rated(release: ActiveRelease, *ratings: float) -> tuple[float, ...]:
    models = ServableModels(Prediction(*ratings))  # type: ignore[arg-type] - has what it calls
    movies = [MovieId("m1"), MovieId("m2")]
    return models.rate(release, NOBODY, movies, Budget.unhurried())


@pytest.mark.parametrize("behind", [(), (1.5,), (1.5, 1.5, 1.5)])
def test_what_stands_behind_the_row_is_not_read(
    release: ActiveRelease, behind: tuple[float, ...]
) -> None:
    """The neutral column, the two movies, then as much as a neighbour was longer."""
    assert rated(release, 9.0, 4.0, 2.5, *behind) == (4.0, 2.5)


def test_a_row_that_is_too_short_breaks_the_contract(release: ActiveRelease) -> None:
    """One rating behind the neutral column, of two movies."""
    with pytest.raises(ContractViolation) as caught:
        rated(release, 9.0, 4.0)
    assert "1 ratings of 2 movies" in caught.value.detail
