"""What surrounds every call: request id, clock, errors to statuses, one log event."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeAlias

import grpc
from google.protobuf.message import DecodeError
from google.rpc import code_pb2, status_pb2  # type: ignore[import-untyped] # no stubs
from grpc_status import rpc_status  # type: ignore[import-untyped] # no stubs

from server.admission import Admission
from server.errors import (
    ContractViolation,
    FieldViolation,
    InvalidRequest,
    Overloaded,
    ServiceError,
    StoreUnavailable,
    status_of,
    visible,
)
from server.health import SERVICE_NAME
from server.logs import REQUEST_ID, fields
from server.responses import WrittenResponse, describe

if TYPE_CHECKING:
    from server.metrics import Metrics

REQUEST_ID_KEY: Final = "x-request-id"
_MAX_REQUEST_ID = 128

_Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
_Behavior = Callable[[Any, grpc.ServicerContext], Any]

_log = logging.getLogger(__name__)


class CallInterceptor(grpc.ServerInterceptor):
    """Wraps the unary calls of our own service; health and reflection pass untouched.

    Args:
      metrics: counts every call; None = nobody counts.
      admission: says which calls are one too many; None = none is.
    """

    def __init__(self, metrics: Metrics | None, admission: Admission | None = None) -> None:
        self._metrics = metrics
        self._admission = admission
        self._handlers: dict[str, _Handler] = {}
        """By method; grpc asks for one at every call."""

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], _Handler | None],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> _Handler | None:
        handler = continuation(handler_call_details)
        path, _, method = handler_call_details.method.rpartition("/")
        if handler is None or path != f"/{SERVICE_NAME}" or handler.unary_unary is None:
            return handler
        if self._admission is not None and self._admission.is_full:
            refusing = self._surrounded(_refuse_admission, None, method)
            return grpc.unary_unary_rpc_method_handler(
                self._admission.beside_the_workers(refusing),
                response_serializer=handler.response_serializer,
            )
        if method not in self._handlers:
            # Without a deserializer the bytes come as they are: what is no request gets a status.
            self._handlers[method] = grpc.unary_unary_rpc_method_handler(
                self._surrounded(handler.unary_unary, handler.request_deserializer, method),
                response_serializer=_serializer(handler.response_serializer),
            )
        return self._handlers[method]

    def _count(
        self, method: str, code: str, seconds: float, described: Mapping[str, Any] | None = None
    ) -> None:
        if self._metrics is not None:
            self._metrics.observe(method, code, seconds, described)

    def _surrounded(
        self, behavior: _Behavior, parse: Callable[[bytes], Any] | None, method: str
    ) -> _Behavior:
        def handle(message: Any, context: grpc.ServicerContext) -> Any:
            started = time.perf_counter()
            request_id = _request_id(context)
            REQUEST_ID.set(request_id)
            context.set_trailing_metadata(((REQUEST_ID_KEY, request_id),))
            try:
                response = behavior(_request(parse, message, method), context)
            except Exception as error:  # noqa: BLE001 - everything leaves as a status, see status_of
                error = visible(error)
                status = status_of(error, request_id)
                code = code_pb2.Code.Name(status.code)
                self._count(method, code, time.perf_counter() - started)
                _log_refusal(error, method, request_id, started, code)
                context.abort_with_status(_WithRequestId(status, request_id))
            else:
                described = describe(response)
                self._count(method, "OK", time.perf_counter() - started, described)
                _log_call(logging.INFO, method, request_id, started, "OK", **described)
                return response

        return handle


def _serializer(serialize: Callable[[Any], bytes] | None) -> Callable[[Any], bytes]:
    """What makes bytes of a response, also of one that is written already."""
    if serialize is None:
        raise TypeError("a method of RecommenderService has no response_serializer")
    return lambda r: r.message if isinstance(r, WrittenResponse) else serialize(r)


def _refuse_admission(_message: Any, _context: grpc.ServicerContext) -> NoReturn:
    raise Overloaded


def _request(parse: Callable[[bytes], Any] | None, message: Any, method: str) -> Any:
    if parse is None:
        return message
    try:
        return parse(message)
    except DecodeError as error:
        fault = FieldViolation("request", f"is no {method}Request, or a string is not UTF-8")
        raise InvalidRequest([fault]) from error


def _log_refusal(error: Exception, method: str, request_id: str, started: float, code: str) -> None:
    if isinstance(error, ContractViolation | StoreUnavailable):
        _log_call(logging.ERROR, method, request_id, started, code, detail=error.detail)
    elif isinstance(error, ServiceError):
        _log_call(logging.INFO, method, request_id, started, code, reason=error.reason)
    else:
        _log_call(logging.ERROR, method, request_id, started, code, exc_info=error)


class _WithRequestId(grpc.Status):
    """grpc-status' status with the request id beside the details."""

    def __init__(self, status: status_pb2.Status, request_id: str) -> None:
        plain = rpc_status.to_status(status)
        self.code = plain.code
        self.details = plain.details
        self.trailing_metadata = (*plain.trailing_metadata, (REQUEST_ID_KEY, request_id))


def _request_id(context: grpc.ServicerContext) -> str:
    """The caller's id where it is fit for a log line, else a new one."""
    for key, value in context.invocation_metadata():
        if key == REQUEST_ID_KEY and isinstance(value, str):
            if 0 < len(value) <= _MAX_REQUEST_ID and value.isascii() and value.isprintable():
                return value
            break
    return os.urandom(16).hex()


def _log_call(
    level: int,
    method: str,
    request_id: str,
    started: float,
    code: str,
    exc_info: Exception | None = None,
    **described: Any,
) -> None:
    if not _log.isEnabledFor(level):
        return
    ms = round((time.perf_counter() - started) * 1000, 3)
    _log.log(
        level,
        "rpc",
        exc_info=exc_info,
        extra=fields(method=method, code=code, ms=ms, request_id=request_id, **described),
    )
