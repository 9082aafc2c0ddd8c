"""The verification finds what may not be published: each fault is built, saved and reloaded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from serving.contract import GoldenRequest
from tests.unit.trainer.served import HISTORY, RATINGS, make_ingredients
from trainer.export import golden
from trainer.export.graphs import Ranking, Servable
from trainer.export.verify import BATCH_SIZES, foreign_ops, golden_problems, signature_problems

PEOPLE = (("u2", HISTORY, RATINGS), ("u0", ["m9"], [2.0]), ("nobody", ["m1", "m4"], [5.0, 4.0]))


class ManifestOf:
    """What golden_problems reads of a manifest."""

    def __init__(self, requests: tuple[GoldenRequest, ...]) -> None:
        self.golden_requests = requests


def saved(servable: Servable, folder: Path, leave_out: str = "") -> Path:
    functions = {name: f for name, f in servable.functions.items() if name != leave_out}
    tf.saved_model.save(servable, str(folder / "ranking"), signatures=functions)
    return folder / "ranking"


def recorded(servable: Servable) -> tuple[GoldenRequest, ...]:
    """Goldens of both signatures of `ranking`, for three users."""
    examples: list[tuple[str, str, dict[str, Any]]] = []
    for user, history, ratings in PEOPLE:
        person = {
            "user_id": [user],
            "history_ids": [["", *history]],
            "history_ratings": [[0.0, *ratings]],
            "profile": [[""]],
        }
        examples.append(("ranking", "rank", {**person, "movie_ids": [["", "m7", "m8"]]}))
        examples.append(("ranking", "serving_default", {"user_id": [user], "movie_id": ["m7"]}))
    return golden.record({"ranking": servable}, examples)


def changed_pairs(change: Callable[[tf.Tensor], tf.Tensor]) -> Servable:
    """A `ranking` whose pair signature answers `change` of the right ratings [B]."""

    class Changed(Ranking):
        def call_serving_default(
            self, *, user_id: tf.Tensor, movie_id: tf.Tensor
        ) -> dict[str, tf.Tensor]:
            right = super().call_serving_default(user_id=user_id, movie_id=movie_id)
            return {"rating": change(right["rating"])}

    return Changed(make_ingredients())


@pytest.fixture(scope="module")
def ranking() -> Ranking:
    return Ranking(make_ingredients())


@pytest.fixture(scope="module")
def right(ranking: Ranking, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(ranking, tmp_path_factory.mktemp("right"))


def test_a_right_servable_has_no_problem(ranking, right):
    """Nothing foreign, every signature as the contract says, every golden request reproduced."""
    loaded = tf.saved_model.load(str(right))

    assert foreign_ops(right) == []
    assert list(signature_problems("ranking", loaded)) == []
    assert list(golden_problems({"ranking": loaded}, ManifestOf(recorded(ranking)))) == []


def test_a_wrong_dtype_is_named(tmp_path):
    """An output of float64 where the contract says float32."""
    loaded = tf.saved_model.load(
        str(saved(changed_pairs(lambda r: tf.cast(r, tf.float64)), tmp_path))
    )

    assert list(signature_problems("ranking", loaded)) == [
        "ranking/serving_default output rating is float64, the contract says float32"
    ]


def test_a_wrong_shape_is_named(tmp_path):
    """[B, 1] where the contract says [B]."""
    loaded = tf.saved_model.load(str(saved(changed_pairs(lambda r: r[:, None]), tmp_path)))

    assert list(signature_problems("ranking", loaded)) == [
        "ranking/serving_default output rating has shape (None, 1), the contract says [B]"
    ]


def test_a_missing_signature_is_named(ranking, tmp_path):
    """`rank` was not saved."""
    loaded = tf.saved_model.load(str(saved(ranking, tmp_path, leave_out="rank")))

    assert list(signature_problems("ranking", loaded)) == ["ranking/rank: missing"]


def test_missing_inputs_and_outputs_are_named(right):
    """Another servable's signatures list what is there and what should be."""
    loaded = tf.saved_model.load(str(right))
    problems = list(signature_problems("retrieval", loaded))

    assert [problem.split(", the contract")[0] for problem in problems] == [
        "retrieval/serving_default inputs are ['movie_id', 'user_id']",
        "retrieval/serving_default outputs are ['rating']",
        "retrieval/similar: missing",
    ]


@pytest.mark.parametrize("wrapped", [False, True])
def test_an_op_that_calls_python_is_foreign(tmp_path, wrapped):
    """A tf.py_function, inside a function of the graph too, can't run in another process."""

    def in_python(ratings: tf.Tensor) -> tf.Tensor:
        return tf.ensure_shape(tf.py_function(lambda r: r, [ratings], tf.float32), [None])

    servable = changed_pairs(tf.function(in_python) if wrapped else in_python)

    assert foreign_ops(saved(servable, tmp_path)) == ["EagerPyFunc"]


def test_an_op_that_nobody_registers_is_foreign(right, tmp_path):
    """A custom op is named before anything is loaded."""
    graph = (right / "saved_model.pb").read_bytes()
    other = tmp_path / "other"
    other.mkdir()
    # Same length, so that the protobuf stays well-formed.
    (other / "saved_model.pb").write_bytes(graph.replace(b"GatherV2", b"GatherX7"))

    assert foreign_ops(other) == ["GatherX7"]


def test_a_golden_mismatch_is_named(ranking, tmp_path):
    """A rating that is off by a hundredth, in every batch size."""
    loaded = tf.saved_model.load(str(saved(changed_pairs(lambda r: r + 0.01), tmp_path)))
    problems = list(golden_problems({"ranking": loaded}, ManifestOf(recorded(ranking))))

    assert len(problems) == len(PEOPLE) + len(BATCH_SIZES)
    assert all("ranking/serving_default: rating differs by 0.00" in found for found in problems)
    assert [found.split(":")[0] for found in problems if "batch" in found] == [
        f"batch of {size}" for size in (1, 7, 64)
    ]


def test_a_row_that_looks_at_its_neighbours_is_found(ranking, tmp_path):
    """Right one by one, wrong as a batch: the rows of a batch are different requests."""
    loaded = tf.saved_model.load(
        str(saved(changed_pairs(lambda r: (r + tf.reduce_mean(r)) / 2), tmp_path))
    )
    problems = list(golden_problems({"ranking": loaded}, ManifestOf(recorded(ranking))))

    assert problems
    assert all(found.startswith("batch of ") for found in problems)


def test_nan_is_a_mismatch(ranking, tmp_path):
    """An answer that is no number differs from every number."""
    loaded = tf.saved_model.load(str(saved(changed_pairs(lambda r: r * np.nan), tmp_path)))

    assert list(golden_problems({"ranking": loaded}, ManifestOf(recorded(ranking))))
