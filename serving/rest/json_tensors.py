"""JSON <-> tensors, in the row and the column form of TensorFlow Serving's REST API."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from tensorflow.core.framework import tensor_pb2, types_pb2
from tensorflow.core.protobuf import meta_graph_pb2

from serving.errors import invalid_argument, unimplemented
from serving.tensors import MAX_RANK

Inputs = Mapping[str, meta_graph_pb2.TensorInfo]

_BASE64_KEY: Final = "b64"
_LONGEST_QUOTE: Final = 256
"""Characters of a JSON value that an error message shows."""


def _is_integer(low: int, high: int) -> Callable[[object], bool]:
    return lambda value: type(value) is int and low <= value <= high


_is_int32 = _is_integer(-(2**31), 2**31 - 1)


def _is_number(value: object) -> bool:
    return type(value) is int or type(value) is float


@dataclass(frozen=True, slots=True)
class _Kind:
    """How values of a dtype look in JSON, and where they lie in a TensorProto."""

    field: str
    accepts: Callable[[object], bool]


_KINDS: Final = {
    types_pb2.DT_FLOAT: _Kind("float_val", _is_number),
    types_pb2.DT_DOUBLE: _Kind("double_val", _is_number),
    types_pb2.DT_INT32: _Kind("int_val", _is_int32),
    types_pb2.DT_INT16: _Kind("int_val", _is_int32),
    types_pb2.DT_INT8: _Kind("int_val", _is_int32),
    types_pb2.DT_UINT8: _Kind("int_val", _is_int32),
    types_pb2.DT_STRING: _Kind("string_val", lambda value: type(value) is str),
    types_pb2.DT_INT64: _Kind("int64_val", _is_integer(-(2**63), 2**63 - 1)),
    types_pb2.DT_BOOL: _Kind("bool_val", lambda value: type(value) is bool),
    types_pb2.DT_UINT32: _Kind("uint32_val", _is_integer(0, 2**32 - 1)),
    types_pb2.DT_UINT64: _Kind("uint64_val", _is_integer(0, 2**64 - 1)),
}


def quoted(value: object) -> str:
    """A JSON value as error messages show it, cut short."""
    return json.dumps(value, ensure_ascii=False)[:_LONGEST_QUOTE]


def read_tensor(value: object, dtype: int, tensor: tensor_pb2.TensorProto) -> None:
    """Fills an empty TensorProto from a JSON value of any nesting.

    Raises:
      ServingError: INVALID_ARGUMENT, values or nesting do not fit; UNIMPLEMENTED, JSON has no
        form for the dtype.
    """
    tensor.dtype = dtype
    shape = _shape(value)
    tensor.tensor_shape.SetInParent()
    for size in shape:
        tensor.tensor_shape.dim.add().size = size
    leaves: list[Any] = []
    _read(value, 0, shape, dtype, leaves)
    if leaves:
        try:
            getattr(tensor, _KINDS[dtype].field).extend(leaves)
        except (OverflowError, ValueError) as error:
            raise invalid_argument(f"JSON Value: {quoted(value)} {error}") from error


def _shape(value: object) -> list[int]:
    """Lengths of the lists, judged by the first element of each."""
    shape = []
    while isinstance(value, list):
        shape.append(len(value))
        if len(shape) > MAX_RANK:
            raise invalid_argument(f"Lists are nested deeper than {MAX_RANK}")
        if not value:
            break
        value = value[0]
    return shape


def _read(value: object, level: int, shape: list[int], dtype: int, leaves: list[Any]) -> None:
    if not isinstance(value, list):
        if level != len(shape):
            raise invalid_argument(
                f"JSON Value: {quoted(value)} found at incorrect level: {level + 1} in the JSON "
                f"DOM. Expected at level: {len(shape)}"
            )
        leaves.append(_leaf(value, dtype))
        return
    if level >= len(shape):
        raise invalid_argument(
            f"Encountered list at unexpected level: {level} expected < {len(shape)}"
        )
    if len(value) != shape[level]:
        raise invalid_argument(
            f"Encountered list at unexpected size: {len(value)} at level: {level} expected size: "
            f"{shape[level]}"
        )
    for element in value:
        _read(element, level + 1, shape, dtype, leaves)


def _leaf(value: object, dtype: int) -> object:
    if isinstance(value, dict) and dtype == types_pb2.DT_STRING:
        return _from_base64(value)
    kind = _KINDS.get(dtype)
    if kind is None and not isinstance(value, dict):
        raise unimplemented(
            f"Conversion of JSON Value: {quoted(value)} to type: {dtype_name(dtype)}"
        )
    if kind is None or not kind.accepts(value):
        raise invalid_argument(
            f"JSON Value: {quoted(value)} Type: {_type_name(value)} is not of expected type: "
            f"{dtype_name(dtype)}"
        )
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value


def is_base64(value: object) -> bool:
    """Whether this is the JSON form of bytes: {"b64": "<text>"} and nothing else."""
    return (
        isinstance(value, dict)
        and value.keys() == {_BASE64_KEY}
        and type(value[_BASE64_KEY]) is str
    )


def _from_base64(value: dict[str, Any]) -> bytes:
    if not is_base64(value):
        raise invalid_argument(
            f"JSON Value: {quoted(value)} not formatted correctly for base64 data"
        )
    try:
        return base64.b64decode(value[_BASE64_KEY], validate=True)
    except (binascii.Error, ValueError) as error:
        raise invalid_argument("Unable to base64 decode") from error


def dtype_name(dtype: int) -> str:
    """A dtype as TensorFlow's C++ messages name it: "float", "int64", ..."""
    return types_pb2.DataType.Name(dtype).removeprefix("DT_").lower()


_TYPE_NAMES: Final = {
    "NoneType": "Null",
    "dict": "Object",
    "list": "Array",
    "str": "String",
    "int": "Number",
    "float": "Number",
}


def _type_name(value: object) -> str:
    """What the real server's JSON parser calls the type."""
    return str(value) if isinstance(value, bool) else _TYPE_NAMES[type(value).__name__]


def json_values(name: str, array: np.ndarray, dtype: int) -> Any:
    """An output as lists and scalars that `json.dumps` takes.

    Floats keep the shortest digits that are read back as the same value of their own precision;
    strings of outputs that are named ..._bytes become base64 objects.

    Raises:
      ServingError: INVALID_ARGUMENT, JSON has no form for the dtype.
    """
    if dtype not in _KINDS:
        raise invalid_argument(f"Failed to write JSON value for tensor type: {dtype_name(dtype)}")
    if dtype == types_pb2.DT_FLOAT:
        return array.astype("U32").astype(np.float64).tolist()
    if dtype != types_pb2.DT_STRING:
        return array.tolist()
    write = _to_base64 if name.endswith("_bytes") else _to_text
    flat = np.empty(array.size, dtype=object)
    flat[:] = [write(text) for text in array.reshape(-1)]
    return flat.reshape(array.shape).tolist()


def _to_base64(content: bytes) -> dict[str, str]:
    return {_BASE64_KEY: base64.b64encode(content).decode("ascii")}


def _to_text(content: bytes) -> str:
    # Bytes that are no UTF-8 leave as they are, as in the real server.
    return content.decode("utf-8", "surrogateescape")
