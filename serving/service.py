"""PredictionService.Predict and ModelService.GetModelStatus: protobuf in, protobuf out."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any, NoReturn

import grpc
from tensorflow_serving.apis import (
    get_model_status_pb2,
    model_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from serving.errors import ServingError, invalid_argument
from serving.servables.lifecycle import Servables
from serving.servables.loaded import DEFAULT_SIGNATURE, LoadedModel
from serving.tensors import TensorError, encode_tensor

_log = logging.getLogger(__name__)

_Handler = Callable[[Any, Any, grpc.ServicerContext], Any]


def _reports_errors(handler: _Handler) -> _Handler:
    """Turns what a handler raises into the call's status; skips calls nobody waits for."""

    @functools.wraps(handler)
    def handle(service: object, request: object, context: grpc.ServicerContext) -> object:
        if not context.is_active():
            context.abort(grpc.StatusCode.CANCELLED, "the call ended before it was started")
        try:
            return handler(service, request, context)
        except ServingError as error:
            context.abort(error.code, error.details)
        # The last boundary: anything else is our own fault, to be logged and not to be shown.
        except Exception:  # noqa: BLE001
            _log.exception("%s failed", handler.__name__)
            context.abort(grpc.StatusCode.INTERNAL, "internal error, see the model server's log")

    return handle


def _unimplemented(_service: object, _request: object, context: grpc.ServicerContext) -> NoReturn:
    context.abort(grpc.StatusCode.UNIMPLEMENTED, "not implemented by this model server")


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Runs signatures of the loaded models."""

    def __init__(self, servables: Servables[LoadedModel]) -> None:
        self._servables = servables

    @_reports_errors
    def Predict(  # noqa: N802 - the RPC's name
        self, request: predict_pb2.PredictRequest, _context: grpc.ServicerContext
    ) -> predict_pb2.PredictResponse:
        if not request.HasField("model_spec"):
            raise invalid_argument("Missing ModelSpec")
        spec = request.model_spec
        if not spec.name:
            raise invalid_argument("ModelSpec has no name specified.")
        choice = spec.WhichOneof("version_choice")
        version = spec.version.value if choice == "version" else None
        label = spec.version_label if choice == "version_label" else None
        response = predict_pb2.PredictResponse()
        with self._servables.use(spec.name, version, label) as (number, model):
            outputs = model.predict(spec.signature_name, request.inputs, request.output_filter)
        for alias, value in outputs.items():
            try:
                encode_tensor(value, response.outputs[alias])
            except TensorError as error:
                raise invalid_argument(f"output {alias}: {error}") from error
        response.model_spec.name = spec.name
        response.model_spec.signature_name = spec.signature_name or DEFAULT_SIGNATURE
        response.model_spec.version.value = number
        return response

    Classify = Regress = MultiInference = GetModelMetadata = _unimplemented


class ModelService(model_service_pb2_grpc.ModelServiceServicer):
    """Tells which versions there are and how they fare."""

    def __init__(self, servables: Servables[LoadedModel]) -> None:
        self._servables = servables

    @_reports_errors
    def GetModelStatus(  # noqa: N802 - the RPC's name
        self, request: get_model_status_pb2.GetModelStatusRequest, _context: grpc.ServicerContext
    ) -> get_model_status_pb2.GetModelStatusResponse:
        if not request.HasField("model_spec"):
            raise invalid_argument("Missing ModelSpec")
        spec: model_pb2.ModelSpec = request.model_spec
        version = spec.version.value if spec.HasField("version") else None
        response = get_model_status_pb2.GetModelStatusResponse()
        for status in self._servables.statuses(spec.name, version):
            entry = response.model_version_status.add(
                version=status.version, state=status.state.value
            )
            entry.status.error_code = status.error.code.value[0] if status.error else 0
            entry.status.error_message = status.error.message if status.error else ""
        return response

    HandleReloadConfigRequest = _unimplemented
