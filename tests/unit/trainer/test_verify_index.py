"""What keeps a release with a bad index from being published."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from serving.contract import GoldenRequest, ModelsDir, read_manifest
from tests.staged import stage
from tests.unit.trainer.served import a_request
from trainer.export.verify_index import index_problems

HISTORIES = {"u1": (["a"], [3.0]), "u2": (["b"], [4.0])}


class Answers:
    """A loaded servable whose every signature answers alike."""

    def __init__(self, *movie_ids: str) -> None:
        ids = tf.constant([[*movie_ids, ""]])
        self.answer = {"movie_ids": ids, "scores": tf.zeros(ids.shape)}
        self.signatures = {"serving_default": lambda **_: self.answer}


def release(tmp_path: Path, *goldens: GoldenRequest, recall: float | None = 1.0) -> Any:
    models = ModelsDir(tmp_path)
    manifest = read_manifest(stage(models, "x") / "manifest.json")
    tuned = {} if recall is None else {"scann_index": {"recall@200": recall}}
    return replace(manifest, hyper_parameters=tuned, golden_requests=goldens)


@pytest.mark.parametrize(("found", "told"), [("abcd", False), ("abcx", True)])
def test_an_index_that_finds_less_than_it_was_tuned_for_is_refused(tmp_path, found, told):
    """Three of four movies are a recall of 0.75; the tuning had promised all."""
    loaded = {
        "retrieval": Answers(*"abcd"),
        "retrieval_scann": Answers(*found),
        "recommend_scann": Answers(),
    }

    problems = list(index_problems(loaded, release(tmp_path), HISTORIES))

    expected = ["retrieval_scann: recall@200 is 0.750, tuned for 1.000"] if told else []
    assert problems == expected


def test_a_filtered_request_must_be_exact(tmp_path):
    """The golden requests with a wish are put to recommend_scann; plain ones may differ."""
    wish, plain = a_request(years=[1990, 1999]), a_request()
    outputs = {"movie_ids": [["a", "b"]], "scores": [[2.0, 1.0]]}
    goldens = [
        GoldenRequest("recommend", "serving_default", inputs, outputs) for inputs in (wish, plain)
    ]
    same = Answers("a", "b")
    loaded = {"retrieval": same, "retrieval_scann": same, "recommend_scann": Answers("x", "y")}

    problems = list(index_problems(loaded, release(tmp_path, *goldens), HISTORIES))

    assert len(problems) >= 1
    assert all(problem.startswith("recommend_scann/serving_default") for problem in problems)
    loaded["recommend_scann"].answer = {
        "movie_ids": tf.constant([["a", "b"]]),
        "scores": tf.constant([[2.0, 1.0]]),
    }
    assert list(index_problems(loaded, release(tmp_path / "b", *goldens), HISTORIES)) == []


def test_a_manifest_without_the_tuning_is_refused(tmp_path):
    """Nobody could say what the index is worth."""
    problems = list(index_problems({}, release(tmp_path, recall=None), HISTORIES))

    assert problems == ["the manifest says nothing about scann_index"]
