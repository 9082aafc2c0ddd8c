import weakref

import grpc
import numpy as np
import pytest
import tensorflow as tf

from serving.errors import ServingError
from serving.servables.loaded import LoadedModel
from tests.unit.serving import saved_models


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    folder = tmp_path_factory.mktemp("words") / "1"
    saved_models.export_words(folder)
    model = LoadedModel(folder)
    yield model
    model.close()


def inputs(**values):
    return {alias: tf.make_tensor_proto(value) for alias, value in values.items()}


def failure(model, signature="", outputs=(), **values):
    with pytest.raises(ServingError) as caught:
        model.predict(signature, inputs(**values), outputs)
    return caught.value


WORDS = {"words": [["ab", "c"], ["", ""]], "suffix": ["!", "?"]}


@pytest.mark.parametrize(
    ("export", "x"),
    [
        (saved_models.export_affine, [1.0, 2.0, 5.0]),
        (saved_models.export_tf1_affine, [[1.0], [2.0], [5.0]]),
        # The C++ runtime does not check the declared shape, and tutorials rely on it.
        (saved_models.export_tf1_affine, [1.0, 2.0, 5.0]),
    ],
    ids=["tf2", "tf1", "tf1-other-rank"],
)
def test_variables_are_restored(tmp_path, export, x):
    """Models of both generations of TensorFlow answer x / 2 + 2."""
    export(tmp_path / "1")
    model = LoadedModel(tmp_path / "1")
    y = model.predict("serving_default", inputs(x=np.float32(x)), [])["y"]
    np.testing.assert_allclose(np.ravel(y), [2.5, 3.0, 4.5])
    model.close()


def test_table_is_initialised(tmp_path):
    """A StaticHashTable of strings is filled at load."""
    saved_models.export_lookup(tmp_path / "1")
    model = LoadedModel(tmp_path / "1")
    assert model.predict("", inputs(id=["b", "nobody", "a"]), [])["index"].tolist() == [20, -1, 10]
    model.close()


def test_two_outputs_may_be_one_tensor(tmp_path):
    """A signature may give one tensor two names; both come."""
    saved_models.export_tf1_twins(tmp_path / "1")
    model = LoadedModel(tmp_path / "1")
    twins = model.predict("", inputs(x=np.float32([3])), [])
    assert {alias: value.tolist() for alias, value in twins.items()} == {"a": [6.0], "b": [6.0]}
    model.close()


def test_signatures_and_output_filter(words):
    """An empty name is serving_default; all outputs come, or those that were asked for."""
    everything = words.predict("", inputs(**WORDS), [])
    assert set(everything) == {"joined", "n_bytes"}
    assert everything["joined"].tolist() == [b"abc!", b"?"]
    assert everything["n_bytes"].tolist() == [4, 1]
    assert set(words.predict("serving_default", inputs(**WORDS), ["n_bytes"])) == {"n_bytes"}
    split = words.predict("split", inputs(text=["xyz", ""]), [])
    assert split["first"].tolist() == [b"x", b""]
    assert split["is_empty"].tolist() == [False, True]


@pytest.mark.parametrize("signature", ["nope", "__saved_model_init_op"])
def test_unknown_signature(words, signature):
    """The text is TensorFlow Serving's; the loader's own signatures are nobody's business."""
    error = failure(words, signature, text=["a"])
    assert error.code is grpc.StatusCode.FAILED_PRECONDITION
    assert error.message == f'Serving signature key "{signature}" not found.'


def test_missing_and_extra_inputs(words):
    """The texts of a wrong number of inputs, and of a wrong name, are TensorFlow Serving's."""
    error = failure(words, suffix=["!"])
    assert error.code is grpc.StatusCode.INVALID_ARGUMENT
    assert error.message == (
        "input size does not match signature: 1!=2 len({suffix}) != len({suffix,words}). "
        "Sent extra: {}. Missing but required: {words}."
    )
    assert failure(words, **WORDS, more=[1]).message == (
        "input size does not match signature: 3!=2 len({more,suffix,words}) != "
        "len({suffix,words}). Sent extra: {more}. Missing but required: {}."
    )
    assert failure(words, words=[["a"]], tail=["!"]).message.startswith(
        "Signature input alias: suffix(feed name: serving_default_suffix:0) not found in request"
    )


def test_wrong_output_filter(words):
    """An unknown or repeated output is refused with TensorFlow Serving's text."""
    unknown = failure(words, "", ["joined", "x"], **WORDS)
    assert unknown.code is grpc.StatusCode.INVALID_ARGUMENT
    assert unknown.message == (
        "output tensor alias not found in signature: x "
        "Outputs expected to be in the set {joined,n_bytes}."
    )
    repeated = failure(words, "", ["joined", "joined"], **WORDS)
    assert repeated.message == "duplicate output tensor alias: joined"


@pytest.mark.parametrize(
    "wrong",
    [
        {"words": np.float32([[1]]), "suffix": ["!"]},
        {"words": [["a"]], "suffix": np.int64([1])},
        {"words": [["a"], ["b"]], "suffix": ["!", "!", "!"]},
    ],
    ids=["dtype", "other-dtype", "batch"],
)
def test_wrong_dtype_or_shape_is_the_callers_fault(words, wrong):
    """TensorFlow's own complaint arrives as INVALID_ARGUMENT and the model goes on."""
    assert failure(words, **wrong).code is grpc.StatusCode.INVALID_ARGUMENT
    assert words.predict("", inputs(**WORDS), ["joined"])["joined"].tolist() == [b"abc!", b"?"]


def test_code_of_a_failing_op_is_passed_on(words):
    """As in the real server, an op that refuses a rank chooses the status itself."""
    error = failure(words, words=["rank 1"], suffix=["!"])
    assert error.code is grpc.StatusCode.OUT_OF_RANGE
    assert "Invalid reduction dimension 1" in error.message


def test_lying_tensor_names_the_input(words):
    """A shape that promises more than it carries is refused before the session sees it."""
    lying = inputs(**WORDS)
    lying["suffix"].tensor_shape.dim[0].size = 2**50
    with pytest.raises(ServingError, match=r"^INVALID_ARGUMENT: tensor parsing error: suffix: "):
        words.predict("", lying, [])


@pytest.mark.parametrize("content", [None, b"", b"garbage"])
def test_broken_folder_is_a_reported_failure(tmp_path, content):
    """A folder that holds no SavedModel fails with a reason, whatever is wrong with it."""
    if content is not None:
        (tmp_path / "saved_model.pb").write_bytes(content)
    with pytest.raises(ServingError) as caught:
        LoadedModel(tmp_path)
    assert caught.value.message


def test_lost_variables_are_a_reported_failure(tmp_path):
    """A graph without its variables does not load."""
    saved_models.export_affine(tmp_path)
    for path in (tmp_path / "variables").iterdir():
        path.unlink()
    with pytest.raises(ServingError):
        LoadedModel(tmp_path)


def test_closed_model_leaves_no_session_behind(tmp_path):
    """Closing and dropping a model frees its session without waiting for the collector."""
    saved_models.export_affine(tmp_path)
    model = LoadedModel(tmp_path)
    model.predict("", inputs(x=np.float32([1])), [])
    session = weakref.ref(model._session)
    model.close()
    del model
    assert session() is None
