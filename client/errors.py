"""What a call raises: one class for each way to react, whatever the transport calls it.

::

    RecommenderError
    |-- ClientClosedError               the client was used after close()
    |-- RequestError                    the same request will fail again
    |   |-- InvalidRequestError         INVALID_ARGUMENT, OUT_OF_RANGE, FAILED_PRECONDITION
    |   |-- NotFoundError               NOT_FOUND: a movie; an unknown user is no error
    |   |-- AlreadyExistsError          ALREADY_EXISTS
    |   |-- PermissionDeniedError       PERMISSION_DENIED
    |   |-- UnauthenticatedError        UNAUTHENTICATED
    |   `-- UnimplementedError          UNIMPLEMENTED: this server does not honour it yet
    |-- RetryableError                  the same request may succeed later
    |   |-- UnavailableError            UNAVAILABLE: nobody there, or not ready
    |   |-- OverloadedError             RESOURCE_EXHAUSTED, after `retry_after_s`
    |   `-- AbortedError                ABORTED
    |-- DeadlineExceededError           DEADLINE_EXCEEDED; a TimeoutError as well
    |-- CallCancelledError              CANCELLED
    `-- ServerError                     INTERNAL, UNKNOWN, DATA_LOSS: the service's fault

The grpc error is the `__cause__`.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, cast

import grpc
from google.protobuf.message import DecodeError
from google.rpc import (  # type: ignore[import-untyped]  # the wheel has no py.typed
    code_pb2,
    error_details_pb2,
    status_pb2,
)
from grpc_status import rpc_status  # type: ignore[import-untyped]  # likewise

REQUEST_ID_HEADER: Final = "x-request-id"


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One field of a request that the service refused."""

    field: str
    description: str


class RecommenderError(Exception):
    """Every error of a call. The message is the service's own sentence.

    Attributes:
      code: the gRPC status; None when no call was made.
      request_id: names the call in the service's logs.
      reason: the service's word for what happened, such as "UNKNOWN_MOVIE"; may be empty.
      metadata: what the service says beside the reason, such as {"field": "diversity"}.
      field_violations: the refused fields, when the request was at fault.
      retry_after_s: when the service would like to be asked again; None when it did not say.
    """

    def __init__(
        self,
        message: str,
        *,
        code: grpc.StatusCode | None = None,
        request_id: str = "",
        reason: str = "",
        metadata: Mapping[str, str] | None = None,
        field_violations: tuple[FieldViolation, ...] = (),
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.request_id = request_id
        self.reason = reason
        self.metadata: Mapping[str, str] = dict(metadata or {})
        self.field_violations = field_violations
        self.retry_after_s = retry_after_s


class ClientClosedError(RecommenderError):
    """The client was used after close()."""


class RequestError(RecommenderError):
    """The same request will fail again."""


class InvalidRequestError(RequestError):
    """The message names the field and the allowed range."""


class NotFoundError(RequestError):
    """The catalogue does not have this movie."""


class AlreadyExistsError(RequestError):
    """The id is taken by other content."""


class PermissionDeniedError(RequestError):
    """This caller may not do that."""


class UnauthenticatedError(RequestError):
    """The service does not know this caller."""


class UnimplementedError(RequestError):
    """The server does not honour this call or this field yet."""


class RetryableError(RecommenderError):
    """The same request may succeed later."""


class UnavailableError(RetryableError):
    """Nobody answers at this address, or no release is ready."""


class OverloadedError(RetryableError):
    """The service refused to start the work."""


class AbortedError(RetryableError):
    """Another call was in the way."""


class DeadlineExceededError(RecommenderError, TimeoutError):
    """The answer did not come in time."""


class CallCancelledError(RecommenderError):
    """The call was cancelled."""


class ServerError(RecommenderError):
    """The service failed; no request is at fault."""


ERROR_CLASSES: Final[Mapping[grpc.StatusCode, type[RecommenderError]]] = MappingProxyType(
    {
        grpc.StatusCode.CANCELLED: CallCancelledError,
        grpc.StatusCode.UNKNOWN: ServerError,
        grpc.StatusCode.INVALID_ARGUMENT: InvalidRequestError,
        grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceededError,
        grpc.StatusCode.NOT_FOUND: NotFoundError,
        grpc.StatusCode.ALREADY_EXISTS: AlreadyExistsError,
        grpc.StatusCode.PERMISSION_DENIED: PermissionDeniedError,
        grpc.StatusCode.RESOURCE_EXHAUSTED: OverloadedError,
        grpc.StatusCode.FAILED_PRECONDITION: InvalidRequestError,
        grpc.StatusCode.ABORTED: AbortedError,
        grpc.StatusCode.OUT_OF_RANGE: InvalidRequestError,
        grpc.StatusCode.UNIMPLEMENTED: UnimplementedError,
        grpc.StatusCode.INTERNAL: ServerError,
        grpc.StatusCode.UNAVAILABLE: UnavailableError,
        grpc.StatusCode.DATA_LOSS: ServerError,
        grpc.StatusCode.UNAUTHENTICATED: UnauthenticatedError,
    }
)
"""Every status but OK."""

_CODES: Final = {code.value[0]: code for code in grpc.StatusCode}

# How gRPC's own words begin where no server was reached; the service's sentences do not.
_NOBODY_THERE: Final = (
    "failed to connect to all addresses",
    "errors resolving ",
    "DNS resolution failed",
)
# Somebody is there, but not as the channel expects: TLS on one side alone, or no trust.
_OTHER_SECURITY: Final = ("handshake", "Handshake", "Socket closed", "SSL")
_TOO_LATE: Final = "Deadline Exceeded"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a caller knows of a call, for errors that no service put into words."""

    rpc: str
    target: str
    timeout: float
    """Seconds that all its attempts had together."""
    request_id: str
    """Sent with the call; the service's own word wins."""


def from_call(error: grpc.RpcError, asked: Asked) -> RecommenderError:
    """Our error for one that a channel raised; the caller chains it.

    Args:
      error: what the stub raised.
      asked: the call that it ended.
    """
    call = cast("grpc.Call", error)  # what a stub raises is both; the stubs know one base
    trailing = dict(call.trailing_metadata() or ())
    answered_id = trailing.get(REQUEST_ID_HEADER) or asked.request_id
    try:
        status = rpc_status.from_call(call)
    except (ValueError, DecodeError):
        # Something between us and the service rewrote the status; its code and text still hold.
        status = None
    if status is None:
        message = _told(call.details() or "", asked)
        status = status_pb2.Status(code=call.code().value[0], message=message)
    return from_status(status, str(answered_id))


def _told(words: str, asked: Asked) -> str:
    """The words of an error without details, in ours where they are gRPC's."""
    if words == _TOO_LATE:
        return f"{asked.rpc} took longer than its timeout of {asked.timeout:g} s"
    if words.startswith(_NOBODY_THERE):
        if any(each in words for each in _OTHER_SECURITY):
            return (
                f"no connection to {asked.target}, where somebody listens: does one side speak TLS"
                f" and the other not, or not trust it? The client's tls says ({words})"
            )
        return (
            f"nobody answers at {asked.target}: is a gateway running there?"
            f" `python -m server` starts one ({words})"
        )
    return words


def from_status(status: Any, request_id: str = "") -> RecommenderError:
    """Our error for a google.rpc.Status, with what its details say.

    Args:
      status: a google.rpc.Status.
      request_id: of the call; "" = what the details say.
    """
    code = _CODES.get(status.code, grpc.StatusCode.UNKNOWN)
    error_class = ERROR_CLASSES.get(code, ServerError)
    known = _details(status)
    info = known.get("ErrorInfo")
    bad_request = known.get("BadRequest")
    retry = known.get("RetryInfo")
    return error_class(
        status.message or code_pb2.Code.Name(code.value[0]),
        code=code,
        request_id=request_id or (info.metadata.get("request_id", "") if info else ""),
        reason=info.reason if info else "",
        metadata=info.metadata if info else None,
        field_violations=tuple(
            FieldViolation(violation.field, violation.description)
            for violation in (bad_request.field_violations if bad_request else ())
        ),
        retry_after_s=retry.retry_delay.ToTimedelta().total_seconds() if retry else None,
    )


def _details(status: Any) -> dict[str, Any]:
    """The details that we read, by message name; unknown and damaged ones are left alone."""
    found = {}
    for name in ("ErrorInfo", "BadRequest", "RetryInfo"):
        message = getattr(error_details_pb2, name)()
        for detail in status.details:
            if not detail.Is(message.DESCRIPTOR):
                continue
            # The status itself must reach the caller even when what explains it is damaged.
            with suppress(DecodeError):
                message.ParseFromString(detail.value)
                found[name] = message
    return found
