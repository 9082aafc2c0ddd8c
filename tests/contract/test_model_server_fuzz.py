"""Nothing that a caller sends to Predict kills or wedges the server."""

import grpc
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import predict_pb2

from tests.contract.model_server_target import CALL_S

EXPECTED_CODES = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.UNIMPLEMENTED,
}
SIZES = st.integers(-2, 4) | st.sampled_from([2**31, 2**40, 2**62, -(2**63), 2**63 - 1])
NUMBERS = st.floats(width=32) | st.sampled_from([float("nan"), float("inf")])
TENSORS = st.builds(
    tensor_pb2.TensorProto,
    dtype=st.integers(-1, 30) | st.sampled_from([101, 107, 9999, 2**31 - 1]),
    tensor_shape=st.fixed_dictionaries(
        {
            "dim": st.lists(st.fixed_dictionaries({"size": SIZES}), max_size=4),
            "unknown_rank": st.booleans(),
        }
    ),
    tensor_content=st.binary(max_size=40),
    float_val=st.lists(NUMBERS, max_size=5),
    string_val=st.lists(st.binary(max_size=9), max_size=5),
    int64_val=st.lists(st.integers(-(2**63), 2**63 - 1), max_size=5),
    int_val=st.lists(st.integers(-(2**31), 2**31 - 1), max_size=5),
    bool_val=st.lists(st.booleans(), max_size=5),
    half_val=st.lists(st.integers(-1, 2**17), max_size=5),
)
NAMES = st.sampled_from(["x", "words", "suffix", "text", "id", ""]) | st.text(max_size=9)
MODELS = {
    "half": ["", "serving_default"],
    "words": ["", "split"],
    "lookup": [""],
    "total": ["", "transposed"],
    "tf1": [""],
}


def alive(server) -> bool:
    answer = server.predict("half", {"x": np.float32([4])})
    return list(answer.outputs["y"].float_val) == [4.0]


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    model=st.sampled_from(sorted(MODELS)).flatmap(
        lambda name: st.tuples(st.just(name), st.sampled_from(MODELS[name]))
    ),
    inputs=st.dictionaries(NAMES, TENSORS, max_size=3),
    outputs=st.lists(st.sampled_from(["y", "joined", "first"]) | st.text(max_size=9), max_size=2),
)
def test_any_tensors_get_an_answer_or_a_reason(server, model, inputs, outputs):
    """Whatever dtype, shape and values are sent, the status is one that blames the call."""
    request = predict_pb2.PredictRequest(output_filter=outputs)
    request.model_spec.name, request.model_spec.signature_name = model
    for name, tensor in inputs.items():
        request.inputs[name].CopyFrom(tensor)
    try:
        server.predictions.Predict(request, timeout=CALL_S)
    except grpc.RpcError as error:
        assert error.code() in EXPECTED_CODES, error  # noqa: PT017 - success is fine as well
    assert alive(server)


@settings(max_examples=100, deadline=None)
@given(body=st.binary(max_size=200))
def test_any_bytes_get_a_status(server, body):
    """A body that is no PredictRequest ends the call, not the server."""
    predict = server.channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
    with pytest.raises(grpc.RpcError):
        predict(body, timeout=CALL_S)
    assert alive(server)


def test_endless_names_fit_into_a_status(server):
    """A message that quotes the caller is cut before it breaks the response's headers."""
    with pytest.raises(grpc.RpcError) as caught:
        server.predict("half", {"x": np.float32([1])}, outputs=["long " * 20_000])
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert alive(server)


def test_megabytes_and_nan_are_values_like_others(server):
    """8 MB come back whole; NaN is computed with."""
    large = server.predict("half", {"x": np.zeros(2_000_000, np.float32)})
    assert len(large.outputs["y"].float_val) == 2_000_000
    nan = server.predict("half", {"x": np.float32([np.nan, 4])}).outputs["y"].float_val
    assert np.isnan(nan[0])
    assert nan[1] == 4.0
