"""Failures of the models that cost quality, not the answer: recorded, logged, told."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from server.domain import DegradedReason
from server.errors import ContractViolation, DeadlineExceeded, UpstreamUnavailable
from server.logs import fields

MODEL_FAILURES = (UpstreamUnavailable, DeadlineExceeded, ContractViolation)

ModelFailure = UpstreamUnavailable | DeadlineExceeded | ContractViolation

_log = logging.getLogger(__name__)


class Degradation:
    """What was away while one answer was made; `reasons` are those known at its start."""

    def __init__(self, reasons: Iterable[DegradedReason] = ()) -> None:
        self.reasons = tuple(reasons)
        """Each once, in the order of the failures."""

    def record(self, call: str, error: ModelFailure) -> None:
        """Notes that `call` failed and the answer goes on without it."""
        reason = reason_of(error)
        if reason not in self.reasons:
            self.reasons += (reason,)
        detail = error.detail if isinstance(error, ContractViolation) else str(error)
        level = logging.ERROR if isinstance(error, ContractViolation) else logging.WARNING
        _log.log(
            level, "answer degraded", extra=fields(call=call, reason=reason.value, detail=detail)
        )


def reason_of(error: ModelFailure) -> DegradedReason:
    """The bounded name of a failure."""
    match error:
        case ContractViolation():
            return DegradedReason.CONTRACT_VIOLATION
        case DeadlineExceeded():
            return DegradedReason.DEADLINE
        case UpstreamUnavailable(timed_out=True):
            return DegradedReason.MODEL_SERVER_TIMEOUT
        case _:
            return DegradedReason.MODEL_SERVER_UNAVAILABLE
