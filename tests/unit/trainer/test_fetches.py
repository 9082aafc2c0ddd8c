"""A saved signature computes what is asked for, and says what it said before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from serving.servables.loaded import Call, LoadedModel
from trainer.export.fetches import fetch_by_name


class _Quotients(tf.Module):
    """One output that any x has, and one that fails for 0."""

    def __init__(self) -> None:
        super().__init__()
        # As in the servables: what reads a variable is not left out by itself.
        self._hundred = tf.Variable(100, trainable=False)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int32, "x")])
    def serve(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"difference": self._hundred - x, "quotient": self._hundred // x}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    module = _Quotients()
    tf.saved_model.save(module, str(tmp_path), signatures=module.serve)
    fetch_by_name(tmp_path)
    return tmp_path


def answer(model: LoadedModel, x: int, *outputs: str) -> list[list[int]]:
    signature = model.signatures["serving_default"]
    call = Call(
        "serving_default",
        (signature.inputs["x"].name,),
        tuple(signature.outputs[output].name for output in outputs),
        [np.array([x], np.int32)],
    )
    return [values.tolist() for values in model.run(call)]


def test_an_output_that_nobody_asks_for_is_not_computed(folder: Path) -> None:
    """100 // 0 is an error for who asks for it, and for nobody else."""
    model = LoadedModel(folder)

    assert answer(model, 0, "difference") == [[100]]
    with pytest.raises(Exception, match="division by zero"):
        answer(model, 0, "quotient")


def test_outputs_are_found_under_their_names(folder: Path) -> None:
    """In a session, in any order, and in TensorFlow 2."""
    model = LoadedModel(folder)
    loaded = tf.saved_model.load(str(folder)).signatures["serving_default"](x=tf.constant([7]))

    assert answer(model, 7, "difference", "quotient") == [[93], [14]]
    assert answer(model, 7, "quotient", "difference") == [[14], [93]]
    assert {name: values.numpy().tolist() for name, values in loaded.items()} == {
        "difference": [93],
        "quotient": [14],
    }
