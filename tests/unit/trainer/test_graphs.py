"""The served graphs against plain NumPy, on towers of random numbers."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from serving.contract import K_MAX, SIGNATURES, YEAR_UNSET
from tests.oracle import final_order
from tests.unit.trainer.served import (
    GENRE_OF,
    HISTORY,
    RATINGS,
    WEIGHT,
    YEARS,
    ids_of,
    indexes_of,
    make_ingredients,
)
from trainer.export.graphs import SERVABLES
from trainer.export.ingredients import Ingredients


@pytest.fixture(scope="module")
def parts() -> Ingredients:
    return make_ingredients()


@pytest.fixture(scope="module")
def servables(parts):
    return {name: servable(parts) for name, servable in SERVABLES.items()}


def no_masks(n_rows: int = 1, genre_any: int = 0, years=YEAR_UNSET) -> dict[str, tf.Tensor]:
    return {
        "genres_any": tf.constant([[genre_any]] * n_rows, tf.int64),
        "genres_all": tf.constant([[0]] * n_rows, tf.int64),
        "genres_none": tf.constant([[0]] * n_rows, tf.int64),
        "years": tf.constant([list(years)] * n_rows, tf.int64),
    }


def person(user: str, history: list[str], ratings: list[float]) -> dict[str, tf.Tensor]:
    return {
        "user_id": tf.constant([user]),
        "history_ids": tf.constant([history]),
        "history_ratings": tf.constant([ratings]),
        "profile": tf.constant([["", "gender:F"]]),
    }


def recommend(servables, inputs, exclude=("",), masks=None, order=0) -> dict[str, np.ndarray]:
    answer = servables["recommend"].functions["serving_default"](
        **inputs,
        exclude_ids=tf.constant([list(exclude)]),
        order=tf.constant([[order]], tf.int64),
        **(masks or no_masks()),
    )
    return {name: tensor.numpy() for name, tensor in answer.items()}


def oracle_scores(parts):
    """[N] retrieval scores of HISTORY."""
    towers = parts.retrieval
    vector = towers.user_vector(indexes_of(HISTORY), np.array(RATINGS, np.float32))
    return towers.item_vectors @ vector


def oracle_ratings(parts, user=2):
    """[N] ratings of a stored user with the history that training saw."""
    towers = parts.rating
    return (
        towers.mean
        + towers.user_bias[user]
        + towers.item_bias
        + towers.item_vectors @ towers.user_vectors[user]
    )


@pytest.mark.parametrize("order", [0, 1])
def test_recommend_equals_the_final_order_in_numpy(parts, servables, order):
    """One graph gives the ids, scores and ratings that retrieval, filter and order give by hand."""
    scores = oracle_scores(parts)
    ratings = oracle_ratings(parts)
    allowed = (GENRE_OF != 1) & (YEARS >= 1910) & (YEARS <= 1980)
    allowed[[3, 17, 200, 5]] = False
    expected, final = final_order(scores, ratings, allowed, WEIGHT, by_rating=order == 1)

    masks = no_masks(genre_any=0b101, years=(1910, 1980))
    answer = recommend(
        servables, person("u2", HISTORY, RATINGS), ["", *HISTORY, "not a movie"], masks, order
    )

    n_expected = len(expected)
    assert 100 < n_expected < K_MAX
    assert ids_of(answer["movie_ids"][0])[:n_expected] == [f"m{i}" for i in expected]
    assert set(ids_of(answer["movie_ids"][0])[n_expected:]) == {""}
    np.testing.assert_allclose(answer["scores"][0, :n_expected], final, atol=1e-4)
    np.testing.assert_allclose(
        answer["ratings"][0, :n_expected], np.clip(ratings[expected], 1, 5), atol=1e-5
    )
    assert not answer["scores"][0, n_expected:].any()
    assert not answer["ratings"][0, n_expected:].any()


def test_nothing_allowed_is_an_empty_row(servables):
    """A wish that no movie meets gives K_MAX empty columns, no error and no NaN."""
    answer = recommend(servables, person("u2", HISTORY, RATINGS), masks=no_masks(years=(1, 2)))

    assert set(ids_of(answer["movie_ids"][0])) == {""}
    assert all(np.isfinite(answer[name]).all() for name in ("scores", "ratings", "score_stats"))


def test_a_movie_without_a_year_fails_any_bound(servables):
    """Year 0 is unknown, not early."""
    answer = recommend(servables, person("u2", [""], [0.0]), masks=no_masks(years=(-5, 3000)))
    listed = {int(i[1:]) for i in ids_of(answer["movie_ids"][0]) if i}

    assert listed
    assert not any(YEARS[movie] == 0 for movie in listed)


def test_score_stats_restore_the_final_score(parts, servables):
    """The parts that callers get are enough to score a movie that the graph does not know."""
    answer = recommend(servables, person("u2", HISTORY, RATINGS))
    movie = int(ids_of(answer["movie_ids"][0])[0][1:])
    mean, deviation, rating_mean, rating_deviation = answer["score_stats"][0]
    score = answer["user_vector"][0] @ parts.retrieval.item_vectors[movie]
    rating = (
        answer["rating_bias"][0, 0]
        + parts.rating.item_bias[movie]
        + answer["rating_vector"][0] @ parts.rating.item_vectors[movie]
    )
    again = (score - mean) / deviation + WEIGHT * (rating - rating_mean) / rating_deviation

    assert again == pytest.approx(answer["scores"][0, 0], abs=1e-3)


def test_a_catalogue_smaller_than_k_max_is_padded():
    """Twelve movies give twelve ids and K_MAX columns."""
    small = {name: servable(make_ingredients(12)) for name, servable in SERVABLES.items()}
    answer = recommend(small, person("u2", ["m1"], [4.0]), exclude=("", "m1"))

    assert answer["movie_ids"].shape == (1, K_MAX)
    assert answer["reason_ids"].shape == (1, K_MAX, 3)
    listed = [i for i in ids_of(answer["movie_ids"][0]) if i]
    assert sorted(listed) == sorted(f"m{i}" for i in range(12) if i != 1)


def test_similar_leaves_out_the_movie_and_scales_by_trust(parts, servables):
    """Collaborative scores are cosines times the candidate's confidence, best first."""
    vectors = parts.similarity.item_vectors
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    expected = (unit @ unit[8]) * parts.similarity.confidence
    expected[8] = -np.inf
    answer = servables["retrieval"].functions["similar"](
        movie_id=tf.constant(["m8"]), mode=tf.constant([[1]], tf.int64), **no_masks()
    )

    best = np.argsort(-expected)[:K_MAX]
    assert ids_of(answer["movie_ids"].numpy()[0]) == [f"m{i}" for i in best]
    np.testing.assert_allclose(answer["scores"][0], expected[best], atol=1e-5)


def test_hybrid_similarity_leaves_little_known_movies_to_little_known_ones(parts, servables):
    """Cosines of places between audience and content, each times 1 - c (1 - the candidate's c)."""
    confidence = parts.similarity.confidence[:, None]
    places = confidence * parts.similarity.item_vectors + (1 - confidence) * parts.content_vectors
    unit = places / np.linalg.norm(places, axis=1, keepdims=True)
    expected = (unit @ unit[8]) * (1 - confidence[8] * (1 - confidence[:, 0]))
    expected[8] = -np.inf
    answer = servables["retrieval"].functions["similar"](
        movie_id=tf.constant(["m8"]), mode=tf.constant([[0]], tf.int64), **no_masks()
    )

    best = np.argsort(-expected)[:K_MAX]
    assert ids_of(answer["movie_ids"].numpy()[0]) == [f"m{i}" for i in best]
    np.testing.assert_allclose(answer["scores"][0], expected[best], atol=1e-5)


@pytest.mark.parametrize("mode", [0, 1, 2])
def test_similar_to_an_unknown_movie_is_empty(servables, mode):
    """No movie is like a movie that is not there."""
    answer = servables["retrieval"].functions["similar"](
        movie_id=tf.constant(["nothing"]), mode=tf.constant([[mode]], tf.int64), **no_masks()
    )

    assert set(ids_of(answer["movie_ids"].numpy()[0])) == {""}


def test_embed_movie_reads_genres_year_and_title(parts, servables):
    """The rows of the content map that belong to the movie's features, added up."""
    maps = parts.content
    # Columns: 1, Action, Comedy, 29 year buckets (0 unknown), 140 years, "night".
    bucket = 1 + 2 + 1 + (1994 - 1900) // 5
    year = 1 + 2 + 29 + 94
    word = maps.retrieval.shape[0] - 1
    expected = (
        maps.retrieval[0]
        + maps.retrieval[2]
        + maps.retrieval[bucket]
        + maps.retrieval[year]
        + maps.retrieval[word]
    )
    answer = servables["content"].functions["embed_movie"](
        title=tf.constant(["One NIGHT, only"]),
        genres=tf.constant([["", "Comedy", "Unheard of"]]),
        year=tf.constant([1994], tf.int64),
        tags=tf.constant([[""]]),
    )

    np.testing.assert_allclose(answer["item_vector"][0], expected, atol=1e-5)


def test_embed_user_forms_age_buckets_in_the_graph(parts, servables):
    """Ages 25 and 34 are one bucket, 35 is another; unknown tokens count nothing."""
    embed = servables["content"].functions["embed_user"]

    def vector(*tokens: str) -> np.ndarray:
        return embed(profile=tf.constant([["", *tokens]]))["user_vector"].numpy()[0]

    base, age, _ = parts.content.profile
    np.testing.assert_allclose(vector("age:25"), base + age, atol=1e-6)
    np.testing.assert_allclose(vector("age:34"), vector("age:25"), atol=1e-6)
    np.testing.assert_allclose(vector("age:35", "what:ever"), base, atol=1e-6)


def test_every_signature_keeps_the_contract(servables):
    """Names, dtypes and ranks of all inputs and outputs are those of the contract."""
    for name, signatures in SIGNATURES.items():
        for signature, definition in signatures.items():
            function = servables[name].functions[signature]
            outputs = function.structured_outputs
            assert set(outputs) == set(definition.outputs), (name, signature)
            for output, tensor in outputs.items():
                expected = definition.outputs[output]
                assert tensor.dtype.name == expected.dtype
                assert tensor.shape.rank in {None, len(expected.dims)}
