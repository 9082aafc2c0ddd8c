"""The errors that a caller may see, each with its status; anything else is INTERNAL.

Every error leaves with google.rpc details: ErrorInfo always, BadRequest for INVALID_ARGUMENT.
"""
# ruff: noqa: N818 - the names of the status table, which callers read as words.

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import ClassVar, Final

import grpc
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped] # no stubs

from server.features.store import StoreError

ERROR_DOMAIN: Final = "recommender.v1"

_MAX_MESSAGE_BYTES: Final = 1024
"""Of the violations in a message, which travels in the trailing metadata, twice; all of them stand
in BadRequest."""
_SEPARATOR_BYTES: Final = len(", ")


def as_many_as_fit(texts: Sequence[str], max_bytes: int, more: str) -> list[str]:
    """The first of the texts that together, each with a separator, take at most `max_bytes`.

    The first one is always there; "and N `more`" stands for those that are not.
    """
    ends = accumulate(len(text.encode()) + _SEPARATOR_BYTES for text in texts)
    shown = texts[: max(1, sum(end <= max_bytes for end in ends))]
    n_left = len(texts) - len(shown)
    return [*shown, *([f"and {n_left} {more}"] if n_left else [])]


class ServiceError(Exception):
    """An expected failure; its message is fit for the caller."""

    code: ClassVar[grpc.StatusCode] = grpc.StatusCode.INTERNAL
    reason: ClassVar[str] = "INTERNAL"

    @property
    def metadata(self) -> dict[str, str]:
        """What ErrorInfo says beside the reason."""
        return {}


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One field of a request and what it may be."""

    field: str
    description: str


class InvalidRequest(ServiceError):
    """The request breaks the API; the message names each field and the allowed range."""

    code = grpc.StatusCode.INVALID_ARGUMENT
    reason = "INVALID_REQUEST"

    def __init__(self, violations: Sequence[FieldViolation]) -> None:
        said = [f"{v.field}: {v.description}" for v in violations]
        super().__init__("; ".join(as_many_as_fit(said, _MAX_MESSAGE_BYTES, "more fields")))
        self.violations = tuple(violations)


class UnknownMovie(ServiceError):
    """A movie that the catalogue does not have, where the answer hangs on it."""

    code = grpc.StatusCode.NOT_FOUND
    reason = "UNKNOWN_MOVIE"

    def __init__(self, field: str, movie_id: str) -> None:
        super().__init__(f"{field}: no movie {movie_id!r} in the active release")
        self._movie_id = movie_id

    @property
    def metadata(self) -> dict[str, str]:
        return {"movie_id": self._movie_id}


class MovieExists(ServiceError):
    """A movie id that is to be added means another movie already."""

    code = grpc.StatusCode.ALREADY_EXISTS
    reason = "MOVIE_EXISTS"

    def __init__(self, movie_id: str) -> None:
        super().__init__("movies: an id exists with other content, nothing was added")
        self._movie_id = movie_id

    @property
    def metadata(self) -> dict[str, str]:
        return {"movie_id": self._movie_id}


class NotReady(ServiceError):
    """No release is active; health says NOT_SERVING."""

    code = grpc.StatusCode.UNAVAILABLE
    reason = "NO_ACTIVE_RELEASE"


class Overloaded(ServiceError):
    """More calls at once than are allowed; nothing was done."""

    code = grpc.StatusCode.RESOURCE_EXHAUSTED
    reason = "TOO_MANY_CALLS"

    def __init__(self) -> None:
        super().__init__("too many calls at once, try again later")


class DeadlineExceeded(ServiceError):
    """Not even the fallback fits into the caller's time."""

    code = grpc.StatusCode.DEADLINE_EXCEEDED
    reason = "DEADLINE_EXCEEDED"

    def __init__(self) -> None:
        super().__init__("the deadline leaves no time for the model server")


class UpstreamUnavailable(ServiceError):
    """The model server is away, starting, slow or full."""

    code = grpc.StatusCode.UNAVAILABLE
    reason = "MODEL_SERVER_UNAVAILABLE"

    def __init__(self, message: str, *, timed_out: bool = False) -> None:
        super().__init__(message)
        self.timed_out = timed_out


class StoreUnavailable(ServiceError):
    """The feature store fails, where the answer hangs on it; its own words are for the log."""

    code = grpc.StatusCode.UNAVAILABLE
    reason = "FEATURE_STORE_UNAVAILABLE"

    def __init__(self, detail: str) -> None:
        super().__init__("the feature store does not answer")
        self.detail = detail


class ContractViolation(ServiceError):
    """Trainer, model server and gateway disagree: our fault, never the caller's.

    The caller reads a fixed text; `detail` is for the log.
    """

    code = grpc.StatusCode.INTERNAL
    reason = "CONTRACT_VIOLATION"

    def __init__(self, detail: str) -> None:
        super().__init__("the model server's answer breaks the artifact contract")
        self.detail = detail


def visible(error: Exception) -> Exception:
    """The error that stands for `error` before callers: a failing store is UNAVAILABLE."""
    return StoreUnavailable(str(error)) if isinstance(error, StoreError) else error


def status_of(error: Exception, request_id: str) -> status_pb2.Status:
    """The google.rpc.Status that a caller receives for `error`.

    An error that is no ServiceError becomes INTERNAL with a fixed text: its own message may
    hold a user's data.
    """
    if isinstance(error, ServiceError):
        code, reason, message = error.code, error.reason, str(error)
        metadata = {**error.metadata, "request_id": request_id}
    else:
        code, reason, message = grpc.StatusCode.INTERNAL, "INTERNAL", "internal error"
        metadata = {"request_id": request_id}
    if code is grpc.StatusCode.INTERNAL:
        message = f"{message} (request id {request_id})"
    status = status_pb2.Status(code=code.value[0], message=message)
    info = error_details_pb2.ErrorInfo(reason=reason, domain=ERROR_DOMAIN, metadata=metadata)
    status.details.append(_packed(info))
    if isinstance(error, InvalidRequest):
        bad_request = error_details_pb2.BadRequest()
        for violation in error.violations:
            bad_request.field_violations.add(
                field=violation.field, description=violation.description
            )
        status.details.append(_packed(bad_request))
    return status


def _packed(
    message: error_details_pb2.ErrorInfo | error_details_pb2.BadRequest,
) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed
