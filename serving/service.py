"""The gRPC services: protobuf in, protobuf out."""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable
from typing import Any, NoReturn

import grpc
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from serving.errors import ServingError, invalid_argument
from serving.model_status import model_metadata, model_status
from serving.monitoring.series import Series
from serving.prediction import Predictor, Tally, failure_code
from serving.servables.lifecycle import Servables
from serving.servables.loaded import LoadedModel

_log = logging.getLogger(__name__)

_Handler = Callable[[Any, Any, grpc.ServicerContext], Any]
Reload = Callable[[model_management_pb2.ReloadConfigRequest, Callable[[], bool]], None]
"""Takes up a configuration while somebody waits for it, or raises ServingError."""


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
    """Runs signatures of the loaded models, and describes them."""

    def __init__(
        self, predictor: Predictor, servables: Servables[LoadedModel], series: Series
    ) -> None:
        self._predictor = predictor
        self._servables = servables
        self._tally = Tally(series, "GRPC")

    @_reports_errors
    def Predict(  # noqa: N802 - the RPC's name
        self, request: predict_pb2.PredictRequest, _context: grpc.ServicerContext
    ) -> predict_pb2.PredictResponse:
        started = time.perf_counter()
        name = request.model_spec.name
        try:
            response = self._predictor.predict(request)
        except Exception as error:
            self._tally.note(name, "Predict", started, failure_code(error))
            raise
        self._tally.note(name, "Predict", started)
        return response

    @_reports_errors
    def GetModelMetadata(  # noqa: N802 - the RPC's name
        self,
        request: get_model_metadata_pb2.GetModelMetadataRequest,
        _context: grpc.ServicerContext,
    ) -> get_model_metadata_pb2.GetModelMetadataResponse:
        return model_metadata(self._servables, request)

    Classify = Regress = MultiInference = _unimplemented


class ModelService(model_service_pb2_grpc.ModelServiceServicer):
    """Tells which versions there are and how they fare, and takes new configurations."""

    def __init__(self, servables: Servables[LoadedModel], reload: Reload, series: Series) -> None:
        self._servables = servables
        self._reload = reload
        self._series = series

    @_reports_errors
    def GetModelStatus(  # noqa: N802 - the RPC's name
        self, request: get_model_status_pb2.GetModelStatusRequest, _context: grpc.ServicerContext
    ) -> get_model_status_pb2.GetModelStatusResponse:
        return model_status(self._servables, request)

    @_reports_errors
    def HandleReloadConfigRequest(  # noqa: N802 - the RPC's name
        self, request: model_management_pb2.ReloadConfigRequest, context: grpc.ServicerContext
    ) -> model_management_pb2.ReloadConfigResponse:
        if request.config.WhichOneof("config") != "model_config_list":
            raise invalid_argument(
                "ServerModelConfig type not supported by HandleReloadConfigRequest. "
                "Only ModelConfigList is currently supported"
            )
        before = self._series.values(list(request.metric_names))
        self._reload(request, context.is_active)
        response = model_management_pb2.ReloadConfigResponse()
        response.status.error_code = 0
        for name, value in self._series.values(list(request.metric_names)).items():
            response.metric.add(name=name, int64_value_increase=value - before[name])
        return response
