"""Structured logs: one JSON object a line on stderr; no message bodies, no raw user ids."""

from __future__ import annotations

import json
import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import IO, Any, Final

_EVENT_FIELDS = "event_fields"
_JSON: Final = json.JSONEncoder(ensure_ascii=False, default=str)

REQUEST_ID: Final[ContextVar[str]] = ContextVar("request_id", default="")
"""The id of the call that this thread answers."""


class JsonFormatter(logging.Formatter):
    """A log record as one JSON object: time, level, logger, event, then the event's fields.

    What is logged while a call is answered has the call's `request_id`.
    """

    def format(self, record: logging.LogRecord) -> str:
        event: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "event": record.getMessage(),
            **getattr(record, _EVENT_FIELDS, {}),
        }
        if request_id := REQUEST_ID.get():
            event.setdefault("request_id", request_id)
        if record.exc_info:
            event["traceback"] = self.formatException(record.exc_info)
        return _JSON.encode(event)


def fields(**values: Any) -> dict[str, dict[str, Any]]:
    """The `extra` argument of a logging call that adds these fields to its event."""
    return {_EVENT_FIELDS: values}


def configure(level: str, stream: IO[str] | None = None) -> None:
    """Sends every log event of this process to `stream` (stderr) as JSON."""
    # No event names a thread or a process: every record is spared finding out.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    # Nor where in the code it is from, which takes longest: this is how logging's own manual
    # switches that off.
    logging._srcfile = None  # noqa: SLF001
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
