"""`by_number` says what `serving_default` says, with movies by number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from serving.contract import K_MAX
from tests.unit.trainer.served import (
    HISTORY,
    N_MOVIES,
    RATINGS,
    a_request,
    ask,
    ids_of,
    make_ingredients,
)
from trainer.export.graphs import Recommend, Servable
from trainer.export.layers import strongest


@pytest.fixture(scope="module")
def servables() -> dict[str, Servable]:
    return {"recommend": Recommend(make_ingredients())}


def number_of(movie_id: str) -> int:
    """The number of "m<index>" is index + 1."""
    return int(movie_id[1:]) + 1 if movie_id else 0


def by_number(inputs: dict[str, Any]) -> dict[str, Any]:
    numbered = {name: rows for name, rows in inputs.items() if not name.endswith("_ids")}
    return numbered | {
        f"{name}_numbers": [[number_of(movie_id) for movie_id in inputs[f"{name}_ids"][0]]]
        for name in ("history", "exclude")
    }


@pytest.mark.parametrize(
    "inputs",
    [
        a_request(),
        a_request(exclude=["", *HISTORY, "m7"], order=1),
        a_request("stranger", ["", "m3", "", "m17", ""], [0.0, 5.0, 0.0, 1.0, 0.0]),
        a_request("u1", ["m9"], [4.0], genres=([0b10], [0], [0]), years=(1910, 1980)),
        a_request("u1", [""], [0.0]),
        a_request("u1", HISTORY, RATINGS, years=(1, 2)),
    ],
    ids=["plain", "by rating", "padding anywhere", "filtered", "no history", "nothing allowed"],
)
def test_both_signatures_say_the_same(
    servables: dict[str, Servable], inputs: dict[str, Any]
) -> None:
    """Every output that both have is equal; numbers and places name the ids of the other."""
    expected = ask(servables, "recommend", "serving_default", inputs)
    found = ask(servables, "recommend", "by_number", by_number(inputs))

    listed = [number_of(movie_id) for movie_id in ids_of(expected["movie_ids"][0])]
    assert found["movie_numbers"][0].tolist() == listed
    history = ["", *inputs["history_ids"][0]]
    places = found["reason_places"][0]
    assert [[history[place] for place in row] for row in places.tolist()] == [
        ids_of(row) for row in expected["reason_ids"][0]
    ]
    common = expected.keys() & found.keys()
    assert len(common) == 7
    for name in common:
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)


def test_some_reasons_are_cited(servables: dict[str, Servable]) -> None:
    """The comparison above is not one of nothing: most listed movies cite three of the history."""
    found = ask(servables, "recommend", "by_number", by_number(a_request()))

    assert ((found["reason_places"][0] > 0) == (found["reason_drops"][0] > 0)).all()
    assert (found["reason_places"][0, :, 0] > 0).mean() > 0.5


@pytest.mark.parametrize("number", [0, -1, N_MOVIES + 1, 2**62])
def test_a_number_without_a_movie_is_padding(servables: dict[str, Servable], number: int) -> None:
    """In the history it changes nothing, among the excluded it excludes nothing."""
    plain = by_number(a_request())
    odd = {
        **plain,
        "history_numbers": [[number, *plain["history_numbers"][0]]],
        "history_ratings": [[5.0, *plain["history_ratings"][0]]],
        "exclude_numbers": [[number]],
    }
    expected = ask(servables, "recommend", "by_number", plain)
    found = ask(servables, "recommend", "by_number", odd)

    assert found["movie_numbers"].tolist() == expected["movie_numbers"].tolist()
    np.testing.assert_allclose(found["scores"], expected["scores"], atol=1e-5)
    # Places count columns as they were sent.
    moved = np.where(expected["reason_places"] > 0, expected["reason_places"] + 1, 0)
    np.testing.assert_array_equal(found["reason_places"], moved)
    assert found["movie_numbers"].shape == (1, K_MAX)


def test_the_strongest_are_those_of_a_stable_sort() -> None:
    """Greatest first; of equals the first column; what is missing is the least number."""
    values = np.random.default_rng(5).integers(-3, 4, (4, 50, 6)).astype(np.float32)
    found, columns = strongest(tf.constant(values), 3)
    order = np.argsort(-values, axis=2, kind="stable")[:, :, :3]

    np.testing.assert_array_equal(columns, order)
    np.testing.assert_array_equal(found, np.take_along_axis(values, order, 2))

    found, columns = strongest(tf.constant([[[1.0, 2.0]]]), 3)
    assert found.numpy().tolist() == [[[2.0, 1.0, tf.float32.min]]]
    assert columns.numpy()[0, 0, :2].tolist() == [1, 0]
