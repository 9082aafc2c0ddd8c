"""Tensors as bytes and back, and every way in which they can be wrong."""

from __future__ import annotations

import re
import struct

import numpy as np
import pytest

from protos.tfserving.v1 import tfserving_pb2 as tf
from server.codec import Array, decode, fill
from server.errors import ContractViolation
from serving.contract import Dtype, TensorDef


def tensor(dtype: int, shape: tuple[int, ...], **values: object) -> tf.TensorProto:
    message = tf.TensorProto(dtype=dtype, **values)
    for size in shape:
        message.tensor_shape.dim.add(size=size)
    return message


def encode(values: Array, dtype: Dtype) -> tf.TensorProto:
    message = tf.TensorProto()
    fill(message, values, dtype)
    return message


def test_numbers_travel_as_little_endian_content() -> None:
    """Floats and integers are tensor_content in C order, also from a transposed array."""
    floats = encode(np.array([[1, 2], [3, 4]], np.float64).T, "float32")
    integers = encode(np.array([-(2**63)]), "int64")

    assert floats == tensor(1, (2, 2), tensor_content=struct.pack("<4f", 1, 3, 2, 4))
    assert integers == tensor(9, (1,), tensor_content=struct.pack("<q", -(2**63)))


def test_strings_travel_as_utf8() -> None:
    """Strings are string_val, one entry each, empty ones too."""
    assert encode(np.array([["", "é"]], object), "string") == tensor(
        7, (1, 2), string_val=[b"", "é".encode()]
    )


@pytest.mark.parametrize(
    "message",
    [
        tensor(1, (1, 3), float_val=[1, 2, 2]),
        tensor(1, (1, 3), tensor_content=struct.pack("<3f", 1, 2, 2)),
        tensor(1, (1, 3), float_val=[1, 2]),
    ],
    ids=["float_val", "tensor_content", "shortened"],
)
def test_every_form_of_numbers_is_read(message: tf.TensorProto) -> None:
    """Listed values, raw content, and a list whose equal tail was left out mean the same."""
    assert decode(message, TensorDef("float32", ("B", "K")), {"B": 1}, "x").tolist() == [[1, 2, 2]]


def test_strings_are_read_as_text() -> None:
    """Strings come back as str, in their shape."""
    message = tensor(7, (2, 1), string_val=[b"a", "é".encode()])

    assert decode(message, TensorDef("string", ("B", 1)), {}, "x").tolist() == [["a"], ["é"]]


def test_an_empty_tensor_is_read() -> None:
    """A dimension of size 0 needs no values."""
    values = decode(tensor(1, (1, 0)), TensorDef("float32", ("B", "D")), {}, "x")

    assert values.shape == (1, 0)


@pytest.mark.parametrize(
    ("message", "fault"),
    [
        (tensor(9, (1, 2), int64_val=[1, 2]), "dtype 9, expected 1"),
        (tensor(1, (2,), float_val=[1, 2]), r"shape \(2,\)"),
        (tensor(1, (1, 3), float_val=[1, 2, 3]), r"shape \(1, 3\), expected \(1, 2\)"),
        (tensor(1, (2, 2), float_val=[1, 2, 3, 4]), r"shape \(2, 2\)"),
        (tensor(1, (1, 2)), "0 values, expected 2"),
        (tensor(1, (1, 2), float_val=[1, 2, 3]), "3 values, expected 2"),
        (tensor(1, (1, 2), tensor_content=b"1234"), "4 bytes"),
        (tensor(1, (1, 2), float_val=[1, float("nan")]), "not finite"),
    ],
)
def test_a_broken_number_tensor_is_a_contract_violation(
    message: tf.TensorProto, fault: str
) -> None:
    """Wrong dtype, rank, size, count or a NaN is named, never passed on."""
    expected = TensorDef("float32", ("B", 2))

    with pytest.raises(ContractViolation) as caught:
        decode(message, expected, {"B": 1}, "scores")

    assert re.search(fault, caught.value.detail)
    assert caught.value.detail.startswith("scores: ")


def test_a_string_that_is_no_text_is_a_contract_violation() -> None:
    """Ids are UTF-8."""
    with pytest.raises(ContractViolation) as caught:
        decode(tensor(7, (1,), string_val=[b"\xff"]), TensorDef("string", ("B",)), {}, "ids")

    assert "UTF-8" in caught.value.detail
