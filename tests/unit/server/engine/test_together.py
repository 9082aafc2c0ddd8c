"""Users who ask together are answered as if each were alone."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from server.domain import UserId
from server.engine import kernel
from server.engine.arrays import EngineArrays, FloatArray
from server.engine.engine import Asker, Engine, FinalOrder, Wanted
from server.engine.kernel import TILE_MOVIES, tiles_of
from server.engine.merged import MERGED_FROM_BYTES
from serving.contract import Manifest
from tests.unit.server.engine.drawn import N_USERS, drawn_arrays, whole_numbers

EngineOf = Callable[..., Engine]

needs_kernel = pytest.mark.skipif(kernel.Kernel is None, reason="the kernel was not built")


def drawn_wanted(rng: np.random.Generator, n_movies: int, n_asking: int) -> list[Wanted]:
    """Stored users and strangers, in both orders, with and without limits of any kind."""
    wanted = []
    for number in range(n_asking):
        n_history = int(rng.integers(12))
        movies = rng.integers(n_movies, size=n_history)
        ratings = rng.choice([0.5, 2, 5, np.nan], n_history).astype(np.float32)
        user_id = f"user {rng.integers(N_USERS)}" if rng.random() < 0.7 else f"stranger {number}"
        excluded = movies if rng.random() < 0.5 else rng.integers(n_movies, size=3)
        allowed = rng.random(n_movies) < rng.random() if rng.random() < 0.5 else None
        asker = Asker(UserId(user_id), movies, ratings, ())
        by_rating, n_explained = bool(rng.random() < 0.3), int(rng.choice([0, 1, 10, 17, 1000]))
        wanted.append(Wanted(asker, excluded, allowed, by_rating, n_explained))
    return wanted


def same(found: FinalOrder, expected: FinalOrder) -> None:
    """To the last bit."""
    for name, value, other in zip(FinalOrder._fields, found, expected, strict=True):
        columns = zip(value, other, strict=True) if name == "reasons" and other else ()
        for column, expected_column in columns or [(value, other)]:
            np.testing.assert_array_equal(column, expected_column, err_msg=name, strict=True)


@pytest.mark.parametrize("n_movies", [1, 31, 32, 33, 640, 2049])
@pytest.mark.parametrize("dim", [1, 7, 64])
def test_no_answer_depends_on_its_company(
    arrays: EngineArrays, engine_of: EngineOf, n_movies: int, dim: int
) -> None:
    """Of none to thirteen who ask together, each has the bits that it has alone."""
    rng = np.random.default_rng(n_movies + dim)
    engine = engine_of(drawn_arrays(arrays, rng, n_movies, dim, rating_dim=3))
    for n_asking in (0, 1, 2, 3, 4, 5, 8, 9, 13):
        wanted = drawn_wanted(rng, n_movies, n_asking)

        found = engine.recommend_all(wanted)

        assert len(found) == n_asking
        for listed, one in zip(found, wanted, strict=True):
            (alone,) = engine.recommend_all([one])
            same(listed, alone)


@pytest.mark.parametrize("n_asking", [2, 3, 4, 7])
def test_each_of_several_has_the_list_of_a_stable_sort(
    arrays: EngineArrays, engine_of: EngineOf, n_asking: int
) -> None:
    """Everybody without what he or she excludes."""
    rng = np.random.default_rng(n_asking)
    drawn = whole_numbers(arrays, rng, 1000, 50)
    order = np.argsort(-drawn.item_vectors.sum(axis=1), kind="stable")
    excluded = [rng.integers(1000, size=100) for _ in range(n_asking)]
    nobody = Asker(UserId("user 0"), np.zeros(0, np.int64), np.zeros(0, np.float32), ())

    found = engine_of(drawn).recommend_all([Wanted(nobody, movies) for movies in excluded])

    for listed, movies in zip(found, excluded, strict=True):
        np.testing.assert_array_equal(listed.movies, order[~np.isin(order, movies)][:200])


@needs_kernel
@pytest.mark.parametrize("n_asking", [1, 2, 9])
def test_of_a_large_catalogue_the_products_are_merged(
    arrays: EngineArrays, manifest: Manifest, n_asking: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That changes no bit, and from NumPy's they differ by rounding alone."""
    rng = np.random.default_rng(n_asking)
    drawn = drawn_arrays(arrays, rng, MERGED_FROM_BYTES // 4 // 50 + 1, 50, rating_dim=3)
    wanted = drawn_wanted(rng, len(drawn.item_vectors), n_asking)
    alone = Engine(drawn, {}, manifest)
    monkeypatch.setattr(kernel, "TILES_MERGED_FROM_BYTES", 0)
    merged = Engine(drawn, {}, manifest)
    by_numpy = Engine(drawn, {}, manifest, compiled=False)

    answers = [engine.recommend_all(wanted) for engine in (merged, alone, by_numpy)]

    for listed, same, expected in zip(*answers, strict=True):
        np.testing.assert_array_equal(listed.movies, same.movies)
        np.testing.assert_array_equal(listed.scores, same.scores)
        np.testing.assert_allclose(listed.scores, expected.scores, 1e-4, 1e-4)
        np.testing.assert_allclose(listed.person, expected.person, 1e-4, 1e-5)
        assert len(np.setxor1d(listed.movies, expected.movies)) <= 2


@pytest.mark.parametrize("compiled", [pytest.param(True, marks=needs_kernel), False])
@pytest.mark.parametrize("n_movies", [1, 12, 640])
def test_a_list_is_explained_as_its_movies_are_alone(
    arrays: EngineArrays, manifest: Manifest, n_movies: int, *, compiled: bool
) -> None:
    """As many as are wanted, from the first on; nothing is said where none are."""
    rng = np.random.default_rng(n_movies)
    drawn = drawn_arrays(arrays, rng, n_movies, 64, rating_dim=33)
    engine = Engine(drawn, {}, manifest, compiled=compiled)
    wanted = drawn_wanted(rng, n_movies, 40)
    n_said = 0
    for one, listed in zip(wanted, engine.recommend_all(wanted), strict=True):
        first = listed.movies[: one.n_explained]
        if not len(first):
            assert listed.reasons is None
            continue
        assert listed.reasons is not None
        alone = engine.reasons(one.asker.movies, one.asker.ratings, first)
        for said, expected in zip(listed.reasons, alone, strict=True):
            np.testing.assert_array_equal(said, expected, strict=True)
        n_said += int((alone[1] > 0).sum())
    assert n_said > 50 or n_movies < 640


@pytest.mark.parametrize("compiled", [pytest.param(True, marks=needs_kernel), False])
def test_a_history_that_is_excluded_may_be_one_array(
    arrays: EngineArrays, manifest: Manifest, *, compiled: bool
) -> None:
    """The list is as with a copy of it, and has none of its movies."""
    rng = np.random.default_rng(0)
    engine = Engine(
        drawn_arrays(arrays, rng, 640, 7, rating_dim=3), {}, manifest, compiled=compiled
    )
    for n_history in (0, 1, 500):
        movies = rng.permutation(640)[:n_history]
        asker = Asker(UserId("user 1"), movies, np.full(n_history, 4, np.float32), ())

        found, expected = engine.recommend_all(
            [Wanted(asker, movies), Wanted(asker, movies.copy())]
        )

        same(found, expected)
        assert len(found.movies) == min(640 - n_history, 200)
        assert not np.isin(found.movies, movies).any()

        others = np.setdiff1d(np.arange(640), movies)[:n_history]
        (found,) = engine.recommend_all([Wanted(asker, others)])
        assert not np.isin(found.movies, others).any()


@needs_kernel
def test_products_of_any_number_of_users() -> None:
    """Whole numbers, so that any order of a sum says the same; what does not fit is refused."""
    rng = np.random.default_rng(0)
    rows = rng.integers(-9, 9, (70, 5)).astype(np.float32)
    users = rng.integers(-9, 9, (11, 5)).astype(np.float32)
    tiles = kernel.tiles_of(rows)

    for n_users in range(12):
        found = kernel.times_all(tiles, users[:n_users])
        np.testing.assert_array_equal(found[:, :70], users[:n_users] @ rows.T)
    with pytest.raises(ValueError, match="do not fit"):
        kernel.times_all(tiles, users[:, 1:].copy())


@needs_kernel
@pytest.mark.parametrize("damage", ["history", "excluded", "allowed", None])
def test_nothing_is_held_after_an_answer_or_an_error(
    arrays: EngineArrays, manifest: Manifest, damage: str | None
) -> None:
    """Of anybody's arrays, whoever of them it was that could not be answered."""
    rng = np.random.default_rng(1)
    engine = Engine(drawn_arrays(arrays, rng, 640, 16, 3), {}, manifest)
    allowed = np.ones(640, np.bool_)
    asker = Asker(UserId("user 1"), rng.integers(640, size=5), np.ones(5, np.float32), ())
    wanted = [Wanted(asker, rng.integers(640, size=3), allowed) for _ in range(6)]
    outside, shorter = np.array([640]), np.ones(639, np.bool_)
    others: dict[str | None, Wanted] = {
        "history": Wanted(asker._replace(movies=outside, ratings=np.ones(1, np.float32))),
        "excluded": Wanted(asker, outside),
        "allowed": Wanted(asker, allowed=shorter),
        None: wanted[0],
    }
    wanted[2] = others[damage]
    held: list[Any] = [asker.movies, asker.ratings, allowed, outside, shorter, wanted[0].excluded]
    before = [sys.getrefcount(array) for array in held]

    if damage is None:
        engine.recommend_all(wanted)
    else:
        with pytest.raises((IndexError, ValueError)):
            engine.recommend_all(wanted)

    assert [sys.getrefcount(array) for array in held] == before


@needs_kernel
def test_tiles_hold_the_columns_of_their_movies() -> None:
    """Movie n stands in tile n / TILE_MOVIES; behind the last one there are zeros."""
    n_rows = 2 * TILE_MOVIES + 1
    rows = np.arange(3 * n_rows, dtype=np.float32).reshape(n_rows, 3)

    tiles = tiles_of(rows)

    assert tiles.shape == (3, 3, TILE_MOVIES)
    assert tiles.ctypes.data % 64 == 0
    for movie in range(n_rows):
        found = tiles[movie // TILE_MOVIES, :, movie % TILE_MOVIES]
        np.testing.assert_array_equal(found, rows[movie])
    assert not tiles[2, :, 1:].any()


@needs_kernel
@pytest.mark.parametrize("shape", [(12, 3), (33, 2)])
def test_tiles_of_another_matrix_are_refused(
    arrays: EngineArrays,
    manifest: Manifest,
    monkeypatch: pytest.MonkeyPatch,
    shape: tuple[int, int],
) -> None:
    """The loops trust their shape: twelve movies, two columns."""
    tiles = tiles_of(np.zeros(shape, np.float32))
    monkeypatch.setattr(kernel, "tiles_of", lambda _: tiles)

    engine = Engine(arrays, {}, manifest)

    with pytest.raises(ValueError, match="tiles are"):
        engine.recommend(Asker(UserId("hot"), np.zeros(0, np.int64), np.zeros(0, np.float32), ()))


@needs_kernel
def test_tiles_are_made_once_and_only_for_who_asks(
    arrays: EngineArrays, manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reasons need none; of two rankings the second finds them."""
    made: list[int] = []

    def counted(rows: FloatArray) -> FloatArray:
        made.append(len(rows))
        return tiles_of(rows)

    monkeypatch.setattr(kernel, "tiles_of", counted)
    engine = Engine(arrays, {}, manifest)
    nobody = Asker(UserId("hot"), np.zeros(0, np.int64), np.zeros(0, np.float32), ())
    engine.reasons(np.array([1]), np.ones(1, np.float32), np.array([2]))
    assert not made
    for _ in range(2):
        engine.recommend(nobody)

    assert made == [12]


@needs_kernel
def test_nothing_of_a_list_is_kept(arrays: EngineArrays, manifest: Manifest) -> None:
    """Its columns, and what was read for it, are gone with it."""
    engine = Engine(
        drawn_arrays(arrays, np.random.default_rng(0), 640, 7, rating_dim=3), {}, manifest
    )
    movies, excluded = np.arange(5), np.arange(7)
    asker = Asker(UserId("user 1"), movies, np.full(5, 4, np.float32), ())
    (listed,) = engine.recommend_all(
        [Wanted(asker, excluded, np.ones(640, np.bool_), n_explained=3)]
    )
    assert listed.reasons is not None
    columns = (listed.movies, listed.scores, listed.ratings, listed.person, *listed.reasons)
    left = [weakref.ref(column) for column in (*columns, movies, excluded)]

    del listed, columns, asker, movies, excluded

    assert [one() for one in left] == [None] * 8
