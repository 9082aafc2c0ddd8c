"""Users in the served graphs against the towers in NumPy: vectors, ratings and reasons."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.unit.trainer.served import (
    HISTORY,
    RATINGS,
    TOWER_OF_COLUMN,
    a_request,
    ask,
    ids_of,
    indexes_of,
    make_ingredients,
)
from trainer.export.graphs import SERVABLES
from trainer.export.ingredients import Ingredients
from trainer.models.towers import ALIKE

NAN = float("nan")
MOVIES = [f"m{i}" for i in range(60)]
LONG = [f"m{i}" for i in range(40, 80)]


@pytest.fixture(scope="module")
def parts() -> Ingredients:
    return make_ingredients()


@pytest.fixture(scope="module")
def servables(parts):
    return {name: servable(parts) for name, servable in SERVABLES.items()}


def recommend(servables, *user, profile=("",)) -> dict[str, np.ndarray]:
    request = a_request(*user) | {"profile": [list(profile)]}
    return ask(servables, "recommend", "serving_default", request)


def rank(servables, user="u3", history=HISTORY, ratings=RATINGS, profile=("",)) -> np.ndarray:
    """[60] ratings of m0 to m59."""
    inputs = {
        "user_id": [user],
        "history_ids": [list(history)],
        "history_ratings": [list(ratings)],
        "profile": [list(profile)],
        "movie_ids": [MOVIES],
    }
    return ask(servables, "ranking", "rank", inputs)["ratings"][0]


# --- retrieval ------------------------------------------------------------------------------------

HISTORIES = {
    "nothing": ([], []),
    "one movie": (["m8"], [4.0]),
    "the gate's second row": (["m8", "m9"], [4.0, 1.0]),
    "its last row": (HISTORY, RATINGS),
    "not all rated": (HISTORY, [NAN, 1.0, np.inf, 2.0]),
    "dislikes alone": (HISTORY, [1.0, 0.5, 1.5, 1.0]),
    "beyond the last age": (LONG, [3.0] * 40),
    "a movie twice": (["m3", "m5", "m3"], [1.0, 2.0, 3.0]),
}


@pytest.mark.parametrize("name", HISTORIES)
def test_a_user_vector_is_that_of_the_towers(parts, servables, name):
    """Ages, likings, the gate's row and the scale of each tower."""
    ids, ratings = HISTORIES[name]
    expected = parts.retrieval.user_vector(indexes_of(ids), np.array(ratings, np.float32))

    found = recommend(servables, "u2", ids, ratings)["user_vector"][0]

    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_padding_changes_nothing_wherever_it_stands(servables):
    """Empty and unknown ids have no age, no weight and no length."""
    plain = recommend(servables, "u2", HISTORY, RATINGS)
    ids = ["", "m3", "", "nobody's", "m17", "m200", "", "m5", ""]
    padded = recommend(servables, "u2", ids, [0, 5, 0, 9, 1, 3, NAN, 4.0, 0])

    for name, values in plain.items():
        if values.dtype == object:
            assert padded[name].tolist() == values.tolist()
        else:
            np.testing.assert_allclose(padded[name], values, rtol=1e-4, atol=1e-5, err_msg=name)


def test_reasons_are_true_drops_of_the_retrieval_score(parts, servables):
    """What the score loses without a movie's term; ages, the gate's row and the scale are held."""
    towers, history = parts.retrieval, indexes_of(HISTORY)
    vector = towers.user_vector(history, np.array(RATINGS, np.float32))
    terms = np.zeros((len(history), towers.dim))
    liking = [1, -0.25, 1, 1]  # RATINGS 5, 1, 3, 4 on a scale from 1.5 to 3
    for position, movie in enumerate(history):
        weights = towers.age_weights[len(history) - 1 - position][TOWER_OF_COLUMN]
        terms[position] = liking[position] * weights * towers.history_vectors[movie]
    scale = vector / (towers.base_vector + terms.sum(axis=0))

    answer = recommend(servables, "u2", HISTORY, RATINGS)
    cited = 0
    for column, movie_id in enumerate(ids_of(answer["movie_ids"][0])[:20]):
        drops = terms * scale @ towers.item_vectors[int(movie_id[1:])]
        best = [position for position in np.argsort(-drops)[:3] if drops[position] > 0]
        found = answer["reason_drops"][0, column]

        expected_ids = [HISTORY[position] for position in best]
        assert ids_of(answer["reason_ids"][0, column]) == expected_ids + [""] * (3 - len(best))
        np.testing.assert_allclose(found[: len(best)], drops[best], rtol=1e-3)
        assert not found[len(best) :].any()
        cited += len(best)
    assert cited > 20


def test_a_dislike_pushes_away_what_is_like_it(parts):
    """A user of one movie turns to it when it is rated 5 or not at all, away when rated 1."""
    towers = parts.retrieval
    likeness = replace(
        towers,
        base_vector=np.zeros(towers.dim, np.float32),
        item_vectors=towers.history_vectors,
    )
    servable = {"recommend": SERVABLES["recommend"](replace(parts, retrieval=likeness))}

    def score(rating: float) -> float:
        vector = recommend(servable, "u2", ["m8"], [rating])["user_vector"][0]
        return float(vector @ towers.history_vectors[8])

    assert score(5.0) > 0.1
    assert score(1.0) == pytest.approx(-score(5.0), rel=1e-4)
    assert score(NAN) == pytest.approx(score(5.0), rel=1e-4)


def test_where_every_rating_counts_alike_none_pushes_away(parts):
    """Liking can be switched off: four movies rated 1 are four movies rated 5."""
    alike = replace(parts, retrieval=replace(parts.retrieval, liking=ALIKE))
    servable = {"recommend": SERVABLES["recommend"](alike)}
    ones, fives = (
        recommend(servable, "u2", HISTORY, [rating] * 4)["user_vector"] for rating in (1.0, 5.0)
    )

    np.testing.assert_array_equal(ones, fives)


def test_a_disliked_movie_is_no_reason(servables):
    """Of one movie rated 1, either nothing is cited or what the dislike of it pulls up."""
    liked = recommend(servables, "u2", ["m8"], [5.0])
    disliked = recommend(servables, "u2", ["m8"], [1.0])
    cited = [
        {
            movie
            for movie, reasons in zip(
                ids_of(answer["movie_ids"][0]), answer["reason_ids"][0], strict=True
            )
            if b"m8" in reasons.tolist()
        }
        for answer in (liked, disliked)
    ]

    assert cited[0]
    assert cited[1]
    assert not cited[0] & cited[1]


# --- ratings --------------------------------------------------------------------------------------


def test_rank_with_the_training_history_equals_the_pair_signature(servables):
    """A stored user's full history gives what `serving_default` gives for each pair."""
    pairs = ask(
        servables, "ranking", "serving_default", {"user_id": ["u3"] * 60, "movie_id": MOVIES}
    )["rating"]

    np.testing.assert_allclose(rank(servables), pairs, atol=1e-5)


def test_a_stored_user_is_rated_by_the_history_of_the_call(parts, servables):
    """What is stored, and the sum of the call's movies over the root of their number."""
    towers, history = parts.rating, [8, 9]
    vector = towers.stored_vectors[3] + towers.history_vectors[history].sum(axis=0) / np.sqrt(2)
    bias = towers.stored_bias[3] + towers.history_bias[history].sum() / np.sqrt(2)
    expected = towers.ratings(vector[None], np.array([bias]))[0, :60]

    found = rank(servables, "u3", ["", "m8", "nothing", "m9"], [0, 1.0, 2.0, NAN])

    np.testing.assert_allclose(found, np.clip(expected, 1, 5), atol=1e-5)


@pytest.mark.parametrize("profile", [(), ("gender:F",), ("gender:F", "age:25"), ("no:token",)])
@pytest.mark.parametrize("name", HISTORIES)
def test_a_stranger_is_rated_as_the_towers_rate(parts, servables, name, profile):
    """Profile, history, the mood that is taken away, and the directions of strangers."""
    ids, ratings = HISTORIES[name]
    row = np.zeros(parts.profile_features.vocabulary.n_features, np.float32)
    row[[1 + parts.profile_tokens.index(t) for t in profile if t == "gender:F"]] = 1
    row[[1 + parts.profile_tokens.index("age:25-34") for t in profile if t == "age:25"]] = 1
    row /= np.linalg.norm(row) or 1
    vector, bias = parts.rating.stranger(indexes_of(ids), np.array(ratings, np.float32), row)
    expected = parts.rating.ratings(vector[None], np.array([bias]))[0, :60]

    found = rank(servables, "stranger", ["", *ids], [0.0, *ratings], ["", *profile])

    np.testing.assert_allclose(found, np.clip(expected, 1, 5), atol=2e-4)


def test_a_pair_of_a_stranger_has_no_history(servables):
    """`serving_default` answers nobody in particular."""
    pairs = ask(
        servables, "ranking", "serving_default", {"user_id": ["stranger"] * 60, "movie_id": MOVIES}
    )["rating"]

    np.testing.assert_allclose(rank(servables, "stranger", [""], [0.0]), pairs, atol=1e-6)


def test_an_unknown_movie_is_rated_as_the_user_rates_on_average(parts, servables):
    """Mean and user bias; nothing is known of the movie."""
    answer = ask(
        servables, "ranking", "serving_default", {"user_id": ["u1"], "movie_id": ["nothing"]}
    )["rating"]
    expected = parts.rating.mean + parts.rating.user_bias[1]

    np.testing.assert_allclose(answer, [np.clip(expected, 1, 5)], atol=1e-5)
