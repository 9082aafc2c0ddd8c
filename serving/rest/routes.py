"""Which REST call a path means, and what comes back: the real server's paths and statuses."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import unquote

import grpc
from google.protobuf import json_format
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_pb2,
    predict_pb2,
)

from serving.errors import ServingError, failed_precondition, invalid_argument
from serving.model_status import SIGNATURE_DEF, model_metadata, model_status
from serving.monitoring.series import Series
from serving.prediction import Predictor, Tally, requested_version
from serving.rest.json_tensors import Inputs
from serving.rest.predict_json import predict_answer, read_predict_request
from serving.servables.lifecycle import Servables
from serving.servables.loaded import DEFAULT_SIGNATURE, LoadedModel

_log = logging.getLogger(__name__)

_VERSION = r"(?:/versions/(?P<version>[0-9]+)|/labels/(?P<label>[^/:]+))?"
_POST = re.compile(
    rf"/v1/models/(?P<name>[^/:]+){_VERSION}:(?P<method>classify|regress|predict)", re.IGNORECASE
)
_GET = re.compile(
    rf"/v1/models(?:/(?P<name>[^/:]+))?{_VERSION}(?:/(?P<method>metadata))?", re.IGNORECASE
)
_API = re.compile(r"/v1/.*", re.IGNORECASE)
_MAX_VERSION: Final = 2**63 - 1

_CLIENT_CLOSED_REQUEST: Final = 499
_HTTP_STATUS: Final[Mapping[grpc.StatusCode, int]] = {
    grpc.StatusCode.INVALID_ARGUMENT: HTTPStatus.BAD_REQUEST,
    grpc.StatusCode.FAILED_PRECONDITION: HTTPStatus.BAD_REQUEST,
    grpc.StatusCode.OUT_OF_RANGE: HTTPStatus.BAD_REQUEST,
    grpc.StatusCode.UNAUTHENTICATED: HTTPStatus.UNAUTHORIZED,
    grpc.StatusCode.PERMISSION_DENIED: HTTPStatus.FORBIDDEN,
    grpc.StatusCode.NOT_FOUND: HTTPStatus.NOT_FOUND,
    grpc.StatusCode.ALREADY_EXISTS: HTTPStatus.CONFLICT,
    grpc.StatusCode.ABORTED: HTTPStatus.CONFLICT,
    grpc.StatusCode.RESOURCE_EXHAUSTED: HTTPStatus.TOO_MANY_REQUESTS,
    grpc.StatusCode.CANCELLED: _CLIENT_CLOSED_REQUEST,
    grpc.StatusCode.UNIMPLEMENTED: HTTPStatus.NOT_IMPLEMENTED,
    grpc.StatusCode.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED: HTTPStatus.GATEWAY_TIMEOUT,
}
"""Whatever is not here is 500."""

_CORS_HEADERS: Final = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "POST, GET",
    "Access-Control-Allow-Headers": "Content-Type",
}


@dataclass(frozen=True, slots=True)
class RestOptions:
    """What flags and the monitoring configuration say about the REST API."""

    timeout_ms: int = 30_000
    """Of a :predict call; 0 is none."""
    allows_cors: bool = False
    metrics_path: str | None = None
    """Where Prometheus reads; None for nowhere."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back over HTTP."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class Routes:
    """Answers REST calls from the loaded models."""

    def __init__(
        self,
        servables: Servables[LoadedModel],
        predictor: Predictor,
        series: Series,
        options: RestOptions,
    ) -> None:
        self._servables = servables
        self._predictor = predictor
        self._series = series
        self._options = options
        self._tally = Tally(series, "REST")

    def answer(
        self, http_method: str, path: str, body: bytes, headers: Mapping[str, str]
    ) -> Answer:
        """What a call gets; never raises.

        Args:
          http_method: such as GET.
          path: without the query.
          body: as it was sent.
          headers: of the request.
        """
        if path == self._options.metrics_path:
            page = self._series.page().encode("utf-8", "surrogateescape")
            return Answer(HTTPStatus.OK, page, {"Content-Type": "text/plain"})
        if _API.fullmatch(path) is None:
            return Answer(HTTPStatus.NOT_FOUND, b"")
        started = time.perf_counter()
        match = (_POST if http_method == "POST" else _GET).fullmatch(path)
        name = unquote(match["name"] or "") if match is not None else ""
        code = grpc.StatusCode.OK
        try:
            content = self._content(http_method, path, match, body, headers)
        except ServingError as error:
            code, content = error.code, {"error": error.message}
        # The last boundary: anything else is our own fault, to be logged and not to be shown.
        except Exception:  # noqa: BLE001
            _log.exception("%s %s failed", http_method, path)
            code = grpc.StatusCode.INTERNAL
            content = {"error": "internal error, see the model server's log"}
        method = match["method"] or "" if match is not None else ""
        self._tally.note(name, method, started, code)
        status = 200 if code is grpc.StatusCode.OK else _HTTP_STATUS.get(code, 500)
        text = "" if content is None else json.dumps(content, indent=4, ensure_ascii=False)
        extra = _CORS_HEADERS if self._options.allows_cors else {}
        return Answer(
            status,
            text.encode("utf-8", "surrogateescape"),
            {"Content-Type": "application/json", **extra},
        )

    def _content(
        self,
        http_method: str,
        path: str,
        match: re.Match[str] | None,
        body: bytes,
        headers: Mapping[str, str],
    ) -> dict[str, Any] | None:
        if http_method == "OPTIONS":
            if not headers.get("Origin", "").startswith(("http://", "https://")):
                raise failed_precondition("Origin header is missing in CORS preflight")
            return None
        if match is None or http_method not in ("GET", "POST"):
            raise invalid_argument(f"Malformed request: {http_method} {path}")
        if not match["name"]:
            raise invalid_argument("Missing model name in request.")
        spec = _model_spec(match)
        if http_method == "POST":
            if match["method"].lower() != "predict":
                raise ServingError(
                    grpc.StatusCode.UNIMPLEMENTED, "not implemented by this model server"
                )
            return self._predict(spec, body)
        if match["method"]:
            return self._metadata(spec)
        request = get_model_status_pb2.GetModelStatusRequest(model_spec=spec)
        return _as_json(model_status(self._servables, request), preserve_names=False)

    def _predict(self, spec: model_pb2.ModelSpec, body: bytes) -> dict[str, Any]:
        request = predict_pb2.PredictRequest(model_spec=spec)
        form = read_predict_request(
            body, request, lambda signature: self._inputs_of(spec, signature)
        )
        response = self._predictor.predict(request, self._options.timeout_ms)
        return predict_answer(response, form)

    def _inputs_of(self, spec: model_pb2.ModelSpec, signature_name: str) -> Inputs:
        with self._servables.use(*requested_version(spec)) as (_, model):
            name = signature_name or DEFAULT_SIGNATURE
            signature = model.signatures.get(name)
            if signature is None:
                raise invalid_argument(
                    f'Serving signature name: "{name}" not found in signature def'
                )
            return dict(signature.inputs)

    def _metadata(self, spec: model_pb2.ModelSpec) -> dict[str, Any]:
        request = get_model_metadata_pb2.GetModelMetadataRequest(
            model_spec=spec, metadata_field=[SIGNATURE_DEF]
        )
        response = model_metadata(self._servables, request)
        signatures = get_model_metadata_pb2.SignatureDefMap()
        response.metadata[SIGNATURE_DEF].Unpack(signatures)
        return {
            "model_spec": _as_json(response.model_spec, preserve_names=True),
            "metadata": {SIGNATURE_DEF: _as_json(signatures, preserve_names=True)},
        }


def _model_spec(match: re.Match[str]) -> model_pb2.ModelSpec:
    spec = model_pb2.ModelSpec(name=unquote(match["name"]))
    if match["version"]:
        version = int(match["version"][:20])
        if version > _MAX_VERSION:
            raise invalid_argument(
                f"Failed to convert version: {match['version'][:100]} to numeric."
            )
        spec.version.value = version
    if match["label"]:
        spec.version_label = unquote(match["label"])
    return spec


def _as_json(message: Any, *, preserve_names: bool) -> dict[str, Any]:
    return json_format.MessageToDict(
        message,
        always_print_fields_with_no_presence=True,
        preserving_proto_field_name=preserve_names,
    )
