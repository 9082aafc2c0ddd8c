"""Failures with the status code and the text that a caller of TensorFlow Serving knows."""

from __future__ import annotations

import grpc

_LONGEST_DETAILS = 2000
"""Characters; gRPC refuses status details that do not fit in 8 KiB of headers."""


class ServingError(Exception):
    """A failure to report: to a caller as its status, at start as the reason to end."""

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.code.name}: {self.message}"

    @property
    def details(self) -> str:
        """The message, cut to what fits into a gRPC status."""
        if len(self.message) <= _LONGEST_DETAILS:
            return self.message
        return f"{self.message[:_LONGEST_DETAILS]}... ({len(self.message)} characters)"


def invalid_argument(message: str) -> ServingError:
    """The request or the configuration is wrong, whatever the server's state."""
    return ServingError(grpc.StatusCode.INVALID_ARGUMENT, message)


def not_found(message: str) -> ServingError:
    """There is no such servable, version or file."""
    return ServingError(grpc.StatusCode.NOT_FOUND, message)


def failed_precondition(message: str) -> ServingError:
    """The servable or the server is not in a state that allows this."""
    return ServingError(grpc.StatusCode.FAILED_PRECONDITION, message)


def unimplemented(message: str) -> ServingError:
    """This server does not do that, whatever the request."""
    return ServingError(grpc.StatusCode.UNIMPLEMENTED, message)
