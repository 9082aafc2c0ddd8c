"""NumPy arrays <-> TensorProto, for the three dtypes of the artifact contract."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from protos.tfserving.v1 import tfserving_pb2 as tf
from server.errors import ContractViolation
from serving.contract import Dtype, TensorDef

Array = NDArray[Any]

DTYPE_CODES: Final[Mapping[Dtype, int]] = {"float32": 1, "string": 7, "int64": 9}
"""tensorflow.DataType's numbers."""

_NUMPY_DTYPES: Final[Mapping[Dtype, np.dtype[Any]]] = {
    "float32": np.dtype("<f4"),
    "int64": np.dtype("<i8"),
    "string": np.dtype(object),
}


def fill(tensor: tf.TensorProto, values: Array, dtype: Dtype) -> None:
    """Writes these values into an empty tensor; strings travel as UTF-8."""
    tensor.dtype = DTYPE_CODES[dtype]
    for size in values.shape:
        tensor.tensor_shape.dim.add(size=size)
    if dtype == "string":
        # map: a generator's own steps would cost as much as what they do.
        tensor.string_val.extend(map(str.encode, values.ravel().tolist()))
    else:
        tensor.tensor_content = values.astype(_NUMPY_DTYPES[dtype], copy=False).tobytes()


def decode(
    tensor: tf.TensorProto, expected: TensorDef, sizes: Mapping[str, int], name: str
) -> Array:
    """The values of an output; strings as an object array of str.

    Args:
      tensor: the output as it came.
      expected: its dtype and dimensions by the contract.
      sizes: letter of a dimension -> its size; a letter that is not there may have any.
      name: what to call the output in an error.

    Raises:
      ContractViolation: dtype, shape or number of values is another one, or a number is not
        finite.
    """
    if tensor.dtype != DTYPE_CODES[expected.dtype]:
        raise ContractViolation(
            f"{name}: dtype {tensor.dtype}, expected {DTYPE_CODES[expected.dtype]}"
            f" ({expected.dtype})"
        )
    shape = tuple(dim.size for dim in tensor.tensor_shape.dim)
    wanted = tuple(d if isinstance(d, int) else sizes.get(d) for d in expected.dims)
    if len(shape) != len(wanted) or any(
        size < 0 or want not in (None, size) for size, want in zip(shape, wanted, strict=True)
    ):
        raise ContractViolation(f"{name}: shape {shape}, expected {wanted}")
    values = _values(tensor, expected.dtype, prod(shape), name).reshape(shape)
    if expected.dtype == "float32" and not np.isfinite(values).all():
        raise ContractViolation(f"{name}: a value is not finite")
    return values


def _values(tensor: tf.TensorProto, dtype: Dtype, n_values: int, name: str) -> Array:
    if dtype == "string":
        try:
            flat: Array = np.array(list(map(bytes.decode, tensor.string_val)), object)
        except UnicodeDecodeError as error:
            raise ContractViolation(f"{name}: a string is not UTF-8") from error
    elif tensor.tensor_content:
        if len(tensor.tensor_content) != n_values * _NUMPY_DTYPES[dtype].itemsize:
            raise ContractViolation(
                f"{name}: {len(tensor.tensor_content)} bytes of content for {n_values} values"
            )
        flat = np.frombuffer(tensor.tensor_content, _NUMPY_DTYPES[dtype])
    else:
        listed = tensor.float_val if dtype == "float32" else tensor.int64_val
        flat = np.array(listed, _NUMPY_DTYPES[dtype])
    if 0 < flat.size < n_values:
        # TensorFlow leaves out a run of equal values at the end.
        flat = np.concatenate([flat, np.repeat(flat[-1:], n_values - flat.size)])
    if flat.size != n_values:
        raise ContractViolation(f"{name}: {flat.size} values, expected {n_values}")
    return flat
