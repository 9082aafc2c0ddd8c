"""Users in both spaces, worked by hand; tests/e2e holds the engine against the graphs."""

from __future__ import annotations

import numpy as np
import pytest

from server.domain import NOBODY, UserId
from server.engine.engine import Asker, Engine, FinalOrder
from server.engine.profiles import ProfileRows
from server.engine.rating import RatingTowers
from tests.engine_part import DESCRIPTION

NAN = float("nan")
RANGE = (1.0, 5.0)


def indexes(*movies: int) -> np.ndarray:
    return np.array(movies, np.int64)


def floats(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def placed(
    engine: Engine, movies: np.ndarray, ratings: np.ndarray, user_id: str = "hot"
) -> FinalOrder:
    """The user's vector, row and bias, beside the list."""
    return engine.recommend(Asker(UserId(user_id), movies, ratings, []))


# --- retrieval ------------------------------------------------------------------------------------


def test_a_history_is_weighted_by_age_and_liking(changed, engine_of) -> None:
    """Oldest first; rated 1 or less counts -0.5, 2 counts a quarter, no rating counts 1.

    The first tower halves all but the newest movie; the covariance is the unit matrix, so that each
    tower's deviation is its column; from two movies on the gate weighs 0.5 and 1.
    """
    items = np.zeros((12, 2), np.float32)
    items[:4] = [[1, 0], [0, 1], [-1, 0], [0, -1]]
    engine = engine_of(
        changed(
            item_vectors=items,
            item_columns=np.ascontiguousarray(items.T),
            history_vectors=np.eye(12, 2, dtype=np.float32) + 1,
            base_vector=floats(10, 10),
        )
    )
    movies, ratings = indexes(0, 5, 1), floats(0.5, 2, NAN)
    # Movie 0 is (2, 1), movie 5 (1, 1), movie 1 (1, 2).
    first = 10 + 0.5 * -0.5 * 2 + 0.5 * 0.25 * 1 + 1
    second = 10 - 0.5 * 1 + 0.25 * 1 + 2
    pulls_first = [0.5 * -0.5 * 2 * 0.5 / first, 0.5 * 0.25 * 0.5 / first, 0.5 / first]
    pulls_second = [-0.5 * 1 / second, 0.25 / second, 2 / second]

    vector = placed(engine, movies, ratings).user.retrieval.vector
    places, drops = engine.reasons(movies, ratings, np.arange(4))

    assert vector.tolist() == pytest.approx([0.5, 1.0])
    assert drops.ravel().tolist() == pytest.approx(
        [
            *(pulls_first[2], pulls_first[1], 0),
            *(pulls_second[2], pulls_second[1], 0),
            *(-pulls_first[0], 0, 0),
            *(-pulls_second[0], 0, 0),
        ]
    )
    assert places.tolist() == [
        [2, 1, NOBODY],
        [2, 1, NOBODY],
        [0, NOBODY, NOBODY],
        [0, NOBODY, NOBODY],
    ]


@pytest.mark.parametrize(("n_history", "gate"), [(0, [1, 0.25]), (1, [1, 0.25]), (2, [0.5, 1])])
def test_the_gate_goes_by_the_length_of_the_history(
    changed, engine_of, n_history: int, gate: list[float]
) -> None:
    """Its rows begin at no movie and at two; the deviation of each column is taken out."""
    engine = engine_of(changed(base_vector=floats(7, 7)))

    listed = placed(engine, np.arange(n_history), np.full(n_history, 5, np.float32))

    assert np.abs(listed.user.retrieval.vector).tolist() == pytest.approx(gate)


def test_a_drop_is_what_the_score_loses(changed, engine_of) -> None:
    """Without the movie and with ages, gate and scale held; strongest first, 0 for the rest."""
    arrays = changed(base_vector=floats(0.3, -0.2))
    movies, ratings = indexes(4, 7, 2, 9), floats(5, 1, 4, NAN)
    # The first tower halves all but the newest movie; each column's deviation is its own size,
    # and the gate weighs 0.5 and 1.
    liking = np.array([1, -0.5, 1, 1])[:, None]
    added = liking * [[0.5, 1], [0.5, 1], [0.5, 1], [1, 1]] * arrays.history_vectors[movies]
    # The sum of a history is a tenth of its terms, and the scale is over that.
    terms = added * [0.5, 1] / np.abs(arrays.base_vector + added.sum(axis=0))

    places, drops = engine_of(arrays).reasons(movies, ratings, np.arange(12))

    for movie in range(12):
        lost = terms @ arrays.item_vectors[movie]
        best = np.argsort(-lost)[:3]
        assert drops[movie].tolist() == pytest.approx(np.maximum(lost[best], 0), 1e-4, 1e-6)
        for place, drop, expected in zip(places[movie], drops[movie], best, strict=True):
            assert place == (expected if drop > 0 else NOBODY)


@pytest.mark.parametrize("n_history", [0, 1, 2])
@pytest.mark.parametrize("n_listed", [0, 1, 12])
def test_a_short_history_cites_no_more_than_it_has(
    arrays, engine_of, n_history: int, n_listed: int
) -> None:
    """What is not there pulls nothing up."""
    liked = np.full(n_history, 5, np.float32)

    places, drops = engine_of(arrays).reasons(np.arange(n_history), liked, np.arange(n_listed))

    assert places.shape == drops.shape == (n_listed, 3)
    assert (drops >= 0).all()
    assert not drops[:, n_history:].any()
    assert (places[:, n_history:] == NOBODY).all()


# --- ratings --------------------------------------------------------------------------------------


def test_a_stored_user_is_found_by_the_whole_id(arrays, engine_of) -> None:
    """What training stored, and the history over the root of its length; others are strangers."""
    engine = engine_of(arrays)
    movies, ratings = indexes(3, 8), floats(4, NAN)
    of_history = arrays.rating_history[[3, 8]].sum(axis=0) / np.sqrt(2)
    nobody = placed(engine, movies, ratings, "nobody").user.rating

    for place, user_id in enumerate(("hot", "keen")):
        row = arrays.stored_users[place] + of_history
        user = placed(engine, movies, ratings, user_id).user.rating
        assert user.row[:-1].tolist() == pytest.approx(row[:-1].tolist())
        assert user.bias == pytest.approx(3 + row[-1], rel=1e-6)
    for stranger in ("", "ho", "hott", "keenest", "kee", "zoe"):
        user = placed(engine, movies, ratings, stranger).user.rating
        assert user.row.tolist() == nobody.row.tolist()


def test_a_stranger_is_moved_by_what_is_rated(changed, engine_of) -> None:
    """Strangers differ in their bias alone, by 1: residuals of 1 and 2 move it by 3 / (2 + 4)."""
    nothing = np.zeros((12, 3), np.float32)
    engine = engine_of(
        changed(
            nobody=floats(0, 0, 0.5),
            rating_history=nothing,
            rating_items=nothing,
            spread=np.array([[0, 0, 1]], np.float32),
            spread_items=np.ones((12, 1), np.float32),
        )
    )
    # Nobody rates 3.5; what is seen and not rated says nothing.
    user = placed(engine, indexes(1, 2, 3), floats(4.5, NAN, 5.5), "somebody")

    assert user.bias == pytest.approx(3.5 + 3 / 6)
    assert placed(engine, indexes(2), floats(NAN), "somebody").bias == pytest.approx(3.5)


def test_the_mood_of_the_first_ratings_is_held_back(changed, engine_of) -> None:
    """Half of what two ratings have in common is taken away, of directions and of residuals."""
    nothing = np.zeros((12, 3), np.float32)
    engine = engine_of(
        changed(
            nobody=floats(0, 0, 0.5),
            rating_history=nothing,
            rating_items=nothing,
            spread=np.array([[0, 0, 1]], np.float32),
            spread_items=np.ones((12, 1), np.float32),
            mood=0.5,
        )
    )
    # Directions become 0.5 each; residuals 1 and 2 become 0.25 and 1.25.
    expected = 3.5 + (0.5 * 0.25 + 0.5 * 1.25) / (2 * 0.25 + 4)

    user = placed(engine, indexes(1, 3), floats(4.5, 5.5), "somebody")

    assert user.bias == pytest.approx(expected)


def test_ratings_are_clipped_into_the_range(arrays) -> None:
    """1 and 5 are the ends."""
    clipped = RatingTowers(arrays, RANGE).clip(floats(-3, 1, 4.5, 9))

    assert clipped.tolist() == [1, 1, 4.5, 5]


# --- profiles -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tokens", "columns"),
    [
        ([], []),
        (["gender:F"], [3]),
        (["gender:F", "gender:F", "no:token", ""], [3]),
        (["age:17"], [1]),
        (["age:18", "gender:F"], [2, 3]),
        (["age:999"], [2]),
        (["age:1000"], []),
        (["age:-1"], []),
        (["genre:Drama"], []),
    ],
)
def test_a_profile_is_a_row_of_unit_length(tokens: list[str], columns: list[int]) -> None:
    """Ages go into buckets; favourite genres and the constant are no part of it."""
    row = ProfileRows(DESCRIPTION).said(tokens)

    assert np.flatnonzero(row).tolist() == columns
    assert np.linalg.norm(row) == pytest.approx(1 if columns else 0)
