"""Predict, whichever way the call came."""

from __future__ import annotations

import time

import grpc
from tensorflow_serving.apis import model_pb2, predict_pb2

from serving.errors import ServingError, invalid_argument
from serving.monitoring.series import Series
from serving.servables.lifecycle import Servables
from serving.servables.loaded import DEFAULT_SIGNATURE, LoadedModel
from serving.tensors import TensorError, encode_tensor


def requested_version(spec: model_pb2.ModelSpec) -> tuple[str, int | None, str | None]:
    """(name, version or None, label or None) that a caller asks for.

    Raises:
      ServingError: INVALID_ARGUMENT, it names no model.
    """
    if not spec.name:
        raise invalid_argument("ModelSpec has no name specified.")
    choice = spec.WhichOneof("version_choice")
    version = spec.version.value if choice == "version" else None
    label = spec.version_label if choice == "version_label" else None
    return spec.name, version, label


class Predictor:
    """Answers PredictRequests from the loaded models, and counts them."""

    def __init__(
        self, servables: Servables[LoadedModel], series: Series, *, as_content: bool = False
    ) -> None:
        """`as_content`: numeric outputs go out as tensor_content."""
        self._servables = servables
        self._series = series
        self._as_content = as_content

    def predict(
        self, request: predict_pb2.PredictRequest, timeout_ms: int = 0
    ) -> predict_pb2.PredictResponse:
        """The outputs, and the version that they came from.

        Raises:
          ServingError: with the codes and texts of TensorFlow Serving.
        """
        if not request.HasField("model_spec"):
            raise invalid_argument("Missing ModelSpec")
        spec = request.model_spec
        name, version, label = requested_version(spec)
        response = predict_pb2.PredictResponse()
        with self._servables.use(name, version, label) as (number, model):
            started = time.perf_counter()
            outputs = model.predict(
                spec.signature_name, request.inputs, request.output_filter, timeout_ms
            )
            self._series.runtime_latency.observe(_us_since(started), name, "Predict", "TF1")
        for alias, value in outputs.items():
            try:
                encode_tensor(value, response.outputs[alias], as_content=self._as_content)
            except TensorError as error:
                raise invalid_argument(f"output {alias}: {error}") from error
        response.model_spec.name = name
        response.model_spec.signature_name = spec.signature_name or DEFAULT_SIGNATURE
        response.model_spec.version.value = number
        return response


class Tally:
    """Counts and times the calls of one entry point."""

    def __init__(self, series: Series, entrypoint: str) -> None:
        self._series = series
        self._entrypoint = entrypoint

    def note(
        self, model_name: str, api: str, started: float, code: grpc.StatusCode = grpc.StatusCode.OK
    ) -> None:
        """Notes a finished call; `started` is on the performance counter."""
        self._series.request_count.add(model_name, code.name)
        if code is grpc.StatusCode.OK:
            self._series.request_latency.observe(
                _us_since(started), model_name, api, self._entrypoint
            )


def failure_code(error: Exception) -> grpc.StatusCode:
    """INTERNAL for what nobody expected."""
    return error.code if isinstance(error, ServingError) else grpc.StatusCode.INTERNAL


def _us_since(started: float) -> float:
    return (time.perf_counter() - started) * 1e6
