"""The ScaNN flavours: what ScaNN gets wrong is dropped, and what it misses is exact."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from serving.contract import MANIFEST_FILE, ContractError, ModelsDir, genre_mask
from tests.staged import stage
from tests.unit.trainer.served import N_MOVIES, a_request, ask, ids_of, make_ingredients
from trainer.export.graphs import Recommend, Retrieval, Servable
from trainer.export.ingredients import Ingredients
from trainer.export.scann_graphs import RecommendScann, RetrievalScann
from trainer.export.scann_index import IndexParameters, ScannError, ScannIndex, guarded, scann_ops
from trainer.export.towers_file import read_towers, write_towers
from trainer.export.tuning import Curve, Point, measure, tune
from trainer.export.verify import ops_of

pytestmark = pytest.mark.skipif(find_spec("scann") is None, reason="no ScaNN on this platform")

EVERYTHING = IndexParameters(num_leaves=18, leaves_to_search=18, reorder=350)
ONE_LEAF = IndexParameters(num_leaves=18, leaves_to_search=1, reorder=350)


@pytest.fixture(scope="module")
def parts() -> Ingredients:
    return make_ingredients()


@pytest.fixture(scope="module")
def exact(parts: Ingredients) -> dict[str, Servable]:
    return {"recommend": Recommend(parts), "retrieval": Retrieval(parts)}


@pytest.fixture(scope="module", params=["every leaf", "one leaf"])
def approximate(parts: Ingredients, request: pytest.FixtureRequest) -> dict[str, Servable]:
    """350 movies: with every leaf all are found, with one leaf far fewer than the 300 needed."""
    parameters = EVERYTHING if request.param == "every leaf" else ONE_LEAF
    return {
        "recommend_scann": RecommendScann(parts, parameters),
        "retrieval_scann": RetrievalScann(parts, parameters),
    }


REQUESTS = {
    "plain": a_request(exclude=["", "m3", "m17"]),
    "no exclusions": a_request(),
    "unknown movies excluded": a_request(exclude=["", "nobody", "m5", "nobody"]),
    "many exclusions": a_request(exclude=["", *(f"m{n}" for n in range(0, N_MOVIES, 2))]),
    "a genre": a_request(genres=(genre_mask([1], 3), [0], [0])),
    "not a genre": a_request(genres=([0], [0], genre_mask([0], 3))),
    "years": a_request(years=[1950, 1980]),
    "one year bound": a_request(years=[1950, 2**63 - 1]),
    "by rating": a_request(order=1),
    "nobody": a_request(user="nobody", history=["", "nothing"], ratings=[0.0, 0.0]),
}


def assert_same(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    for name, values in expected.items():
        if values.dtype == object:
            assert found[name].tolist() == values.tolist(), name
        else:
            np.testing.assert_allclose(found[name], values, atol=2e-4, err_msg=name)


@pytest.mark.parametrize("request_name", REQUESTS)
def test_whatever_the_index_misses_is_exact(exact, approximate, request_name):
    """Short answers are refilled, and wishes that an index knows nothing of are honoured."""
    inputs = REQUESTS[request_name]

    found = ask(approximate, "recommend_scann", "serving_default", inputs)

    assert_same(found, ask(exact, "recommend", "serving_default", inputs))


def test_retrieval_is_refilled_too(exact, approximate):
    """The ranking of the catalogue, and movies like a movie, which are always exact."""
    person = {k: v for k, v in REQUESTS["plain"].items() if k in a_person()}
    found = ask(approximate, "retrieval_scann", "serving_default", person)
    assert_same(found, ask(exact, "retrieval", "serving_default", person))

    masks = {k: v for k, v in a_request().items() if k.startswith(("genres", "years"))}
    similar = {"movie_id": ["m3"], "mode": [[0]], **masks}
    found = ask(approximate, "retrieval_scann", "similar", similar)
    assert_same(found, ask(exact, "retrieval", "similar", similar))


def a_person() -> set[str]:
    return {"user_id", "history_ids", "history_ratings", "profile"}


@pytest.fixture(scope="module")
def large() -> Ingredients:
    """4,000 movies, so that a few leaves hold enough candidates."""
    n_movies = 4000
    words = np.ones((n_movies, 1), np.int64)
    return replace(make_ingredients(n_movies, words), years=np.full(n_movies, 2000))


def test_an_answer_of_the_index_keeps_the_contract(large):
    """200 movies, none twice, none excluded, scores falling, ratings of the movie they stand at."""
    excluded = [f"m{n}" for n in range(0, 4000, 40)]
    inputs = a_request(exclude=["", *excluded])
    parameters = IndexParameters(num_leaves=60, leaves_to_search=20, reorder=500)
    near = {"recommend_scann": RecommendScann(large, parameters)}
    far = {"recommend": Recommend(large)}

    found = ask(near, "recommend_scann", "serving_default", inputs)
    exact = ask(far, "recommend", "serving_default", inputs)

    ids = ids_of(found["movie_ids"][0])
    assert len(set(ids)) == 200
    assert not set(ids) & {"", *excluded}
    assert np.all(np.diff(found["scores"][0]) <= 0)
    same = set(ids) & set(ids_of(exact["movie_ids"][0]))
    # Not exact, so the index did answer; not far off either.
    assert 100 < len(same) < 200
    ratings = dict(zip(ids_of(exact["movie_ids"][0]), exact["ratings"][0], strict=True))
    for movie_id, rating in zip(ids, found["ratings"][0], strict=True):
        if movie_id in ratings:
            assert rating == pytest.approx(ratings[movie_id], abs=1e-4)


def test_a_row_does_not_depend_on_the_rows_beside_it(large):
    """A filtered row makes its batch search exactly, but changes no other row's answer."""
    parameters = IndexParameters(num_leaves=60, leaves_to_search=20, reorder=500)
    near = {"recommend_scann": RecommendScann(large, parameters)}
    plain, wish = a_request(), a_request(user="u1", years=[1999, 2001])

    both = {name: plain[name] + wish[name] for name in plain}
    together = ask(near, "recommend_scann", "serving_default", both)

    for row, inputs in enumerate((plain, wish)):
        alone = ask(near, "recommend_scann", "serving_default", inputs)
        assert_same({name: values[row : row + 1] for name, values in together.items()}, alone)


def test_padding_and_repeats_of_scann_do_not_count():
    """Index 0 with NaN is no movie; movie 0 with a score is one; the first mention counts."""
    nan = float("nan")
    vectors = tf.constant([[1.0, 0.0], [2.0, 0.0], [3.0, 0.0], [4.0, 0.0]])
    queries = tf.constant([[1.0, 9.0], [10.0, 9.0]])

    movies, scores, valid = guarded(
        tf.constant([[3, 3, 0, 0], [2, 0, 1, 0]]),
        tf.constant([[4.0, 4.0, nan, nan], [30.0, 10.0, 20.0, nan]]),
        queries,
        vectors,
        6,
    )

    assert valid.numpy().tolist() == [
        [True, False, False, False, False, False],
        [True, True, True, False, False, False],
    ]
    assert movies.numpy()[1, :3].tolist() == [2, 0, 1]
    assert scores.numpy()[1, :3].tolist() == [30.0, 10.0, 20.0]


def test_an_index_that_can_not_be_is_refused(parts):
    """Too few movies, more leaves than movies, more searched than there are."""
    vectors = parts.retrieval.item_vectors
    with pytest.raises(ScannError, match="99 movies, a ScaNN index needs at least 100"):
        ScannIndex(vectors[:99], ONE_LEAF)
    with pytest.raises(ScannError, match="351 leaves for 350 movies, at most one each"):
        ScannIndex(vectors, IndexParameters(351, 1, 300))
    with pytest.raises(ValueError, match=r"leaves_to_search is 5, allowed 1\.\.4"):
        IndexParameters(4, 5, 300)


def test_only_the_flavours_have_ops_that_stock_lacks(parts, tmp_path):
    """The exported graphs search with ScaNN's op; `recommend` does not know it."""
    RecommendScann(parts, EVERYTHING).save(str(tmp_path / "scann"))
    Recommend(parts).save(str(tmp_path / "exact"))

    assert "Scann>ScannSearchBatched" in ops_of(tmp_path / "scann")
    assert not any(op.startswith("Scann>") for op in ops_of(tmp_path / "exact"))

    scann_ops()
    loaded = tf.saved_model.load(str(tmp_path / "scann"))
    inputs: dict[str, Any] = {
        name: tf.constant(
            value, loaded.signatures["serving_default"].structured_input_signature[1][name].dtype
        )
        for name, value in REQUESTS["plain"].items()
    }
    answer = loaded.signatures["serving_default"](**inputs)
    live = ask(
        {"recommend_scann": RecommendScann(parts, EVERYTHING)},
        "recommend_scann",
        "serving_default",
        REQUESTS["plain"],
    )
    assert answer["movie_ids"].numpy().tolist() == live["movie_ids"].tolist()


def test_curve_grows_to_exact_search(large):
    """More leaves find more; with every leaf next to nothing is missed."""
    queries = np.random.default_rng(0).normal(size=(64, 7)).astype(np.float32)

    curve = measure(large.retrieval.item_vectors, queries)

    recalls = [point.recall for point in curve.points]
    assert recalls == sorted(recalls)
    assert recalls[0] < 0.8
    assert recalls[-1] > 0.98
    assert curve.points[-1].leaves_to_search == curve.num_leaves == 63
    assert curve.exact.recall == 1.0


def test_the_cheapest_point_that_reaches_the_target_is_chosen():
    """Where none does, the one that finds most."""
    points = (Point(1, 0.5, 0.1), Point(5, 0.98, 0.2), Point(20, 0.995, 0.9))
    curve = Curve(20, 500, Point(0, 1.0, 0.5), points)

    assert curve.chosen(0.98) == points[1]
    assert curve.chosen(0.4) == points[0]
    assert curve.chosen(0.999) == points[2]


def test_towers_come_back_from_disk_as_they_were(parts, tmp_path):
    """Every array, id and number; a graph built from them answers alike."""
    write_towers(tmp_path, parts)

    restored = read_towers(tmp_path)

    assert restored.movie_ids == parts.movie_ids
    assert restored.rating_range == parts.rating_range
    found = ask({"recommend": Recommend(restored)}, "recommend", "serving_default", a_request())
    assert_same(
        found, ask({"recommend": Recommend(parts)}, "recommend", "serving_default", a_request())
    )
    with pytest.raises(ContractError, match="train again"):
        read_towers(tmp_path / "none")


def test_a_release_of_an_earlier_contract_gets_no_index(tmp_path):
    """Its flavours would have a signature that what they stand in for has not."""
    models = ModelsDir(tmp_path)
    stage(models, "old")
    manifest = models.staging / "old" / MANIFEST_FILE
    content = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**content, "contract_version": 1}))

    with pytest.raises(ContractError, match="contract 1; train again"):
        tune(models, "old", 0.9)
