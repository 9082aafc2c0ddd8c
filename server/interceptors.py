"""What surrounds every call: request id, clock, errors to statuses, one log event."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeAlias

import grpc
from google.protobuf.message import DecodeError
from google.rpc import code_pb2, status_pb2  # type: ignore[import-untyped] # no stubs
from grpc_status import rpc_status  # type: ignore[import-untyped] # no stubs

from server.admission import Admission
from server.asking import Asking, Company, answered_alone, asks_nothing
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
from server.ids import new_id
from server.inner_grpc import in_company
from server.logs import REQUEST_ID, fields
from server.responses import WrittenResponse, describe

if TYPE_CHECKING:
    from server.metrics import Metrics

REQUEST_ID_KEY: Final = "x-request-id"
_MAX_REQUEST_ID = 128

_Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"

_log = logging.getLogger(__name__)


class CallInterceptor(grpc.ServerInterceptor):
    """Wraps the unary calls of our own service; health and reflection pass untouched.

    Args:
      metrics: counts every call; None = nobody counts.
      admission: says which calls are one too many; None = none is.
      company: of the methods whose calls may be answered together; None = none may.
    """

    def __init__(
        self,
        metrics: Metrics | None,
        admission: Admission | None = None,
        company: Company | None = None,
    ) -> None:
        self._metrics = metrics
        self._admission = admission
        self._company = company
        self._handlers: dict[str, _Handler] = {}
        """Ours by full name; grpc asks for one at every call."""

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], _Handler | None],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> _Handler | None:
        full_name = handler_call_details.method
        if (handler := self._handlers.get(full_name)) is None:
            handler = continuation(handler_call_details)
            path, _, method = full_name.rpartition("/")
            if handler is None or path != f"/{SERVICE_NAME}" or handler.unary_unary is None:
                return handler
            handler = self._handlers[full_name] = self._surrounded(handler, method)
        if self._admission is not None and self._admission.is_full:
            return self._refusing(self._admission, full_name.rpartition("/")[2])
        return handler

    def _surrounded(self, handler: _Handler, method: str) -> _Handler:
        parse, serialize = handler.request_deserializer, handler.response_serializer
        if handler.unary_unary is None or parse is None or serialize is None:
            raise TypeError(f"{method} of {SERVICE_NAME} is not from bytes to bytes")
        company = self._company
        if company is None or method not in company.members:
            respond = asks_nothing(handler.unary_unary)
            return self._handler(respond, parse, serialize, method, None)
        return self._handler(company.members[method], parse, serialize, method, company)

    def _refusing(self, admission: Admission, method: str) -> _Handler:
        """A handler for one call too many, which a thread of its own tells so."""
        handler = self._handler(asks_nothing(_refuse_admission), bytes, bytes, method, None)
        admission.beside_the_workers(handler.unary_unary)
        return handler

    def _handler(
        self,
        respond: Callable[[Any, grpc.ServicerContext], Asking[Any, Any, Any]],
        parse: Callable[[bytes], Any],
        serialize: Callable[[Any], bytes],
        method: str,
        company: Company | None,
    ) -> _Handler:
        def answering(message: bytes, context: grpc.ServicerContext) -> Asking[Any, Any, bytes]:
            started = time.perf_counter()
            request_id = _request_id(context)
            REQUEST_ID.set(request_id)
            context.set_trailing_metadata(((REQUEST_ID_KEY, request_id),))
            try:
                try:
                    request = parse(message)
                except DecodeError as error:
                    raise _no_request(method) from error
                response = yield from respond(request, context)
                # What is written already needs no more.
                is_written = isinstance(response, WrittenResponse)
                answer: bytes = response.message if is_written else serialize(response)
            except Exception as error:  # noqa: BLE001 - everything leaves as a status, see status_of
                error = visible(error)
                status = status_of(error, request_id)
                code = code_pb2.Code.Name(status.code)
                if self._metrics is not None:
                    self._metrics.observe(method, code, time.perf_counter() - started)
                _log_refusal(error, method, request_id, started, code)
                context.abort_with_status(_WithRequestId(status, request_id))
            is_logged = _log.isEnabledFor(logging.INFO)
            if is_logged or self._metrics is not None:
                described = describe(response)
                if self._metrics is not None:
                    seconds = time.perf_counter() - started
                    self._metrics.observe(method, "OK", seconds, described)
                if is_logged:
                    _log_call(logging.INFO, method, request_id, started, "OK", **described)
            return answer

        def handle(message: bytes, context: grpc.ServicerContext) -> bytes:
            ask_all = company.ask_all if company is not None else _nobody_to_ask
            return answered_alone(answering(message, context), ask_all)

        if company is not None:
            handle = in_company(handle, answering, company)
        # grpc turns bytes into bytes by itself: what is no request then gets a status, too.
        return grpc.unary_unary_rpc_method_handler(handle)


def _nobody_to_ask(_questions: Sequence[Any]) -> NoReturn:
    raise TypeError("a method that is no member of a company asks something")


def _no_request(method: str) -> InvalidRequest:
    fault = FieldViolation("request", f"is no {method}Request, or a string is not UTF-8")
    return InvalidRequest([fault])


def _refuse_admission(_message: Any, _context: grpc.ServicerContext) -> NoReturn:
    raise Overloaded


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
    return new_id()


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
