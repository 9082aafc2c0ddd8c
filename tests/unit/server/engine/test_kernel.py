"""The compiled kernel lists what NumPy lists, and reads nothing outside of its arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from server.domain import UserId
from server.engine import kernel
from server.engine.arrays import BoolArray, EngineArrays, FloatArray
from server.engine.engine import Asker, Engine, FinalOrder, Wanted
from server.engine.merged import MERGED_FROM_BYTES
from server.engine.rating import RatingTowers, RatingUser
from serving.contract import Manifest
from tests.unit.server.engine.drawn import N_USERS, drawn_arrays, whole_numbers

EngineOf = Callable[..., Engine]
NAN = float("nan")

needs_kernel = pytest.mark.skipif(kernel.Kernel is None, reason="the kernel was not built")


def asker(user_id: str, movies: Any = (), ratings: Any = ()) -> Asker:
    return Asker(UserId(user_id), np.array(movies, np.int64), np.array(ratings, np.float32), [])


# --- against a stable sort ------------------------------------------------------------------------


@pytest.mark.parametrize("n_movies", [1, 5, 300, 301, 599, 600, 601, 1000, 5_000, 20_000])
@pytest.mark.parametrize("n_values", [1, 3, 1000])
@pytest.mark.parametrize("share_allowed", [None, 1.0, 0.5, 0.01, 0.0])
def test_the_list_is_that_of_a_stable_sort(
    arrays: EngineArrays,
    engine_of: EngineOf,
    n_movies: int,
    n_values: int,
    share_allowed: float | None,
) -> None:
    """The best 300, of equal ones the first; of these 200, the greatest first, equal ones by index.

    In both orders, and however many tie; nothing that is excluded or not allowed is there.
    """
    rng = np.random.default_rng(n_movies)
    drawn = whole_numbers(arrays, rng, n_movies, n_values)
    engine = engine_of(drawn)
    excluded = rng.integers(n_movies, size=n_movies // 4)
    allowed = None if share_allowed is None else rng.random(n_movies) < share_allowed
    may = np.ones(n_movies, np.bool_) if allowed is None else allowed.copy()
    may[excluded] = False
    scores = drawn.item_vectors.sum(axis=1) / 2
    ratings = 3 + drawn.rating_items.sum(axis=1) - drawn.rating_items[:, -1]
    ratings += drawn.rating_items[:, -1]

    for by_rating, key in ((False, scores), (True, ratings)):
        order = np.argsort(-key, kind="stable")
        expected = order[may[order]][:200]
        found = engine.recommend(
            asker("user 0"), excluded=excluded, allowed=allowed, by_rating=by_rating
        )

        np.testing.assert_array_equal(found.movies, expected)
        np.testing.assert_array_equal(found.ratings, np.clip(ratings[expected], 1, 5))
        if by_rating:
            np.testing.assert_array_equal(found.scores, ratings[expected])
        candidates = order[may[order]][:300]
        for name, values in (("score", scores), ("rating", ratings)):
            spread = values[candidates] if len(candidates) else np.zeros(1)
            assert getattr(found, f"{name}_mean") == pytest.approx(spread.mean(), abs=1e-4)
            assert getattr(found, f"{name}_deviation") == pytest.approx(spread.std(), 1e-4)


@needs_kernel
def test_nothing_that_is_no_number_is_listed(arrays: EngineArrays, manifest: Manifest) -> None:
    """A movie whose vector is damaged is left out, the others are as ever."""
    rng = np.random.default_rng(0)
    drawn = whole_numbers(arrays, rng, 1000, 50)
    damaged = drawn.item_vectors.copy()
    damaged[::7, 2] = NAN
    order = np.argsort(-drawn.item_vectors.sum(axis=1), kind="stable")

    found = Engine(replace(drawn, item_vectors=damaged), {}, manifest).recommend(asker("user 0"))

    np.testing.assert_array_equal(found.movies, order[order % 7 > 0][:200])


@needs_kernel
def test_zeros_of_either_sign_are_equal(
    arrays: EngineArrays, manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where all keys are zero the first movies are listed, whatever signs rounding gave them."""
    drawn = whole_numbers(arrays, np.random.default_rng(0), 1000, 50)
    keys = np.where(np.arange(1000) % 3, np.float32(-0.0), np.float32(0.0))

    def zeros(_tiles: FloatArray, vectors: FloatArray) -> FloatArray:
        return np.tile(keys, (len(vectors), 1))

    monkeypatch.setattr(kernel, "TILES_MERGED_FROM_BYTES", 0)
    monkeypatch.setattr(kernel, "times_all", zeros)
    towers = RatingTowers(drawn, manifest.rating_range)
    compiled = kernel.kernel_of(drawn, manifest, towers)
    assert compiled is not None

    ((movies, *_),) = compiled.recommend_all([Wanted(asker("user 0"))])

    np.testing.assert_array_equal(movies, np.arange(200))


# --- against NumPy --------------------------------------------------------------------------------


def compare(found: FinalOrder, expected: FinalOrder) -> None:
    """Numbers within 1e-5 of their size; movies but for ties."""
    assert len(found.movies) == len(expected.movies)
    for name in set(FinalOrder._fields) - {"movies", "ratings", "reasons"}:
        value = np.asarray(getattr(expected, name))
        size = np.abs(value).max(initial=1)
        np.testing.assert_allclose(getattr(found, name), value, 1e-5, 1e-5 * size, err_msg=name)
    known, shown = by_movie(expected), by_movie(found)
    # One that the other cut off was as good as the last.
    last = expected.scores[-1] if len(expected.scores) else 0
    for movie, (score, rating) in shown.items():
        expected_score, expected_rating = known.get(movie, (last, rating))
        assert score == pytest.approx(expected_score, abs=2e-5)
        assert rating == pytest.approx(expected_rating, abs=5e-5)


def by_movie(listed: FinalOrder) -> dict[int, tuple[float, float]]:
    """Score and rating of each."""
    columns = (column.tolist() for column in listed[:3])
    return {movie: (score, rating) for movie, score, rating in zip(*columns, strict=True)}


SIZES = [
    # movies, columns, rating columns, history, ages
    (1, 1, 1, 1, 1),
    (10, 2, 1, 0, 3),
    (10, 2, 1, 1, 3),
    (299, 7, 3, 2, 1),
    (301, 16, 4, 3, 2),
    (640, 33, 15, 17, 65),
    (2048, 64, 32, 49, 20),
    (2049, 65, 32, 50, 20),
    (3001, 100, 31, 100, 65),
    (4096, 255, 40, 1000, 65),
    (MERGED_FROM_BYTES // 4 // 50 + 1, 50, 8, 30, 10),
    (2**18 + 3, 4, 2, 30, 10),
]


@needs_kernel
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_the_kernel_lists_what_numpy_lists(
    arrays: EngineArrays, manifest: Manifest, size: tuple[int, int, int, int, int]
) -> None:
    """For stored users and strangers, in both orders, with what is excluded, allowed, not rated."""
    n_movies, dim, rating_dim, n_history, n_ages = size
    rng = np.random.default_rng(n_movies)
    drawn = drawn_arrays(arrays, rng, n_movies, dim, rating_dim, n_ages)
    manifest = replace(manifest, rating_weight=0.35)
    by_kernel = Engine(drawn, {}, manifest)
    by_numpy = Engine(drawn, {}, manifest, compiled=False)
    assert by_kernel.compiled
    assert not by_numpy.compiled

    for number in range(12 if n_movies < 10**4 else 4):
        movies = rng.integers(n_movies, size=n_history)
        ratings = rng.choice([0.5, 1, 2, 3.5, 5, NAN, np.inf, -np.inf], n_history)
        user_id = f"user {number % N_USERS}" if number % 3 else "a stranger"
        asking = asker(user_id, movies, ratings)
        allowed = rng.random(n_movies) < rng.random() if number % 2 else None
        for by_rating in (False, True):
            found, expected = (
                engine.recommend(asking, excluded=movies, allowed=allowed, by_rating=by_rating)
                for engine in (by_kernel, by_numpy)
            )
            compare(found, expected)
            assert not set(found.movies.tolist()) & set(movies.tolist())
            assert allowed is None or allowed[found.movies].all()
        listed = rng.integers(n_movies, size=rng.integers(40))
        compare_reasons(
            by_kernel.reasons(asking.movies, asking.ratings, listed),
            by_numpy.reasons(asking.movies, asking.ratings, listed),
        )


def compare_reasons(found: tuple[Any, Any], expected: tuple[Any, Any]) -> None:
    """The same drops, and the same movies where no two drops tie."""
    (places, drops), (expected_places, expected_drops) = found, expected
    assert (places.dtype, drops.dtype) == (np.int16, np.float32)
    np.testing.assert_allclose(drops, expected_drops, 1e-4, 1e-5)
    apart = np.diff(expected_drops, axis=1, append=0).__abs__().min(axis=1, initial=1) > 1e-4
    np.testing.assert_array_equal(places[apart], expected_places[apart])
    np.testing.assert_array_equal(drops > 0, places >= 0)


@needs_kernel
def test_of_equal_drops_the_older_is_cited(arrays: EngineArrays, manifest: Manifest) -> None:
    """A movie that stands in a history five times pulls as much each time, from the second on."""
    drawn = drawn_arrays(arrays, np.random.default_rng(4), 30, 8, 2, n_ages=1)
    movies, ratings, listed = np.full(5, 3), np.full(5, 5, np.float32), np.arange(30)

    places, drops = Engine(drawn, {}, manifest).reasons(movies, ratings, listed)

    pulled = drops[:, 0] > 0
    assert 0 < pulled.sum() < 30
    assert (places[pulled] == [0, 1, 2]).all()
    assert (places[~pulled] == -1).all()


@needs_kernel
def test_columns_that_are_a_view_of_the_rows_do_as_well(
    arrays: EngineArrays, manifest: Manifest
) -> None:
    """A part from before there were columns has no others."""
    drawn = drawn_arrays(arrays, np.random.default_rng(5), 700, 9, 2)
    older = replace(drawn, item_columns=drawn.item_vectors.T)

    found, expected = (
        Engine(part, {}, manifest).recommend(asker("user 1", [2], [4])) for part in (older, drawn)
    )

    compare(found, expected)


# --- the border -----------------------------------------------------------------------------------


@needs_kernel
@pytest.mark.parametrize("movie", [-1, 12, 2**40, -(2**63)])
def test_a_movie_outside_of_the_release_is_refused(
    arrays: EngineArrays, manifest: Manifest, movie: int
) -> None:
    """Wherever it is named: nothing is read or written there."""
    engine = Engine(arrays, {}, manifest)
    outside, inside, rated = np.array([3, movie]), np.array([3, 4]), np.ones(2, np.float32)

    with pytest.raises(IndexError, match="not in the catalogue of 12"):
        engine.recommend(asker("hot", outside, rated))
    with pytest.raises(IndexError):
        engine.recommend(asker("hot"), excluded=outside)
    with pytest.raises(IndexError):
        engine.reasons(outside, rated, inside)
    with pytest.raises(IndexError):
        engine.reasons(inside, rated, outside)


@needs_kernel
def test_lengths_that_do_not_fit_are_refused(arrays: EngineArrays, manifest: Manifest) -> None:
    """Ratings of a history, masks and rows of a stranger."""
    engine = Engine(arrays, {}, manifest)

    class Narrow(RatingTowers):
        def stranger(self, *history: Any) -> RatingUser:
            user = super().stranger(*history)
            return user._replace(row=user.row[:-1])

    towers = Narrow(arrays, manifest.rating_range)
    compiled = kernel.kernel_of(arrays, manifest, towers)
    assert compiled is not None

    with pytest.raises(ValueError, match="one rating for each movie"):
        engine.recommend(asker("hot", [1, 2], [1]))
    with pytest.raises(ValueError, match="12 movies"):
        engine.recommend(asker("hot"), allowed=np.ones(11, np.bool_))
    with pytest.raises(ValueError, match="3 columns"):
        compiled.recommend_all([Wanted(asker("nobody"))])


@needs_kernel
def test_arrays_in_any_shape_of_memory_are_read(arrays: EngineArrays, manifest: Manifest) -> None:
    """Other widths, every second number, odd addresses and read-only ones."""
    engine = Engine(arrays, {}, manifest)
    movies, ratings = np.array([3, 8, 1]), np.array([4, NAN, 2], np.float32)
    allowed: BoolArray = np.arange(12) != 5
    expected = engine.recommend(asker("hot", movies, ratings), excluded=movies, allowed=allowed)

    def odd(array: np.ndarray) -> np.ndarray:
        return np.frombuffer(b"." + array.tobytes(), array.dtype, offset=1)

    for change in (
        odd,
        lambda array: np.repeat(array, 2)[::2],
        lambda array: array.astype(array.dtype.newbyteorder()),
        lambda array: array.astype({"i": np.int32, "f": np.float64}.get(array.dtype.kind, bool)),
    ):
        given = Asker(UserId("hot"), change(movies), change(ratings), [])
        found = engine.recommend(given, excluded=change(movies), allowed=change(allowed))
        np.testing.assert_array_equal(found.movies, expected.movies)
        np.testing.assert_array_equal(found.scores, expected.scores)
        cited = engine.reasons(given.movies, given.ratings, change(found.movies))
        np.testing.assert_array_equal(cited, engine.reasons(movies, ratings, found.movies))


@needs_kernel
@pytest.mark.parametrize(
    "changes",
    [
        {"covariance": np.eye(3, dtype=np.float32)},
        {"base_vector": np.ones(3, np.float32)},
        {"rating_history": np.ones((11, 3), np.float32)},
        {"tower_of_column": np.array([0, 2])},
        {"tower_of_column": np.array([-1, 0])},
        {"stored_users": np.ones((1, 3), np.float32)},
        {"gate_from": np.array([0])},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_arrays_that_do_not_fit_each_other_are_refused(
    arrays: EngineArrays, manifest: Manifest, changes: dict[str, Any]
) -> None:
    """The loops trust the sizes, so that nobody else may get them wrong."""
    with pytest.raises(ValueError, match=next(iter(changes))):
        kernel.kernel_of(
            replace(arrays, **changes),
            manifest,
            RatingTowers(arrays, manifest.rating_range),
        )


@needs_kernel
def test_stored_users_are_found_by_the_whole_id(arrays: EngineArrays, manifest: Manifest) -> None:
    """Among ids that begin alike, in any script; the empty one is one like others."""
    ids = ["", "1", "10", "100", "11", "2", "é", "éa", "用户"]
    stored = np.array(sorted(user_id.encode() for user_id in ids))
    rows = np.zeros((len(ids), 3), np.float32)
    engine = Engine(replace(arrays, user_ids=stored, stored_users=rows), {}, manifest)
    found = engine._kernel
    assert found is not None

    for place, user_id in enumerate(stored.tolist()):
        assert found.stored_place(user_id.decode()) == place
    for stranger in ("0", "101", "1000", "3", "e", "éb", "用", "用户1", "1\0", "\0"):
        assert found.stored_place(stranger) == -1


def test_without_the_kernel_numpy_answers(
    arrays: EngineArrays, manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it could not be built."""
    asking = asker("hot", [3, 8], [4, NAN])
    expected = Engine(arrays, {}, manifest).recommend(asking)
    monkeypatch.setattr(kernel, "Kernel", None)

    engine = Engine(arrays, {}, manifest)

    assert not engine.compiled
    compare(engine.recommend(asking), expected)


def test_a_release_without_movies_lists_none(arrays: EngineArrays, manifest: Manifest) -> None:
    """NumPy says so: the kernel takes no empty arrays."""
    drawn = drawn_arrays(arrays, np.random.default_rng(6), 0, 4, 2)

    engine = Engine(drawn, {}, manifest)

    assert not engine.compiled
    assert len(engine.recommend(asker("user 1")).movies) == 0
