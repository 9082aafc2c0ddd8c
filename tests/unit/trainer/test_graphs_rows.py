"""Rows of a batch are strangers to each other, and odd rows are answered too."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from serving.contract import K_MAX, SIGNATURES, YEAR_UNSET, genre_mask
from tests.unit.trainer.served import (
    HISTORY,
    RATINGS,
    a_request,
    ask,
    ids_of,
    make_ingredients,
)
from trainer.export.graphs import SERVABLES
from trainer.export.layers import z_scores

USER_INPUTS = tuple(SIGNATURES["retrieval"]["serving_default"].inputs)


@pytest.fixture(scope="module")
def parts():
    return make_ingredients()


@pytest.fixture(scope="module")
def servables(parts):
    return {name: servable(parts) for name, servable in SERVABLES.items()}


def recommend(servables, inputs) -> dict[str, np.ndarray]:
    return ask(servables, "recommend", "serving_default", inputs)


def assert_same(found: dict[str, np.ndarray], expected: dict[str, np.ndarray], where: str) -> None:
    for name, values in expected.items():
        if values.dtype == object:
            assert found[name].tolist() == values.tolist(), (where, name)
        else:
            np.testing.assert_allclose(
                found[name], values, rtol=1e-4, atol=1e-5, err_msg=f"{where} {name}"
            )


def stacked(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """One batch of several one-row requests; short rows are padded in front."""
    together: dict[str, Any] = {}
    for name in rows[0]:
        values = [row[name][0] for row in rows]
        if isinstance(values[0], list):
            width = max(len(value) for value in values)
            neutral = 0.0 if name == "history_ratings" else ""
            values = [[neutral] * (width - len(value)) + value for value in values]
        together[name] = values
    return together


MIXED = [
    a_request(),
    a_request("u0", [""], [0.0]),
    a_request("nobody", ["m1", "m2"], [5.0, 1.0], ["", "m1", "m2"]),
    a_request("u1", ["", "m9", "", "??", "m9"], [0, 4, 0, 9, 2.0], order=1),
    a_request("u3", [f"m{i}" for i in range(40)], [3.0] * 40, genres=((0b11,), (0,), (0b10,))),
    a_request("u4", HISTORY, RATINGS, ["", *HISTORY], years=(1910, 1950), order=1),
    a_request("u2", HISTORY, RATINGS, years=(1, 2)),
    a_request("u2", HISTORY, RATINGS, [f"m{i}" for i in range(340)]),
]


def test_a_batch_of_mixed_rows_answers_each_as_if_alone(servables):
    """Orders, filters, exclusions, unknown users and empty answers side by side."""
    together = recommend(servables, stacked(MIXED))
    for position, row in enumerate(MIXED):
        alone = recommend(servables, row)
        found = {name: values[position : position + 1] for name, values in together.items()}
        assert_same(found, alone, f"row {position}")


def test_a_batch_of_rank_answers_each_as_if_alone(servables):
    """The same for `rank`, with other movies for each user."""
    rows = [
        {name: row[name] for name in USER_INPUTS} | {"movie_ids": [["", f"m{i}", "??"]]}
        for i, row in enumerate(MIXED)
    ]
    together = ask(servables, "ranking", "rank", stacked(rows))["ratings"]
    for position, row in enumerate(rows):
        alone = ask(servables, "ranking", "rank", row)["ratings"]
        np.testing.assert_allclose(together[position], alone[0], atol=1e-5)


@pytest.mark.parametrize("user", ["u2", "nobody"])
def test_a_movie_whose_rating_is_no_number_was_seen_and_not_rated(servables, user):
    """NaN and infinity poison neither their own row nor another of the batch."""
    broken = a_request(user, ["", "m3", "m17", "m200"], [np.nan, 5.0, np.nan, np.inf])
    together = recommend(servables, stacked([broken, MIXED[2]]))

    assert all(np.isfinite(v).all() for v in together.values() if v.dtype != object)
    assert_same({n: v[1:] for n, v in together.items()}, recommend(servables, MIXED[2]), "other")

    unrated = a_request(user, ["m3", "m17", "m200"], [5.0, np.nan, np.nan])
    ratings = [
        ask(
            servables,
            "ranking",
            "rank",
            {name: row[name] for name in USER_INPUTS} | {"movie_ids": [["m40", "m41"]]},
        )["ratings"]
        for row in (broken, unrated)
    ]
    np.testing.assert_allclose(ratings[0], ratings[1], atol=1e-6)


@pytest.mark.parametrize(
    "narrow",
    [
        ("history_ids", "history_ratings"),
        ("exclude_ids",),
        ("profile",),
        ("history_ids", "history_ratings", "exclude_ids", "profile"),
    ],
)
def test_inputs_of_no_width_are_inputs_of_padding(servables, narrow):
    """H, E and P may be 0."""
    padding = a_request("u2", [""], [0.0]) | {"profile": [[""]]}
    inputs = {**padding, **{name: [[]] for name in narrow}}

    assert_same(recommend(servables, inputs), recommend(servables, padding), str(narrow))


def test_other_signatures_take_inputs_of_no_width(servables):
    """`rank`, `retrieval` and `content` with H, P, C, G and T of 0."""
    user = {"user_id": ["u2"], "history_ids": [[]], "history_ratings": [[]], "profile": [[]]}
    described = {"title": [""], "genres": [[]], "year": [0], "tags": [[]]}
    no_masks = {name: [[0]] for name in ("genres_any", "genres_all", "genres_none")}
    no_masks["years"] = [list(YEAR_UNSET)]
    answers = [
        ask(servables, "ranking", "rank", {**user, "movie_ids": [[]]}),
        ask(servables, "retrieval", "serving_default", user),
        ask(servables, "content", "embed_user", {"profile": [[]]}),
        ask(servables, "content", "embed_movie", described),
        ask(servables, "content", "similar", {**described, **no_masks}),
    ]

    for answer in answers:
        assert all(np.isfinite(v).all() for v in answer.values() if v.dtype != object)


def test_masks_of_several_words():
    """Genres 0, 63, 64 and 99 of 100: each bit filters in its own word, the sign bit too."""
    genres = [0, 63, 64, 99]
    movies = [{genres[i % 4], genres[(i // 4) % 4]} for i in range(32)]
    masks = np.array([genre_mask(sorted(own), 100) for own in movies])
    small = {
        "recommend": SERVABLES["recommend"](make_ingredients(32, masks)),
    }
    nothing = genre_mask([], 100)

    def listed(wanted: list[int], needed: list[int], unwanted: list[int]) -> set[int]:
        words = tuple(genre_mask(g, 100) if g else nothing for g in (wanted, needed, unwanted))
        answer = recommend(small, a_request(history=[""], ratings=[0.0], genres=words))
        return {int(i[1:]) for i in ids_of(answer["movie_ids"][0]) if i}

    def expected(wanted: list[int], needed: list[int], unwanted: list[int]) -> set[int]:
        return {
            i
            for i, own in enumerate(movies)
            if (not wanted or own & set(wanted)) and own >= set(needed) and not own & set(unwanted)
        }

    for wish in (
        ([], [], []),
        ([63], [], []),
        ([0, 99], [], []),
        ([], [63, 64], []),
        ([], [], [63]),
        ([64], [0], [99]),
        ([], [0, 63, 64], []),
    ):
        assert listed(*wish) == expected(*wish), wish


def test_order_1_ranks_the_whole_catalogue(parts, servables):
    """The best-rated movie comes first even where retrieval puts it last."""
    towers = parts.rating
    ratings = towers.item_bias + towers.item_vectors @ towers.user_vectors[2]
    answer = recommend(servables, a_request(order=1))

    assert ids_of(answer["movie_ids"][0]) == [f"m{i}" for i in np.argsort(-ratings)[:K_MAX]]
    by_retrieval = ask(
        servables,
        "retrieval",
        "serving_default",
        {name: a_request()[name] for name in USER_INPUTS},
    )
    best = ids_of(answer["movie_ids"][0])[:20]
    assert not set(best) <= set(ids_of(by_retrieval["movie_ids"][0]))


def test_similar_movies_by_a_description_are_those_of_its_vector(parts, servables):
    """content/similar ranks by the cosine with where embed_movie's map places the text."""
    described = {"title": ["Night"], "genres": [["", "Comedy"]], "year": [1994], "tags": [[""]]}
    no_masks = {name: [[0]] for name in ("genres_any", "genres_all", "genres_none")}
    answer = ask(
        servables,
        "content",
        "similar",
        {**described, **no_masks, "years": [list(YEAR_UNSET)]},
    )
    # Columns: 1, Action, Comedy, 29 year buckets (0 unknown), 140 years, "night".
    maps, bucket, year = parts.content.similarity, 1 + 2 + 1 + (1994 - 1900) // 5, 1 + 2 + 29 + 94
    vector = maps[0] + maps[2] + maps[bucket] + maps[year] + maps[-1]
    movies = parts.content_vectors
    cosines = movies @ vector / np.linalg.norm(movies, axis=1) / np.linalg.norm(vector)
    best = np.argsort(-cosines)[:K_MAX]

    assert ids_of(answer["movie_ids"][0]) == [f"m{i}" for i in best]
    np.testing.assert_allclose(answer["scores"][0], cosines[best], atol=1e-5)


def test_equal_scores_stay_equal():
    """Candidates of one score have z-score 0, not the last bits of a division by nearly nothing."""
    values = np.full((2, 300), 0.005278457, np.float32)
    values[0, ::2] = np.nextafter(values[0, 0], np.float32(1))
    values[1] = np.linspace(1, 2, 300)
    found, stats = z_scores(tf.constant(values), tf.ones((2, 300), tf.bool))

    assert not found.numpy()[0].any()
    assert stats.numpy()[0, 1] == 0
    expected = (values[1] - values[1].mean()) / values[1].std()
    np.testing.assert_allclose(found.numpy()[1], expected, atol=1e-4)
