"""Several calls' tensors to one tensor, and one output back to several calls' outputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise

import grpc
import numpy as np

from serving.errors import ServingError, failed_precondition, invalid_argument

MAX_PADDED_RANK = 6

Fill = Callable[[np.ndarray], object]
"""The value that widens an array."""


def count_rows(values: Sequence[np.ndarray]) -> int:
    """The 0th dimension that all inputs of a call share.

    Raises:
      ServingError: INVALID_ARGUMENT, they share none.
    """
    if not values:
        raise invalid_argument("Batching Run() must have at least one input tensor")
    if any(value.ndim == 0 for value in values):
        raise invalid_argument("Batching Run() input tensors must have at least one dimension")
    sizes = {value.shape[0] for value in values}
    if len(sizes) > 1:
        raise invalid_argument("Batching Run() input tensors must have equal 0th-dimension size")
    return sizes.pop()


def first_element(array: np.ndarray) -> object:
    """What the real server widens an array with.

    Raises:
      ServingError: INVALID_ARGUMENT, there is no element, or the rank is too high.
    """
    if array.size == 0:
        raise invalid_argument("Got empty tensor in batch of non-empty tensors.")
    if array.ndim > MAX_PADDED_RANK:
        raise invalid_argument("Only tensors with rank from 1 to 6 can be padded.")
    return array.flat[0]


def joined(name: str, arrays: Sequence[np.ndarray], n_rows: int, fill: Fill | None) -> np.ndarray:
    """[n_rows, ...] the arrays below each other; missing rows repeat the last array's first.

    Args:
      name: of the tensor, for messages.
      arrays: of one dtype.
      n_rows: at least the sum of their rows.
      fill: widens arrays that are narrower than others; None refuses to.

    Raises:
      ServingError: FAILED_PRECONDITION, the shapes differ and may not be widened.
    """
    first = arrays[0]
    inner = {array.shape[1:] for array in arrays}
    widths = inner.pop() if len(inner) == 1 else None
    if widths is None:
        if fill is None or any(array.ndim != first.ndim for array in arrays):
            raise failed_precondition(
                f"Tensors with name '{name}' from different tasks have different shapes and "
                "padding is turned off. Set pad_variable_length_inputs to true, or ensure that "
                "all tensors with the same name have equal dimensions starting with the first dim."
            )
        widths = tuple(np.max([array.shape[1:] for array in arrays], axis=0).tolist())
    merged = np.empty((n_rows, *widths), dtype=first.dtype)
    at = 0
    for array in arrays:
        block = merged[at : at + len(array)]
        if array.shape[1:] != widths and fill is not None:
            block[...] = fill(array)
            block[tuple(slice(size) for size in array.shape)] = array
        else:
            block[...] = array
        at += len(array)
    if at < n_rows:
        merged[at:] = merged[at - len(arrays[-1])]
    return merged


def divided(outputs: Sequence[object], rows: Sequence[int], n_rows: int) -> list[list[np.ndarray]]:
    """For each call its rows of each output.

    Args:
      outputs: of the joined call.
      rows: of each call.
      n_rows: of the joined call, with what it was filled up by.

    Raises:
      ServingError: FAILED_PRECONDITION, an output has not one row for each row of input.
    """
    arrays = [_array(output) for output in outputs]
    for array in arrays:
        if array.ndim == 0:
            raise failed_precondition("Batched output tensor has 0 dimensions")
        if array.shape[0] != n_rows:
            raise failed_precondition(
                "Batched output tensor's 0th dimension does not equal the sum of the 0th "
                "dimension sizes of the input tensors"
            )
    bounds = list(pairwise(accumulate(rows, initial=0)))
    return [[array[start:end] for array in arrays] for start, end in bounds]


def _array(output: object) -> np.ndarray:
    return np.asarray(output, dtype=object if isinstance(output, bytes) else None)


def reraised(error: BaseException) -> BaseException:
    """`error` as one of several callers may raise it: an exception belongs to one thread."""
    if isinstance(error, ServingError):
        return ServingError(error.code, error.message)
    return ServingError(grpc.StatusCode.INTERNAL, "the batch failed, see the model server's log")
