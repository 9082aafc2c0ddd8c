"""The arithmetic of the towers, worked by hand and from its definition."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.unit.trainer.served import (
    RATING_DIM,
    TOWER_OF_COLUMN,
    make_rating,
    make_retrieval,
)
from trainer.features.index import Histories
from trainer.models.liking import LikingConfig
from trainer.models.towers import (
    ALIKE,
    Liking,
    RatingTowers,
    RetrievalTowers,
    held_back_bias,
    one_tower,
    side_by_side,
)

NAN = np.float32("nan")
N_MOVIES, N_PROFILE = 40, 3
NOTHING = np.zeros(0, np.int64), np.zeros(0, np.float32)


def by_hand() -> RetrievalTowers:
    """Columns 0 and 1 are the first tower, column 2 the second."""
    return RetrievalTowers(
        item_vectors=np.eye(3, dtype=np.float32),
        history_vectors=np.array([[1, 0, 4], [0, 2, 2], [1, 0, 0]], np.float32),
        base_vector=np.array([2, 0, 0], np.float32),
        tower_of_column=np.array([0, 0, 1]),
        age_weights=np.array([[2, 1], [1, 0.5]], np.float32),
        covariance=np.diag([4.0, 4.0, 9.0]).astype(np.float32),
        gate_from=np.array([0, 2]),
        gate=np.array([[1, 0], [2, 0.5]], np.float32),
        liking=Liking(1.0, 3.0, -1.0),
    )


def test_a_user_vector_worked_by_hand():
    """Two movies: ages, likings, the second row of the gate, each tower over its deviation."""
    movies, ratings = np.array([0, 1]), np.array([5, NAN], np.float32)

    # Movie 1 is the newest: 2 * (0, 2) and 1 * 2; movie 0: 1 * (1, 0) and 0.5 * 4; base (2, 0), 0.
    # (3, 4) deviates by sqrt(4 * 9 + 4 * 16) = 10, weighs 2; 4 by sqrt(9 * 16) = 12, weighs 0.5.
    np.testing.assert_allclose(by_hand().user_vector(movies, ratings), [0.6, 0.8, 1 / 6], rtol=1e-6)


def test_a_dislike_counts_below_0():
    """Rated 1, movie 1 counts -1, rated 2 nothing at all."""
    movies = np.array([0, 1])
    away = by_hand().user_vector(movies, np.array([5, 1], np.float32))
    nothing = by_hand().user_vector(movies, np.array([5, 2], np.float32))

    # (1 + 2, -4), 2 - 2 = 0: a tower that says nothing stays 0.
    np.testing.assert_allclose(away, [0.6, -0.8, 0], rtol=1e-6)
    # (3, 0) deviates by 6, weighs 2; 2 by 6, weighs 0.5.
    np.testing.assert_allclose(nothing, [1, 0, 1 / 6], rtol=1e-6)


def test_nobody_has_the_base_vector_behind_the_first_row():
    """(2, 0) over 4; the second tower weighs nothing."""
    np.testing.assert_allclose(by_hand().user_vector(*NOTHING), [0.5, 0, 0])


def test_the_oldest_weigh_what_the_last_age_weighs():
    """Age 1 and age 2 are alike: the order of movies that old changes nothing."""
    ratings = np.full(3, NAN)
    first, other = (
        by_hand().user_vector(np.array(movies), ratings) for movies in ([0, 2, 1], [2, 0, 1])
    )

    np.testing.assert_array_equal(first, other)
    assert not np.allclose(first, by_hand().user_vector(np.array([0, 1, 2]), ratings))


@pytest.mark.parametrize(("length", "row"), [(0, 0), (1, 0), (2, 1), (3, 1), (4, 2), (30, 2)])
def test_each_towers_scores_deviate_by_its_weight_in_the_gate(length, row):
    """Over the catalogue, whatever the size of its numbers; the length of the history decides."""
    towers = make_retrieval(N_MOVIES, np.random.default_rng(3))
    movies = np.arange(length) % N_MOVIES
    vector = towers.user_vector(movies, np.full(length, NAN))

    for tower, weight in enumerate(towers.gate[row]):
        of_tower = np.where(tower == TOWER_OF_COLUMN, vector, 0)
        assert (towers.item_vectors @ of_tower).std() == pytest.approx(weight, abs=1e-4)


def test_side_by_side_adds_the_standardised_scores():
    """Two towers behind a gate score a history as their own scores, each over its deviation."""
    rng = np.random.default_rng(4)

    def tower(dim: int, n_ages: int) -> RetrievalTowers:
        parts = [rng.normal(size=(N_MOVIES, dim)).astype(np.float32) for _ in range(2)]
        ages, base = rng.uniform(size=n_ages), rng.normal(size=dim)
        return one_tower(*parts, ages.astype(np.float32), base.astype(np.float32))

    both = tower(3, 2), tower(5, 4)
    joined = side_by_side(both, np.array([0, 3]), np.array([[1, 0], [0.3, 0.7]], np.float32))
    histories = Histories(
        [np.array([1, 2]), np.array([5, 6, 7, 8, 9])],
        [np.full(2, NAN), np.full(5, NAN)],
    )
    expected = np.zeros((2, N_MOVIES))
    for each, weights in zip(both, joined.gate.T, strict=True):
        for row, (movies, weight) in enumerate(zip(histories.movies, weights, strict=True)):
            vector = each.base_vector.astype(np.float64)
            for age, movie in enumerate(reversed(movies)):
                weight_of_age = each.age_weights[min(age, len(each.age_weights) - 1), 0]
                vector = vector + weight_of_age * each.history_vectors[movie]
            scores = each.item_vectors @ vector
            expected[row] += weight * scores / scores.std()

    np.testing.assert_allclose(joined.scores(histories), expected, atol=1e-4)
    assert (joined.n_towers, joined.dim, joined.n_movies) == (2, 8, N_MOVIES)


def test_other_item_vectors_leave_the_scale():
    """Movies that are placed later do not move anybody else's scores."""
    towers = make_retrieval(N_MOVIES, np.random.default_rng(3))
    placed = towers.with_items(np.array([3]), np.full((1, towers.dim), 9, np.float32))
    history = Histories([np.array([1, 2])], [np.full(2, NAN)])

    before, after = towers.scores(history), placed.scores(history)
    np.testing.assert_array_equal(np.delete(before, 3, axis=1), np.delete(after, 3, axis=1))
    assert before[0, 3] != after[0, 3]


def test_liking_is_linear_between_its_ends():
    """On a range of 1 to 5: -0.1 up to 1.5, 1 from 3 on, 1 without a rating."""
    ratings = np.array([1, 1.5, 2.25, 3, 5, NAN], np.float32)

    found = LikingConfig().on((1.0, 5.0)).weights(ratings)

    np.testing.assert_allclose(found, [-0.1, -0.1, 0.45, 1, 1, 1])
    assert LikingConfig(signed=False).on((1.0, 5.0)) == ALIKE
    np.testing.assert_array_equal(ALIKE.weights(ratings), np.ones(6))
    half_stars = LikingConfig().on((0.5, 5.0))
    assert (half_stars.low, half_stars.high) == (0.5 + 4.5 / 8, 2.75)


# --- ratings --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rating() -> RatingTowers:
    return make_rating(N_MOVIES, N_PROFILE, np.random.default_rng(5))


@pytest.mark.parametrize(
    ("movies", "ratings"),
    [
        ([], []),
        ([7], [4.0]),
        ([7, 8, 9], [4.0, NAN, 1.0]),
        ([7, 8], [NAN, NAN]),
        (list(range(12)), [1 + number % 5 for number in range(12)]),
    ],
)
@pytest.mark.parametrize("said", [False, True])
def test_a_stranger_is_placed_as_the_definition_says(rating, movies, ratings, said):
    """Profile or nobody, history, and the normal posterior given the ratings, bias included."""
    fold = rating.fold_in
    profile = np.array([0, 0.6, 0.8], np.float32)
    vector, bias = fold.nobody_vector.copy(), fold.nobody_bias
    if said:
        vector += (profile - fold.usual_profile) @ fold.profile_vectors
        bias += (profile - fold.usual_profile) @ fold.profile_bias
    for movie in movies:
        vector = vector + rating.history_vectors[movie] / np.sqrt(len(movies) + 2)
        bias = bias + rating.history_bias[movie] / np.sqrt(len(movies) + 2)
    rated = [(m, r) for m, r in zip(movies, ratings, strict=True) if np.isfinite(r)]
    residuals = np.array(
        [r - 3.5 - bias - rating.item_bias[m] - rating.item_vectors[m] @ vector for m, r in rated]
    )
    if rated:
        # Conditioning a joint normal: covariance with the ratings, times their inverse covariance.
        # A quarter less of the mean on both sides is a common error of the ratings.
        items = rating.item_vectors[[m for m, _ in rated]]
        rows = np.concatenate([items, np.ones((len(rated), 1))], axis=1)
        less = np.eye(len(rated)) - 0.25 / len(rated)
        rows, wanted = less @ rows, less @ residuals
        prior = fold.spread.T @ fold.spread
        of_ratings = rows @ prior @ rows.T + 5.0 * np.eye(len(rated))
        moved = prior @ rows.T @ np.linalg.inv(of_ratings) @ wanted
        vector, bias = vector + moved[:-1], bias + moved[-1]

    found, found_bias = rating.stranger(
        np.array(movies, np.int64),
        np.array(ratings, np.float32),
        profile if said else np.zeros(N_PROFILE, np.float32),
    )

    np.testing.assert_allclose(found, vector, atol=1e-4)
    assert found_bias == pytest.approx(bias, abs=1e-4)


def test_a_strangers_bias_worked_by_hand(rating):
    """(5 - 3.5 - b_3 + 1 - 3.5 - b_17) / (2 + 16): without a spread of vectors biases are left."""
    plain = replace(
        rating,
        history_bias=np.zeros_like(rating.history_bias),
        history_vectors=np.zeros_like(rating.history_vectors),
        fold_in=held_back_bias(np.zeros(RATING_DIM, np.float32), N_PROFILE, 16.0),
    )
    residuals = (5 - 3.5 - rating.item_bias[3]) + (1 - 3.5 - rating.item_bias[17])

    _, bias = plain.stranger(np.array([3, 17]), np.array([5, 1], np.float32))

    assert bias == pytest.approx(residuals / 18, abs=1e-6)


def test_the_mood_of_the_first_ratings_does_not_last(rating):
    """Residuals of 2 and 2, half of it a mood: 1 and 1 against rows of 1/2, 2 * 1/2 / (1/2 + 4)."""
    movies = np.array([3, 17])
    ratings = (3.5 + rating.item_bias[movies] + 2).astype(np.float32)
    fold = held_back_bias(np.zeros(RATING_DIM, np.float32), N_PROFILE, 4.0)
    moody = replace(
        rating,
        history_bias=np.zeros_like(rating.history_bias),
        history_vectors=np.zeros_like(rating.history_vectors),
        fold_in=replace(fold, mood=0.5),
    )

    vector, bias = moody.stranger(movies, ratings)

    assert bias == pytest.approx(1 / 4.5, abs=1e-6)
    np.testing.assert_array_equal(vector, np.zeros(RATING_DIM))


def test_pairs_are_ratings_of_stored_users(rating):
    """Mean, both biases and the dot product; other users and items by their own rows."""
    users, movies = np.array([2, 0]), np.array([5, 7])
    expected = [
        3.5
        + rating.user_bias[u]
        + rating.item_bias[m]
        + sum(rating.user_vectors[u] * rating.item_vectors[m])
        for u, m in zip(users, movies, strict=True)
    ]

    np.testing.assert_allclose(rating.pairs(users, movies), expected, atol=1e-5)
    np.testing.assert_allclose(
        rating.ratings(rating.user_vectors[users], rating.user_bias[users])[[0, 1], movies],
        expected,
        atol=1e-5,
    )
    some = rating.of_users(np.array([2, 0]))
    np.testing.assert_array_equal(some.pairs(np.array([0, 1]), movies), rating.pairs(users, movies))
    np.testing.assert_array_equal(some.stored_bias, rating.stored_bias[[2, 0]])
    placed = rating.with_items(movies[:1], np.zeros((1, RATING_DIM), np.float32), np.ones(1))
    assert placed.pairs(users[:1], movies[:1])[0] == pytest.approx(4.5 + rating.user_bias[2])
