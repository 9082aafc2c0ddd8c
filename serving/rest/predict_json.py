"""The body of a :predict call and of its answer: `instances` and rows, or `inputs` and columns."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import predict_pb2

from serving.errors import ServingError, invalid_argument
from serving.rest.json_tensors import Inputs, is_base64, json_values, quoted, read_tensor
from serving.tensors import decode_tensor

ROWS, COLUMNS = "instances", "inputs"
_ANSWERS = {ROWS: "predictions", COLUMNS: "outputs"}


def read_predict_request(
    body: bytes, request: predict_pb2.PredictRequest, inputs_of: Callable[[str], Inputs]
) -> str:
    """Fills the signature and the inputs of a request from its JSON form.

    Args:
      body: the JSON text.
      request: names the model.
      inputs_of: the inputs of a signature by its name, "" for the default one.

    Returns:
      ROWS or COLUMNS: the form, which the answer shares.

    Raises:
      ServingError: the text is no JSON, or does not fit the signature.
    """
    document = _parse(body)
    signature = document.get("signature_name", "")
    if not isinstance(signature, str):
        raise invalid_argument(
            f"JSON Value: {quoted(document)} not formatted correctly. 'signature_name' key must "
            "be a string value."
        )
    request.model_spec.signature_name = signature
    inputs = inputs_of(signature)
    if not inputs:
        raise invalid_argument(f"Failed to get input map for signature: {signature or 'DEFAULT'}")
    if ROWS in document and COLUMNS in document:
        raise invalid_argument(
            f"JSON Value: {quoted(document)} Not formatted correctly expecting only one of "
            "'inputs' or 'instances' keys to exist "
        )
    if ROWS in document:
        _read_rows(document, inputs, request)
        return ROWS
    if COLUMNS in document:
        _read_columns(document[COLUMNS], inputs, request)
        return COLUMNS
    raise invalid_argument("Missing 'inputs' or 'instances' key")


def _parse(body: bytes) -> dict[str, Any]:
    if not body:
        raise invalid_argument("JSON Parse error: The document is empty")
    try:
        # Like the real server's parser, this stops where the document ends.
        text = body.decode("utf-8").lstrip(" \t\r\n")
        document, _end = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError) as error:
        raise invalid_argument(f"JSON Parse error: {error}") from error
    if not isinstance(document, dict):
        raise invalid_argument(f"JSON Value: {quoted(document)} Is not object")
    return document


def _is_object(value: object) -> bool:
    return isinstance(value, dict) and not is_base64(value)


def _read_rows(
    document: dict[str, Any], inputs: Inputs, request: predict_pb2.PredictRequest
) -> None:
    rows = document[ROWS]
    if not isinstance(rows, list):
        raise invalid_argument(
            f"JSON Value: {quoted(document)} Expecting 'instances' to be an list/array"
        )
    if not rows:
        raise invalid_argument(f"JSON Value: {quoted(document)} No values in 'instances' array")
    if not isinstance(rows[0], dict) and len(inputs) > 1:
        raise invalid_argument(
            "instances is a plain list, but expecting list of objects as multiple input tensors "
            "required as per tensorinfo_map"
        )
    are_objects = _is_object(rows[0])
    columns: dict[str, tensor_pb2.TensorProto] = {}
    for index, row in enumerate(rows):
        if _is_object(row) != are_objects:
            found = "object but got list" if are_objects else "value/list but got object"
            raise invalid_argument(f"Expecting {found} at item {index} of input list")
        _add_row(columns, index, row if are_objects else {next(iter(inputs)): row}, inputs)
    for name, tensor in columns.items():
        cell_sizes = [dim.size for dim in tensor.tensor_shape.dim]
        del tensor.tensor_shape.dim[:]
        for size in (len(rows), *cell_sizes):
            tensor.tensor_shape.dim.add().size = size
        request.inputs[name].CopyFrom(tensor)


def _add_row(
    columns: dict[str, tensor_pb2.TensorProto], index: int, row: dict[str, Any], inputs: Inputs
) -> None:
    for name, value in row.items():
        try:
            _add_cell(columns, name, value, inputs)
        except ServingError as error:
            raise invalid_argument(
                f"Failed to process element: {index} key: {name} of 'instances' list. "
                f"Error: {error}"
            ) from error
    if row.keys() != inputs.keys():
        raise invalid_argument(
            f"Failed to process element: {index} of 'instances' list. JSON object: "
            f"{quoted(row)} keys must be equal to: {','.join(sorted(inputs))}"
        )


def _add_cell(
    columns: dict[str, tensor_pb2.TensorProto], name: str, value: object, inputs: Inputs
) -> None:
    """Appends one row's value of one input; all rows' values have one shape."""
    if name not in inputs:
        raise invalid_argument(f"JSON object: does not have named input: {name}")
    cell = tensor_pb2.TensorProto()
    read_tensor(value, inputs[name].dtype, cell)
    column = columns.get(name)
    if column is None:
        columns[name] = cell
        return
    if column.tensor_shape != cell.tensor_shape:
        raise invalid_argument(
            f"Expecting shape {_shape_text(column)} but got: {_shape_text(cell)}"
        )
    shape = tensor_pb2.TensorProto(tensor_shape=column.tensor_shape).tensor_shape
    column.MergeFrom(cell)
    column.tensor_shape.CopyFrom(shape)


def _shape_text(tensor: tensor_pb2.TensorProto) -> str:
    return "[" + ",".join(str(dim.size) for dim in tensor.tensor_shape.dim) + "]"


def _read_columns(value: object, inputs: Inputs, request: predict_pb2.PredictRequest) -> None:
    if not isinstance(value, dict) or is_base64(value):
        if len(inputs) > 1:
            raise invalid_argument(
                "inputs is a plain value/list, but expecting an object as multiple input tensors "
                "required as per tensorinfo_map"
            )
        ((name, info),) = inputs.items()
        read_tensor(value, info.dtype, request.inputs[name])
        return
    for name, info in inputs.items():
        if name not in value:
            raise invalid_argument(f"Missing named input: {name} in 'inputs' object.")
        read_tensor(value[name], info.dtype, request.inputs[name])


def predict_answer(response: predict_pb2.PredictResponse, form: str) -> dict[str, Any]:
    """The outputs in the form in which the inputs came.

    Raises:
      ServingError: INVALID_ARGUMENT, an output has no such form.
    """
    if not response.outputs:
        raise invalid_argument("Cannot convert empty tensor map to JSON")
    names = sorted(response.outputs)
    if form == ROWS:
        _check_rows(response)
    columns = {
        name: json_values(name, decode_tensor(response.outputs[name]), response.outputs[name].dtype)
        for name in names
    }
    answer: object
    if len(names) == 1:
        answer = columns[names[0]]
    elif form == COLUMNS:
        answer = columns
    else:
        cells = zip(*(columns[name] for name in names), strict=True)
        answer = [dict(zip(names, row, strict=True)) for row in cells]
    return {_ANSWERS[form]: answer}


def _check_rows(response: predict_pb2.PredictResponse) -> None:
    n_rows: int | None = None
    for name in sorted(response.outputs):
        dims = response.outputs[name].tensor_shape.dim
        if not dims:
            raise invalid_argument(f"Tensor name: {name} has no shape information ")
        if n_rows is not None and dims[0].size != n_rows:
            raise invalid_argument(
                f"Tensor name: {name} has inconsistent batch size: {dims[0].size} expecting: "
                f"{n_rows}"
            )
        n_rows = dims[0].size
