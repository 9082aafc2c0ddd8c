"""The gRPC API as any server has it: see model_server_target for how to name another one."""

import threading

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_management_pb2,
    predict_pb2,
)

from tests.contract.conftest import SERVED
from tests.contract.model_server_target import AVAILABLE, CALL_S, END, fails, wait_for
from tests.unit.serving import saved_models

HALF_OF_4 = 0.5 * 4 + 2


def test_answer_names_the_version_and_signature_used(server):
    """A call that names neither is told which ones answered; floats come typed."""
    response = server.predict("half", {"x": np.float32([4, 0])})
    assert (response.model_spec.name, response.model_spec.version.value) == ("half", 1)
    assert response.model_spec.signature_name == "serving_default"
    assert list(response.outputs["y"].float_val) == [4.0, 2.0]
    assert not response.outputs["y"].tensor_content


def test_models_of_each_kind_are_served(server):
    """TF1, strings, several signatures, tables; versions with leading zeros."""
    tf1 = server.predict("tf1", {"x": np.float32([[4]])})
    assert tf.make_ndarray(tf1.outputs["y"]).tolist() == [[HALF_OF_4]]
    assert tf1.model_spec.version.value == 123
    split = server.predict("words", {"text": ["éa", ""]}, signature="split", outputs=["is_empty"])
    assert {alias: list(t.bool_val) for alias, t in split.outputs.items()} == {
        "is_empty": [False, True]
    }
    assert split.model_spec.signature_name == "split"
    joined = server.predict("words", {"words": [["a", "b"]], "suffix": ["c"]}, version=5)
    assert list(joined.outputs["joined"].string_val) == [b"abc"]
    found = server.predict("lookup", {"id": ["b", "z"]})
    assert list(found.outputs["index"].int64_val) == [20, -1]


def test_dimension_0_may_be_anything(server):
    """A scalar output, and inputs and outputs whose first sizes differ, are served as they are."""
    total = server.predict("total", {"x": np.float32([[1, 2], [3, 4], [5, 6]])}).outputs["total"]
    assert (list(total.float_val), list(total.tensor_shape.dim)) == ([21.0], [])
    turned = server.predict(
        "total", {"x": np.float32([[1, 2, 3], [4, 5, 6]])}, signature="transposed"
    )
    assert tf.make_ndarray(turned.outputs["y"]).tolist() == [[1, 4], [2, 5], [3, 6]]


def test_both_ways_to_send_values_mean_the_same(server):
    """Typed values, one value for all elements, and raw bytes are read alike."""
    dims = {"dim": [{"size": 2}]}
    for values in (
        {"float_val": [4, 4]},
        {"float_val": [4]},
        {"tensor_content": np.float32([4, 4]).tobytes()},
    ):
        request = predict_pb2.PredictRequest()
        request.model_spec.name = "half"
        x = request.inputs["x"]
        x.MergeFrom(type(x)(dtype=1, tensor_shape=dims, **values))
        answer = server.predictions.Predict(request, timeout=CALL_S)
        assert list(answer.outputs["y"].float_val) == [HALF_OF_4] * 2


def test_unknown_servable_version_label_and_signature(server):
    """The codes and texts that callers of TensorFlow Serving match on."""
    x = {"x": np.float32([1])}
    with fails(grpc.StatusCode.NOT_FOUND, "Servable not found for request: Latest(nobody)"):
        server.predict("nobody", x)
    with fails(grpc.StatusCode.NOT_FOUND, "Servable not found for request: Specific(half, 3)"):
        server.predict("half", x, version=3)
    with fails(grpc.StatusCode.NOT_FOUND, "Servable not found for request: Specific(half, 0)"):
        server.predict("half", x, version=0)
    with fails(grpc.StatusCode.INVALID_ARGUMENT, "Unrecognized servable version label: stable"):
        server.predict("half", x, label="stable")
    with fails(grpc.StatusCode.FAILED_PRECONDITION, 'Serving signature key "x" not found.'):
        server.predict("half", x, signature="x")


def test_missing_model_spec(server):
    """Each service tells a request without a model from one without a name."""
    with fails(grpc.StatusCode.INVALID_ARGUMENT, "Missing ModelSpec"):
        server.predictions.Predict(predict_pb2.PredictRequest(), timeout=CALL_S)
    with fails(grpc.StatusCode.INVALID_ARGUMENT, "ModelSpec has no name specified."):
        server.predict("", {})
    with fails(grpc.StatusCode.INVALID_ARGUMENT, "Missing ModelSpec"):
        server.models.GetModelStatus(get_model_status_pb2.GetModelStatusRequest(), timeout=CALL_S)
    with fails(grpc.StatusCode.INVALID_ARGUMENT, "Missing ModelSpec"):
        server.predictions.GetModelMetadata(
            get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"]),
            timeout=CALL_S,
        )


def test_wrong_inputs_and_outputs(server):
    """Missing inputs and unknown or repeated outputs are told as the real server tells them."""
    x = {"x": np.float32([1])}
    with fails(
        grpc.StatusCode.INVALID_ARGUMENT,
        "input size does not match signature: 0!=1 len({}) != len({x}). "
        "Sent extra: {}. Missing but required: {x}.",
    ):
        server.predict("half", {})
    with fails(
        grpc.StatusCode.INVALID_ARGUMENT,
        "output tensor alias not found in signature: z Outputs expected to be in the set {y}.",
    ):
        server.predict("half", x, outputs=["z"])
    with fails(grpc.StatusCode.INVALID_ARGUMENT, "duplicate output tensor alias: y"):
        server.predict("half", x, outputs=["y", "y"])


def test_metadata_describes_every_signature(server):
    """The signatures come packed, with names, dtypes and shapes; the version is the one in use."""
    answer = server.metadata("words", "signature_def")
    assert (answer.model_spec.name, answer.model_spec.version.value) == ("words", 5)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert answer.metadata["signature_def"].Unpack(signatures)
    assert {"serving_default", "split"} <= set(signatures.signature_def)
    text = signatures.signature_def["split"].inputs["text"]
    assert (text.dtype, [dim.size for dim in text.tensor_shape.dim]) == (7, [-1])


def test_metadata_that_is_not_there(server):
    """No field, an unknown field and an unknown model are refused in the real server's words."""
    with fails(
        grpc.StatusCode.INVALID_ARGUMENT,
        "GetModelMetadataRequest must specify at least one metadata_field",
    ):
        server.metadata("half")
    with fails(grpc.StatusCode.INVALID_ARGUMENT, "Metadata field graph is not supported"):
        server.metadata("half", "graph")
    with fails(grpc.StatusCode.NOT_FOUND, "Servable not found for request: Specific(half, 9)"):
        server.metadata("half", "signature_def", version=9)


def test_status_of_what_is_there_and_what_is_not(server):
    """An available version is so and has no error; what does not exist is NOT_FOUND."""
    (half,) = server.statuses("half", 1)
    assert (half.version, half.state, half.status.error_code) == (1, AVAILABLE, 0)
    with fails(grpc.StatusCode.NOT_FOUND, "Could not find version 9 of model half"):
        server.statuses("half", 9)
    with fails(grpc.StatusCode.NOT_FOUND, "Could not find any versions of model nobody"):
        server.statuses("nobody")


@pytest.fixture
def served_again(server, models_folder):
    """Leaves the server with the configuration that the other tests expect."""
    yield
    server.reload(models_folder.config(SERVED))


def test_reload_adds_and_removes_models(server, models_folder, served_again):
    """A reload returns once a new model answers, and unloads what it does not name."""
    saved_models.export_affine(models_folder.here / "third" / "1", slope=1 / 3, shift=0.0)
    server.reload(models_folder.config({"half": SERVED["half"], "third": ""}))
    assert server.predict("third", {"x": np.float32([6])}).outputs["y"].float_val[0] == 2.0
    wait_for(lambda: server.has("words", 5, END))
    with fails(grpc.StatusCode.NOT_FOUND, "Servable not found for request: Latest(words)"):
        server.predict("words", {"text": ["a"]}, signature="split")


def test_reload_that_cannot_be_is_refused(server, models_folder):
    """No list at all, one model twice, a relative path: an error, and the models stay."""
    with fails(
        grpc.StatusCode.INVALID_ARGUMENT,
        "ServerModelConfig type not supported by HandleReloadConfigRequest."
        " Only ModelConfigList is currently supported",
    ):
        server.models.HandleReloadConfigRequest(
            model_management_pb2.ReloadConfigRequest(), timeout=CALL_S
        )
    once = models_folder.config({"half": ""})
    entry = once[once.index("config {") : once.rindex("}")]
    with fails(
        grpc.StatusCode.INVALID_ARGUMENT,
        "Illegal to list model half multiple times in config list",
    ):
        server.reload(f"model_config_list {{ {entry} {entry} }}")
    with pytest.raises(grpc.RpcError) as caught:
        server.reload(models_folder.config({"half": ""}).replace(models_folder.there, "half", 1))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert server.predict("half", {"x": np.float32([4])}).outputs["y"].float_val[0] == HALF_OF_4


def test_labels_point_at_available_versions_only(server, models_folder, served_again):
    """A label answers once its version is there; a version that is not there refuses the reload."""
    with fails(
        grpc.StatusCode.FAILED_PRECONDITION,
        "Request to assign label to version 7 of model half, which is not currently available for "
        "inference",
    ):
        server.reload(
            models_folder.config({**SERVED, "half": 'version_labels { key: "next" value: 7 }'})
        )
    labelled = {**SERVED, "half": SERVED["half"] + ' version_labels { key: "stable" value: 1 }'}
    server.reload(models_folder.config(labelled))
    answer = server.predict("half", {"x": np.float32([4])}, label="stable")
    assert answer.model_spec.version.value == 1


def test_versions_are_chosen_by_the_policy(server, models_folder, served_again):
    """latest(n), all and specific serve what they say; a call without version gets the highest."""
    for version in (1, 2, 3):
        saved_models.export_affine(models_folder.here / "many" / str(version), shift=float(version))
    for policy, expected in (
        ("latest { num_versions: 2 }", {2, 3}),
        ("all { }", {1, 2, 3}),
        ("specific { versions: 1 versions: 2 }", {1, 2}),
    ):
        config = {"half": "", "many": f"model_version_policy {{ {policy} }}"}
        server.reload(models_folder.config(config))
        wait_for(
            lambda expected=expected: (
                {status.version for status in server.statuses("many") if status.state == AVAILABLE}
                == expected
            )
        )
        answer = server.predict("many", {"x": np.float32([0])})
        assert answer.model_spec.version.value == max(expected)
        assert list(answer.outputs["y"].float_val) == [max(expected)]


def test_switch_loses_no_call(server, models_folder, served_again):
    """While the latest version changes, every call is answered, by one version or the other."""
    base = models_folder.here / "moving"
    saved_models.export_affine(base / "1", slope=0.5, shift=2.0)
    saved_models.export_affine(models_folder.here / "staged", slope=0.5, shift=3.0)
    server.reload(models_folder.config({"half": "", "moving": ""}))
    expected = {1: HALF_OF_4, 2: HALF_OF_4 + 1}
    stop, wrong, seen = threading.Event(), [], set()

    def ask_on_and_on():
        while not stop.is_set():
            try:
                answer = server.predict("moving", {"x": np.float32([4])})
            except grpc.RpcError as error:
                wrong.append(error)
                return
            version = answer.model_spec.version.value
            seen.add(version)
            if answer.outputs["y"].float_val[0] != expected[version]:
                wrong.append(answer)

    asking = [threading.Thread(target=ask_on_and_on) for _ in range(2)]
    for thread in asking:
        thread.start()
    (models_folder.here / "staged").rename(base / "2")
    wait_for(lambda: server.has("moving", 1, END))
    stop.set()
    for thread in asking:
        thread.join()
    assert not wrong
    assert seen == {1, 2}
