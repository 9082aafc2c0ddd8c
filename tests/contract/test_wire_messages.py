"""Our small TensorFlow Serving messages are the official ones on the wire, both ways."""

from collections.abc import Iterator
from typing import Any

import pytest
import tensorflow as tf
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from tensorflow.core.framework import tensor_pb2, tensor_shape_pb2, types_pb2
from tensorflow_serving.apis import get_model_status_pb2, model_pb2, predict_pb2

from protos.tfserving.v1 import tfserving_pb2 as ours

OFFICIAL: dict[str, type[Message]] = {
    "TensorShapeProto": tensor_shape_pb2.TensorShapeProto,
    "TensorProto": tensor_pb2.TensorProto,
    "ModelSpec": model_pb2.ModelSpec,
    "PredictRequest": predict_pb2.PredictRequest,
    "PredictResponse": predict_pb2.PredictResponse,
    "GetModelStatusRequest": get_model_status_pb2.GetModelStatusRequest,
    # Its own module is missing from the wheel, the message is not.
    "StatusProto": type(get_model_status_pb2.ModelVersionStatus().status),
    "ModelVersionStatus": get_model_status_pb2.ModelVersionStatus,
    "GetModelStatusResponse": get_model_status_pb2.GetModelStatusResponse,
}

TENSORS = {
    "strings": {
        "dtype": 7,
        "tensor_shape": {"dim": [{"size": 1}, {"size": 3}]},
        "string_val": [b"", b"42", b"\xff\x00"],
    },
    "floats": {"dtype": 1, "tensor_shape": {"dim": [{"size": 2}]}, "float_val": [3.5, -0.0]},
    "int64s": {"dtype": 9, "tensor_shape": {"dim": [{"size": 2}]}, "int64_val": [-(2**63), 1]},
    "content": {
        "dtype": 1,
        "version_number": 1,
        "tensor_shape": {"dim": [{"size": -1, "name": "batch"}], "unknown_rank": True},
        "tensor_content": b"\x00\x00\x80?",
    },
}

# Every field of every message, and each branch of the oneof, at least once.
CASES: list[tuple[str, dict[str, Any]]] = [
    *(("TensorProto", tensor) for tensor in TENSORS.values()),
    ("TensorShapeProto", {"dim": [{"size": 7, "name": "rows"}], "unknown_rank": True}),
    ("ModelSpec", {"name": "recommend", "version": {"value": 3}, "signature_name": "rank"}),
    ("ModelSpec", {"name": "recommend", "version": {}}),
    ("ModelSpec", {"name": "recommend", "version_label": "stable"}),
    (
        "PredictRequest",
        {
            "model_spec": {"name": "recommend", "version": {"value": 2**40}},
            "inputs": TENSORS,
            "output_filter": ["scores", "movie_ids"],
        },
    ),
    ("PredictResponse", {"outputs": TENSORS, "model_spec": {"name": "ranking"}}),
    ("GetModelStatusRequest", {"model_spec": {"name": "retrieval", "version": {"value": 1}}}),
    ("StatusProto", {"error_code": 5, "error_message": "Could not find version 9"}),
    ("ModelVersionStatus", {"version": 9, "state": 30, "status": {"error_code": 13}}),
    (
        "GetModelStatusResponse",
        {"model_version_status": [{"version": 1, "state": 50}, {"version": 2, "state": 20}]},
    ),
]


@pytest.mark.parametrize(("name", "fields"), CASES)
def test_the_bytes_are_the_same(name: str, fields: dict[str, Any]) -> None:
    """The same values serialize to the same bytes, which are not empty."""
    mine = getattr(ours, name)(**fields).SerializeToString(deterministic=True)
    assert mine == OFFICIAL[name](**fields).SerializeToString(deterministic=True) != b""


@pytest.mark.parametrize(("name", "fields"), CASES)
def test_each_side_reads_the_other(name: str, fields: dict[str, Any]) -> None:
    """What one side wrote, the other parses to the values that it would have written."""
    mine, official = getattr(ours, name)(**fields), OFFICIAL[name](**fields)
    assert type(mine).FromString(official.SerializeToString()) == mine
    assert type(official).FromString(mine.SerializeToString()) == official


def messages(descriptor: Descriptor) -> Iterator[Descriptor]:
    yield descriptor
    for nested in descriptor.nested_types:
        yield from messages(nested)


def kind(field: FieldDescriptor) -> tuple[object, ...]:
    """What decides a field's bytes; an enum is an int32 on the wire."""
    is_enum = field.type == FieldDescriptor.TYPE_ENUM
    return (
        field.number,
        FieldDescriptor.TYPE_INT32 if is_enum else field.type,
        field.is_repeated,
        field.message_type.name if field.message_type else None,
        field.containing_oneof.name if field.containing_oneof else None,
    )


@pytest.mark.parametrize("name", sorted(OFFICIAL))
def test_every_field_exists_officially(name: str) -> None:
    """Each of our fields has the official one's name, number, type, label and oneof."""
    officially = {d.name: d for d in messages(OFFICIAL[name].DESCRIPTOR)}
    for message in messages(ours.DESCRIPTOR.message_types_by_name[name]):
        for field in message.fields:
            assert kind(field) == kind(officially[message.name].fields_by_name[field.name])


def test_every_message_is_compared() -> None:
    """No message of our file is missing from this test."""
    assert set(OFFICIAL) == set(ours.DESCRIPTOR.message_types_by_name)


def test_every_field_is_compared() -> None:
    """The cases set every field of every message at least once."""
    seen: set[str] = set()

    def visit(message: Message) -> None:
        for field, value in message.ListFields():
            seen.add(field.full_name)
            if field.message_type is not None:
                if field.message_type.GetOptions().map_entry:
                    value = value.values()  # noqa: PLW2901  (the entries' messages)
                for inner in value if field.is_repeated else [value]:
                    visit(inner)

    for name, fields in CASES:
        visit(getattr(ours, name)(**fields))
    declared = {
        field.full_name
        for top in ours.DESCRIPTOR.message_types_by_name.values()
        for message in messages(top)
        if not message.GetOptions().map_entry
        for field in message.fields
    }
    assert declared <= seen


def test_the_numbers_in_our_comments_are_the_official_ones() -> None:
    """The dtypes and states that our int32 fields carry mean what the comments say."""
    assert (types_pb2.DT_FLOAT, types_pb2.DT_STRING, types_pb2.DT_INT64) == (1, 7, 9)
    states = get_model_status_pb2.ModelVersionStatus.State
    assert dict(states.items()) == {
        "UNKNOWN": 0,
        "START": 10,
        "LOADING": 20,
        "AVAILABLE": 30,
        "UNLOADING": 40,
        "END": 50,
    }


def test_tensorflow_reads_a_tensor_of_ours() -> None:
    """A TensorProto of ours, sent as bytes, is the tensor that we meant."""
    sent = ours.TensorProto(**TENSORS["strings"]).SerializeToString()
    tensor = tf.make_ndarray(tensor_pb2.TensorProto.FromString(sent))
    assert tensor.tolist() == [[b"", b"42", b"\xff\x00"]]


def test_we_read_a_tensor_of_tensorflow() -> None:
    """A tensor that TensorFlow packed arrives with its dtype, shape and little-endian content."""
    sent = tf.make_tensor_proto([[1.0, -2.0]], dtype=tf.float32).SerializeToString()
    tensor = ours.TensorProto.FromString(sent)
    assert tensor.dtype == 1
    assert [dim.size for dim in tensor.tensor_shape.dim] == [1, 2]
    assert tensor.tensor_content == b"\x00\x00\x80\x3f\x00\x00\x00\xc0"
