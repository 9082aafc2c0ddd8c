"""Which requests become golden: those that the modules answer alike in every batch."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import tensorflow as tf

from trainer.export.golden import GoldenError, record


def ranking() -> SimpleNamespace:
    """Rates "sure" 3 and "tied" by the size of the batch, as a tie at a cut would."""

    def rate(user_id: tf.Tensor, movie_id: tf.Tensor) -> dict[str, tf.Tensor]:
        size = tf.cast(tf.shape(user_id)[0], tf.float32)
        return {"rating": tf.where(movie_id == "tied", size, 3.0)}

    return SimpleNamespace(functions={"serving_default": rate})


def pair(movie_id: str) -> tuple[str, str, dict[str, list[str]]]:
    return "ranking", "serving_default", {"user_id": ["u"], "movie_id": [movie_id]}


def test_a_request_that_ties_is_not_recorded():
    """Only the request whose answer does not depend on its batch is kept, with that answer."""
    golden = record({"ranking": ranking()}, [pair("tied"), pair("sure")])

    assert [request.inputs["movie_id"] for request in golden] == [["sure"]]
    assert golden[0].outputs == {"rating": [3.0]}


def test_a_signature_without_a_stable_request_is_an_error():
    """Nothing to hold a copy to is no golden request at all."""
    with pytest.raises(GoldenError, match="ranking/serving_default"):
        record({"ranking": ranking()}, [pair("tied")])
