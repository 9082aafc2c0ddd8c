"""TensorProto <-> NumPy, checking a tensor's promises before memory is taken for it.

As in TensorFlow Serving, values come as `tensor_content` or in the typed field of their dtype,
and go out in the typed field, or as `tensor_content` where that is asked for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2, types_pb2

MAX_RANK = 32
"""More dimensions than any kernel takes, fewer than NumPy's limit of 64."""

MAX_FILLED = 1 << 20
"""Elements that one single value may fill, as `tf.make_tensor_proto(0.0, shape=[8])` sends."""

_VARINT32_BITS = 35
"""Five bytes of seven bits."""

_CHUNK = 1 << 16
"""Values turned into Python objects at a time: all of a 100 MB tensor would take 800 MB."""


class TensorError(ValueError):
    """A tensor that contradicts itself, or of a dtype that cannot be sent."""


@dataclass(frozen=True, slots=True)
class _Storage:
    """How the values of a dtype lie in their typed field."""

    enum: int
    dtype: np.dtype
    field: str
    stored: np.dtype
    """What one entry of the field holds: half the bits of a complex, the bits of a half."""
    per_element: int
    """Entries of the field that make one element."""


def _storage(dtype: tf.DType, field: str, stored: npt.DTypeLike | None = None) -> _Storage:
    numpy_dtype = np.dtype(dtype.as_numpy_dtype)
    entry = np.dtype(stored) if stored else numpy_dtype
    per_element = numpy_dtype.itemsize // entry.itemsize
    return _Storage(dtype.as_datatype_enum, numpy_dtype, field, entry, per_element)


_STORAGES = (
    _storage(tf.string, "string_val"),
    _storage(tf.float32, "float_val"),
    _storage(tf.float64, "double_val"),
    _storage(tf.int64, "int64_val"),
    _storage(tf.int32, "int_val"),
    _storage(tf.int16, "int_val"),
    _storage(tf.int8, "int_val"),
    _storage(tf.uint16, "int_val"),
    _storage(tf.uint8, "int_val"),
    _storage(tf.uint32, "uint32_val"),
    _storage(tf.uint64, "uint64_val"),
    _storage(tf.bool, "bool_val"),
    _storage(tf.float16, "half_val", np.uint16),
    _storage(tf.bfloat16, "half_val", np.uint16),
    _storage(tf.complex64, "scomplex_val", np.float32),
    _storage(tf.complex128, "dcomplex_val", np.float64),
)
_BY_ENUM = {storage.enum: storage for storage in _STORAGES}
_BY_DTYPE = {storage.dtype: storage for storage in _STORAGES}


def decode_tensor(proto: tensor_pb2.TensorProto) -> np.ndarray:
    """The array in a TensorProto, strings as bytes objects; may be read-only.

    Raises:
      TensorError: the dtype is unknown, or shape and values disagree.
    """
    storage = _BY_ENUM.get(proto.dtype)
    if storage is None:
        raise TensorError(f"dtype {_dtype_name(proto.dtype)} is not supported")
    shape, n_elements = _shape(proto)
    if content := proto.tensor_content:
        values = _from_content(content, storage, n_elements)
    else:
        values = _from_field(proto, storage, n_elements)
    try:
        return values.reshape(shape)
    except ValueError as error:  # zero elements, but the other dimensions overflow
        raise TensorError(f"shape {list(shape)}: {error}") from error


def encode_tensor(
    value: object, proto: tensor_pb2.TensorProto, *, as_content: bool = False
) -> None:
    """Fills an empty TensorProto from what a session returned: an array, or a scalar.

    `as_content` sends numbers as raw bytes; strings always go out as string_val.

    Raises:
      TensorError: the dtype cannot be sent.
    """
    array = np.asarray(value, dtype=object if isinstance(value, bytes) else None)
    storage = _BY_DTYPE.get(array.dtype)
    if storage is None:
        raise TensorError(f"dtype {array.dtype} cannot be sent")
    proto.dtype = storage.enum
    proto.tensor_shape.SetInParent()
    for size in array.shape:
        proto.tensor_shape.dim.add().size = size
    flat = np.ascontiguousarray(array).reshape(-1)
    if as_content and storage.dtype != object:
        proto.tensor_content = flat.tobytes()
        return
    if storage.stored != storage.dtype:
        flat = flat.view(storage.stored)
    entries = getattr(proto, storage.field)
    for start in range(0, flat.size, _CHUNK):
        entries.extend(flat[start : start + _CHUNK].tolist())


def _dtype_name(enum: int) -> str:
    known = types_pb2.DataType.values()
    return types_pb2.DataType.Name(enum) if enum in known else str(enum)


def _shape(proto: tensor_pb2.TensorProto) -> tuple[tuple[int, ...], int]:
    promised = proto.tensor_shape
    if promised.unknown_rank:
        raise TensorError("the shape has an unknown rank")
    # This runs ten times in a call of `recommend`: a list takes half of what a generator takes.
    shape = tuple([dim.size for dim in promised.dim])
    if len(shape) > MAX_RANK:
        raise TensorError(f"rank {len(shape)}, at most {MAX_RANK}")
    if shape and min(shape) < 0:
        raise TensorError(f"shape {list(shape)} has a negative dimension")
    return shape, math.prod(shape)


def _from_content(content: bytes, storage: _Storage, n_elements: int) -> np.ndarray:
    if storage.dtype == object:
        return _strings_from_content(content, n_elements)
    n_bytes = n_elements * storage.dtype.itemsize
    if len(content) != n_bytes:
        raise TensorError(
            f"{n_elements} elements take {n_bytes} bytes, tensor_content has {len(content)}"
        )
    if storage.dtype == np.bool_:
        return np.frombuffer(content, dtype=np.uint8).astype(np.bool_)
    return np.frombuffer(content, dtype=storage.dtype)


def _strings_from_content(content: bytes, n_elements: int) -> np.ndarray:
    """Strings as C++ clients pack them: all lengths as varints, then all bytes."""
    if n_elements > len(content):
        raise TensorError(f"{n_elements} strings do not fit into {len(content)} bytes")
    lengths, at = [], 0
    for _ in range(n_elements):
        length, at = _varint(content, at)
        lengths.append(length)
    if at + sum(lengths) != len(content):
        raise TensorError(
            f"strings of {sum(lengths)} bytes are promised, tensor_content has {len(content) - at}"
        )
    values = np.empty(n_elements, dtype=object)
    for index, length in enumerate(lengths):
        values[index] = content[at : at + length]
        at += length
    return values


def _varint(content: bytes, at: int) -> tuple[int, int]:
    """The number that starts at byte `at`, and where the next one starts."""
    number = 0
    for shift in range(0, _VARINT32_BITS, 7):
        if at >= len(content):
            break
        byte = content[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
    raise TensorError("tensor_content does not start with the lengths of its strings")


def _from_field(proto: tensor_pb2.TensorProto, storage: _Storage, n_elements: int) -> np.ndarray:
    entries = getattr(proto, storage.field)
    n_entries = n_elements * storage.per_element
    filled = len(entries) == storage.per_element and 1 < n_elements <= MAX_FILLED
    if len(entries) != n_entries and not filled:
        raise TensorError(
            f"{n_elements} elements take {n_entries} values, {storage.field} has {len(entries)}"
        )
    try:
        values = np.fromiter(entries, dtype=storage.stored, count=len(entries))
    except OverflowError as error:
        raise TensorError(f"{storage.field}: {error}") from error
    if storage.stored != storage.dtype:
        values = values.view(storage.dtype)
    return np.repeat(values, n_elements) if filled else values
