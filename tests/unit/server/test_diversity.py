"""Diversity on small rankings whose right order is worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from server.diversity import diversified
from server.features.catalogue import Catalogue
from server.features.snapshot import read_catalogue
from tests.releases import GENRES, World, WorldMovie, write_release


def order_of(
    catalogue: Catalogue, movies: list[int], scores: list[float], diversity: float
) -> list[int]:
    return diversified(catalogue, np.array(movies, np.int64), scores, diversity).tolist()


def catalogue(folder: Path, vectors: list[list[float]], genres: list[tuple[str, ...]]) -> Catalogue:
    movies = tuple(WorldMovie(i, i, 2000, g) for i, g in zip("abcd", genres, strict=True))
    write_release(folder, 1, World(movies=movies, users=(), vectors=np.array(vectors)))
    return read_catalogue(folder / "features" / "1", GENRES)


@pytest.fixture
def twins(tmp_path: Path) -> Catalogue:
    """A and b are the same in both spaces, c and d are something else each; no genres."""
    return catalogue(tmp_path, [[2, 0, 1, 0], [3, 0, 5, 0], [0, 1, 0, 1], [0, -1, 0, -1]], [()] * 4)


def test_zero_is_the_order_of_the_scores(twins: Catalogue) -> None:
    """Positions stay as they are, ties included."""
    assert order_of(twins, [0, 1, 2, 3], [4, 3, 3, 1], 0) == [0, 1, 2, 3]
    assert order_of(twins, [], [], 0.5) == []


def test_the_like_of_a_chosen_movie_waits(twins: Catalogue) -> None:
    """Relevances 1, 0.9, 0.5, 0; at 0.5 b gets 0.45 - 0.25 and c 0.25, so c overtakes b."""
    assert order_of(twins, [0, 1, 2, 3], [10, 9, 5, 0], 0.5) == [0, 2, 1, 3]
    # At 0.4: b 0.6 * 0.9 - 0.4 / 2 = 0.34, c 0.3.
    assert order_of(twins, [0, 1, 2, 3], [10, 9, 5, 0], 0.4) == [0, 1, 2, 3]


def test_one_leaves_relevance_out(twins: Catalogue) -> None:
    """At 1 the twin comes last: c and d cost nothing, d even less than nothing beside c."""
    assert order_of(twins, [0, 1, 2, 3], [10, 9, 5, 0], 1) == [0, 2, 3, 1]


def test_only_half_a_likeness_counts_half(tmp_path: Path) -> None:
    """Alike to the audience alone, the cosine is the mean of 1 and 0."""
    half = catalogue(tmp_path, [[1, 0, 1, 0], [1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 0, 0]], [()] * 4)
    full = replace(half, movie_vectors=half.movie_vectors[[0, 0, 2, 3]])

    # b: 0.5 * 0.9 - 0.5 * 0.5 / 2 = 0.325, c: 0.5 * 0.6 = 0.3; alike in both parts b has 0.2.
    assert order_of(half, [0, 1, 2, 3], [10, 9, 6, 0], 0.5) == [0, 1, 2, 3]
    assert order_of(full, [0, 1, 2, 3], [10, 9, 6, 0], 0.5) == [0, 2, 1, 3]


def test_genres_are_balanced(tmp_path: Path) -> None:
    """Without vectors a second drama waits behind a comedy that scores less."""
    genres = [("Drama",), ("Drama",), ("Comedy", "Drama"), ("Action",)]
    flat = catalogue(tmp_path, [[0.0] * 4] * 4, genres)

    # After a: b 0.45 - 0.25 = 0.2, c 0.35 - 0.125 = 0.225, d 0.
    assert order_of(flat, [0, 1, 2, 3], [10, 9, 7, 0], 0.5) == [0, 2, 1, 3]
    # At 0.2: b 0.72 - 0.1 = 0.62, c 0.56 - 0.05 = 0.51.
    assert order_of(flat, [0, 1, 2, 3], [10, 9, 7, 0], 0.2) == [0, 1, 2, 3]


def test_every_movie_comes_once_and_the_best_first(tmp_path: Path) -> None:
    """A new order of the same movies, whatever their vectors."""
    rng = np.random.default_rng(3)
    world = World(
        movies=tuple(WorldMovie(f"x{n}", "", 0, (GENRES[n % 3],)) for n in range(50)),
        users=(),
        vectors=rng.normal(size=(50, 8)),
    )
    write_release(tmp_path, 1, world)
    many = read_catalogue(tmp_path / "features" / "1", GENRES)
    order = order_of(many, list(range(50)), list(range(50, 0, -1)), 0.7)

    assert sorted(order) == list(range(50))
    assert order != list(range(50))
    assert order[0] == 0
