"""What several users are asked about in one call: rows below each other, widened by nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from server.domain import NO_FILTER, MovieFilter, Order, UserId, Version
from server.features.snapshot import read_catalogue
from server.model_inputs import recommend_by_number
from server.placed_user import ModelUser
from server.releases import ActiveRelease
from tests.releases import GENRES, write_release

UNSET = [-(2**63), 2**63 - 1]


def rows(*movies: int) -> np.ndarray:
    return np.array(movies, np.int64)


def user(name: str, movies: np.ndarray, ratings: list[float], *tokens: str) -> ModelUser:
    return ModelUser(UserId(name), movies, np.array(ratings, np.float32), tokens)


@pytest.fixture
def release(tmp_path: Path) -> ActiveRelease:
    """Twelve movies: numbers 1 to 12 of movie_index 0 to 11."""
    manifest = write_release(tmp_path, 1)
    catalogue = read_catalogue(tmp_path / "features" / "1", GENRES)
    return ActiveRelease(Version(1), manifest, catalogue, catalogue)


def test_rows_stand_below_each_other_as_wide_as_the_widest(release: ActiveRelease) -> None:
    """Each begins with a neutral column; 12 and 13 are added movies, which have no number."""
    inputs = recommend_by_number(
        release,
        [user("a", rows(4, 12), [5, 3], "x"), user("", rows(), []), user("c", rows(11), [1])],
        [rows(0), rows(1, 2, 13), rows()],
        [NO_FILTER] * 3,
        Order.PREDICTED_RATING,
    )

    assert {name: values.tolist() for name, values in inputs.items()} == {
        "user_id": ["a", "", "c"],
        "history_numbers": [[0, 5, 0], [0, 0, 0], [0, 12, 0]],
        "history_ratings": [[0, 5, 3], [0, 0, 0], [0, 1, 0]],
        "profile": [["", "x"], ["", ""], ["", ""]],
        "exclude_numbers": [[0, 1, 0, 0], [0, 2, 3, 0], [0, 0, 0, 0]],
        "genres_any": [[0]] * 3,
        "genres_all": [[0]] * 3,
        "genres_none": [[0]] * 3,
        "years": [UNSET] * 3,
        "order": [[1]] * 3,
    }
    assert {name: values.dtype.name for name, values in inputs.items()} == {
        "user_id": "object",
        "history_numbers": "int64",
        "history_ratings": "float32",
        "profile": "object",
        "exclude_numbers": "int64",
        "genres_any": "int64",
        "genres_all": "int64",
        "genres_none": "int64",
        "years": "int64",
        "order": "int64",
    }


def test_each_row_has_its_own_filter(release: ActiveRelease) -> None:
    """Genres are bits in the manifest's order: Action 1, Comedy 2, Drama 4."""
    nobody = user("", rows(), [])
    filters = [
        MovieFilter(genres_any=("Drama", "Action"), min_year=1995),
        NO_FILTER,
        MovieFilter(genres_all=("Comedy",), genres_none=("Drama",), max_year=2000),
    ]
    inputs = recommend_by_number(release, [nobody] * 3, [rows()] * 3, filters, Order.DEFAULT)

    assert inputs["genres_any"].tolist() == [[5], [0], [0]]
    assert inputs["genres_all"].tolist() == [[0], [0], [2]]
    assert inputs["genres_none"].tolist() == [[0], [0], [4]]
    assert inputs["years"].tolist() == [[1995, UNSET[1]], UNSET, [UNSET[0], 2000]]
