"""Warm-up records: what TensorFlow Serving replays before a version is AVAILABLE."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from serving.contract import WARMUP_FILE
from tests.unit.trainer.served import make_ingredients
from trainer.export.graphs import Ranking
from trainer.export.warmup import read_warmup, warmup_problems, write_warmup

PERSON = {
    "user_id": ["u1"],
    "history_ids": [["", *(f"m{n}" for n in range(40))]],
    "history_ratings": [[0.0, *(3.0 for _ in range(40))]],
    "profile": [["", "age:30"]],
}
EXAMPLES: list[tuple[str, str, dict[str, Any]]] = [
    ("retrieval", "serving_default", PERSON),
    ("ranking", "rank", {**PERSON, "movie_ids": [["", "m1", "m2"]]}),
    ("ranking", "serving_default", {"user_id": ["u1"], "movie_id": ["m1"]}),
    ("ranking", "serving_default", {"user_id": ["never taken"], "movie_id": ["m1"]}),
]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("ranking")
    Ranking(make_ingredients()).save(str(folder))
    return tf.saved_model.load(str(folder))


def rewrite(folder: Path, records: list[prediction_log_pb2.PredictionLog]) -> None:
    with tf.io.TFRecordWriter(str(folder / WARMUP_FILE)) as writer:
        for record in records:
            writer.write(record.SerializeToString())


def test_every_signature_and_batch_size_has_one_record(tmp_path, loaded):
    """2 signatures times 7 sizes, each a call of the SavedModel that passes; a few kB."""
    write_warmup(tmp_path, "ranking", EXAMPLES)

    requests = [record.predict_log.request for record in read_warmup(tmp_path)]
    found = {
        (r.model_spec.signature_name, r.inputs["user_id"].tensor_shape.dim[0].size)
        for r in requests
    }
    sizes = (1, 2, 4, 8, 16, 32, 64)
    assert found == {(s, n) for s in ("rank", "serving_default") for n in sizes}
    assert len(requests) == 14
    assert {r.model_spec.name for r in requests} == {"ranking"}
    assert not any(b"never taken" in r.SerializeToString() for r in requests)
    assert (tmp_path / WARMUP_FILE).stat().st_size < 100_000
    assert list(warmup_problems("ranking", tmp_path, loaded)) == []


WISH = {
    "genres_any": [[0]],
    "genres_all": [[0]],
    "genres_none": [[0]],
    "years": [[1990, 1999]],
    "order": [[0]],
}
LISTS: list[tuple[str, str, dict[str, Any]]] = [
    ("recommend", "serving_default", {**PERSON, "exclude_ids": [[""]], **WISH}),
    (
        "recommend",
        "by_number",
        {
            "user_id": ["u1"],
            "history_numbers": [[0, 1]],
            "history_ratings": [[0.0, 3.0]],
            "profile": [[""]],
            "exclude_numbers": [[0]],
            **WISH,
        },
    ),
]
LISTED = ("movie_numbers", "scores", "ratings")


def test_what_callers_fetch_is_fetched_once_before(tmp_path):
    """Of `by_number` a list alone, and one with reasons; every record else fetches all outputs."""
    for servable in ("recommend", "recommend_scann"):
        write_warmup(tmp_path, servable, LISTS)

        requests = [record.predict_log.request for record in read_warmup(tmp_path)]
        fetched = [(r.model_spec.signature_name, tuple(r.output_filter)) for r in requests]
        assert [one for one in fetched if one[1]] == [
            ("by_number", LISTED),
            ("by_number", (*LISTED, "reason_places", "reason_drops")),
        ]
        assert len(requests) == 2 * 7 + 2


def test_a_fetch_that_is_not_made_is_named(tmp_path):
    """Its first caller would wait for it."""
    write_warmup(tmp_path, "recommend", LISTS)
    records = list(read_warmup(tmp_path))
    outputs = dict.fromkeys((*LISTED, "reason_places", "reason_drops"))
    answers = dict.fromkeys(("serving_default", "by_number"), lambda **_inputs: outputs)
    loaded = SimpleNamespace(signatures=answers)
    assert list(warmup_problems("recommend", tmp_path, loaded)) == []

    rewrite(tmp_path, [r for r in records if len(r.predict_log.request.output_filter) != 3])

    assert list(warmup_problems("recommend", tmp_path, loaded)) == [
        "recommend: no warm-up record of by_number that fetches movie_numbers, scores, ratings"
    ]


def test_rows_are_as_narrow_as_a_bucket_and_start_neutral(tmp_path):
    """Of 41 values the neutral first and the newest 15 stay."""
    write_warmup(tmp_path, "ranking", EXAMPLES)

    first = next(iter(read_warmup(tmp_path))).predict_log.request
    ids = tf.make_ndarray(first.inputs["history_ids"]).tolist()
    assert ids == [[b"", *(f"m{n}".encode() for n in range(25, 40))]]


def test_a_signature_without_an_example_is_named(tmp_path):
    """A servable is never exported with half of its records."""
    with pytest.raises(ValueError, match="ranking: no example of rank"):
        write_warmup(tmp_path, "ranking", EXAMPLES[2:])


def test_a_failing_record_is_found_before_the_model_server_finds_it(tmp_path, loaded):
    """A wrong dtype, an unknown signature, a missing size, too many records."""
    write_warmup(tmp_path, "ranking", EXAMPLES)
    records = list(read_warmup(tmp_path))
    wrong = records[0].predict_log.request.inputs["history_ratings"]
    wrong.CopyFrom(tf.make_tensor_proto([["no number"] * 16]))
    records[1].predict_log.request.output_filter.append("nothing")
    records[-1].predict_log.request.model_spec.signature_name = "nonsense"
    rewrite(tmp_path, records * 72)

    problems = list(warmup_problems("ranking", tmp_path, loaded))

    assert problems[0] == "ranking: 1008 warm-up records, at most 1000 are allowed"
    assert any("a warm-up record of rank fails" in problem for problem in problems)
    assert any("calls 'nonsense', which is no signature" in problem for problem in problems)
    assert "ranking: a warm-up record of rank fetches nothing" in problems
    assert problems[-2:] == [
        "ranking: no warm-up record of rank with batch size 1",
        "ranking: no warm-up record of serving_default with batch size 64",
    ]


def test_missing_records_are_an_error(tmp_path, loaded):
    """Without the file the first caller would wait for the graph's optimisation."""
    with pytest.raises(FileNotFoundError):
        list(warmup_problems("ranking", tmp_path, loaded))
