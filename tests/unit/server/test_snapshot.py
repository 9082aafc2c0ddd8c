"""The snapshot as catalogue and users, the filters over it, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.domain import MovieFilter, Profile, StoredUser
from server.features.snapshot import read_catalogue, read_users
from server.rules import allowed_movies
from serving.contract import ContractError
from tests.releases import GENRES, World, WorldMovie, write_release


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_release(tmp_path, 1)
    return tmp_path / "features" / "1"


def test_users_are_read_with_and_without_ratings(folder: Path) -> None:
    """Every user comes once: histories by offsets, oldest first, with their profiles."""
    users: dict[str, StoredUser] = dict(read_users(folder))

    assert list(users) == ["hot", "keen", "shy"]
    assert users["keen"].history.movie_ids == ("m4", "m1")
    assert users["keen"].history.ratings == (2.0, 1.0)
    assert users["keen"].history.rated_at == (0, 50)
    assert users["keen"].profile == Profile(50, "M", "writer")
    assert len(users["shy"].history) == 0


@pytest.mark.parametrize("long_id", ["m2", "é" * 128])
def test_ids_are_those_of_the_rows(tmp_path: Path, long_id: str) -> None:
    """In the order asked for, one that is long among them, or no rows at all."""
    movies = tuple(WorldMovie(movie_id, "", 0, ()) for movie_id in ("1", long_id, "m3"))
    write_release(tmp_path, 1, World(movies=movies, users=()))
    catalogue = read_catalogue(tmp_path / "features" / "1", GENRES)

    assert catalogue.ids_of(np.array([2, 1, 2])).tolist() == [b"m3", long_id.encode(), b"m3"]
    assert catalogue.ids_of(np.array([], np.int64)).tolist() == []


def test_a_long_id_does_not_widen_the_others(tmp_path: Path) -> None:
    """2,000 movies, one of them with 256 bytes of id: no array of half a megabyte."""
    ids = ["x" * 256, *(f"m{n}" for n in range(2000))]
    movies = tuple(WorldMovie(movie_id, "", 0, ()) for movie_id in ids)
    write_release(tmp_path, 1, World(movies=movies, users=()))
    catalogue = read_catalogue(tmp_path / "features" / "1", GENRES)

    arrays = [getattr(catalogue, each.name) for each in fields(catalogue)]
    texts = [each for each in arrays if isinstance(each, np.ndarray) and each.dtype.kind == "S"]
    assert sum(each.nbytes for each in texts) < 100_000


MANY_GENRES = tuple(f"g{n}" for n in range(70))
GENRE_SETS = st.lists(st.sampled_from(["g0", "g1", "g63", "g64", "g69"]), max_size=3, unique=True)


# Each example writes files: a busy disk is no fault.
@settings(deadline=None)
@given(
    movies=st.lists(
        st.tuples(GENRE_SETS, st.sampled_from([0, 1990, 1995])), min_size=1, max_size=6
    ),
    some=GENRE_SETS,
    every=GENRE_SETS,
    none=GENRE_SETS,
    years=st.sampled_from([(0, 0), (1991, 0), (0, 1991), (1990, 1990), (1996, 2000)]),
)
def test_filters_agree_with_sets(
    tmp_path_factory: pytest.TempPathFactory,
    movies: list[tuple[list[str], int]],
    some: list[str],
    every: list[str],
    none: list[str],
    years: tuple[int, int],
) -> None:
    """Masks of two words, bit 63 included, filter as plain sets of names do."""
    world = World(
        movies=tuple(
            WorldMovie(f"m{n}", "t", year, tuple(genres)) for n, (genres, year) in enumerate(movies)
        ),
        users=(),
        genres=MANY_GENRES,
    )
    root = tmp_path_factory.mktemp("world")
    write_release(root, 1, world)
    catalogue = read_catalogue(root / "features" / "1", MANY_GENRES)
    low, high = years

    allowed = allowed_movies(
        catalogue, MovieFilter(tuple(some), tuple(every), tuple(none), low, high), MANY_GENRES
    )

    assert allowed.tolist() == [
        (not some or bool(set(some) & set(genres)))
        and set(every) <= set(genres)
        and not set(none) & set(genres)
        and (not low or year >= low)
        and (not high or 0 < year <= high)
        for genres, year in movies
    ]


def _repeat_movie(folder: Path) -> None:
    path = folder / "movies.json"
    content = json.loads(path.read_text())
    content["movies"][1]["movie_id"] = "m1"
    path.write_text(json.dumps(content))


def _other_first_segment(folder: Path) -> None:
    path = folder / "vocabularies.json"
    content = json.loads(path.read_text())
    content["segments"][0]["gender"] = "X"
    path.write_text(json.dumps(content))


def _popular(folder: Path, **changes: Callable[[np.ndarray], np.ndarray]) -> None:
    with np.load(folder / "popular.npz") as stored:
        arrays = {name: changes.get(name, np.asarray)(stored[name]) for name in stored}
    np.savez(folder / "popular.npz", **arrays)


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (_repeat_movie, "a movie_id repeats"),
        (_other_first_segment, "segment 0 is not everybody"),
        (lambda f: _popular(f, order=lambda a: a * 0), "no ranking of all movies"),
        (lambda f: _popular(f, scores=lambda a: a[:1]), "scores has shape (1, 12)"),
        (lambda f: _popular(f, shrunk_mean=lambda a: a[1:]), "shrunk_mean has shape (11,)"),
    ],
)
def test_a_snapshot_that_breaks_the_contract_is_refused(
    folder: Path, spoil: Callable[[Path], None], fault: str
) -> None:
    """The error names the file and what is wrong with it."""
    spoil(folder)

    with pytest.raises(ContractError) as caught:
        read_catalogue(folder, GENRES)

    assert fault in str(caught.value)
    assert str(folder) in str(caught.value)
