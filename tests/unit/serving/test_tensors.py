import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2, types_pb2

from serving.tensors import TensorError, decode_tensor, encode_tensor

NUMERIC = [
    tf.float32, tf.float64, tf.float16, tf.bfloat16, tf.int8, tf.int16, tf.int32, tf.int64,
    tf.uint8, tf.uint16, tf.uint32, tf.uint64, tf.bool, tf.complex64, tf.complex128,
]  # fmt: skip


def proto(dtype, shape, **values):
    message = tensor_pb2.TensorProto(dtype=dtype, **values)
    message.tensor_shape.SetInParent()
    for size in shape:
        message.tensor_shape.dim.add().size = size
    return message


@pytest.mark.parametrize("dtype", NUMERIC, ids=lambda dtype: dtype.name)
def test_typed_field_and_tensor_content_carry_the_same_array(dtype):
    """Each dtype survives both ways of sending it; TensorFlow reads what is written."""
    array = np.array([[1, 0], [3, 1], [0, 2]]).astype(dtype.as_numpy_dtype)
    written = tensor_pb2.TensorProto()
    encode_tensor(array, written)
    assert not written.tensor_content
    as_content = proto(dtype.as_datatype_enum, [3, 2], tensor_content=array.tobytes())
    for decoded in (decode_tensor(written), decode_tensor(as_content), tf.make_ndarray(written)):
        assert decoded.dtype == array.dtype
        np.testing.assert_array_equal(decoded, array)


def test_strings_travel_as_bytes():
    """Strings are bytes objects of any content, in row order."""
    array = np.array([[b"", b"\xff\x00"], [b"movie", "é".encode()]], dtype=object)
    written = tensor_pb2.TensorProto()
    encode_tensor(array, written)
    assert list(written.string_val) == [b"", b"\xff\x00", b"movie", b"\xc3\xa9"]
    assert decode_tensor(written).tolist() == array.tolist()


@pytest.mark.parametrize("scalar", [np.float32(2.5), b"text"], ids=["float", "bytes"])
def test_scalar_is_a_tensor_of_rank_0(scalar):
    """Sessions return scalars bare; they are sent with an empty, known shape."""
    written = tensor_pb2.TensorProto()
    encode_tensor(scalar, written)
    assert written.HasField("tensor_shape")
    assert tf.make_ndarray(written).shape == ()
    assert decode_tensor(written) == scalar


def test_nan_and_infinities_pass():
    """Special floats are values like others."""
    decoded = decode_tensor(
        proto(types_pb2.DT_FLOAT, [3], float_val=[float("nan"), float("inf"), float("-inf")])
    )
    np.testing.assert_array_equal(decoded, [np.nan, np.inf, -np.inf])


def test_one_value_fills_a_shape():
    """tf.make_tensor_proto(7.0, shape=[2, 2]) sends one value for four elements."""
    message = tf.make_tensor_proto(7.0, shape=[2, 2])
    assert len(message.float_val) == 1
    assert decode_tensor(message).tolist() == [[7.0, 7.0], [7.0, 7.0]]


def test_empty_tensor_keeps_its_shape():
    """Zero rows are no error."""
    assert decode_tensor(proto(types_pb2.DT_STRING, [0, 3])).shape == (0, 3)


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (proto(types_pb2.DT_FLOAT, [3], float_val=[1, 2]), "3 elements take 3 values"),
        (proto(types_pb2.DT_FLOAT, [1], float_val=[1, 2]), "1 elements take 1 values"),
        (proto(types_pb2.DT_FLOAT, [2]), "float_val has 0"),
        (proto(types_pb2.DT_FLOAT, [2], double_val=[1, 2]), "float_val has 0"),
        (proto(types_pb2.DT_STRING, [2**62], string_val=[b"x"]), "string_val has 1"),
        (proto(types_pb2.DT_FLOAT, [2**40], float_val=[1]), "float_val has 1"),
        (proto(types_pb2.DT_FLOAT, [2**62, 2**62], tensor_content=b"1234"), "tensor_content has 4"),
        (proto(types_pb2.DT_FLOAT, [2], tensor_content=b"1234567"), "take 8 bytes"),
        (proto(types_pb2.DT_STRING, [1], tensor_content=b"x"), "strings of 120 bytes"),
        (proto(types_pb2.DT_STRING, [9], tensor_content=b"x"), "9 strings do not fit"),
        (proto(types_pb2.DT_STRING, [1], tensor_content=b"\xff" * 9), "lengths of its strings"),
        (proto(types_pb2.DT_FLOAT, [0, 2**62, 2**62]), "shape"),
        (proto(types_pb2.DT_FLOAT, [-1], float_val=[1]), "negative dimension"),
        (proto(types_pb2.DT_FLOAT, [1] * 33, float_val=[1]), "rank 33, at most 32"),
        (proto(types_pb2.DT_INT8, [1], int_val=[300]), "int_val"),
        (proto(types_pb2.DT_RESOURCE, []), "DT_RESOURCE is not supported"),
        (proto(types_pb2.DT_INVALID, []), "DT_INVALID is not supported"),
        (proto(9999, [1]), "9999 is not supported"),
        (
            tensor_pb2.TensorProto(dtype=1, float_val=[1], tensor_shape={"unknown_rank": True}),
            "unknown rank",
        ),
    ],
)
def test_tensor_that_contradicts_itself_is_refused(message, told):
    """Shape, dtype and values that disagree are told apart before any memory is taken."""
    with pytest.raises(TensorError, match=told):
        decode_tensor(message)


def test_dtype_that_cannot_be_sent_is_refused():
    """An output that no field can hold is an error, not silence."""
    with pytest.raises(TensorError, match="datetime64"):
        encode_tensor(np.array(["2020-01-01"], dtype="datetime64[D]"), tensor_pb2.TensorProto())
