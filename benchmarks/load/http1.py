"""HTTP/1.1 calls over one kept connection, each prepared as the bytes of a whole request."""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import Final, cast

from benchmarks.load.slots import Slots

_HEAD_END: Final = b"\r\n\r\n"
_LENGTH: Final = b"content-length:"
_OK: Final = b"HTTP/1.1 200 "


class HttpCalls(asyncio.Protocol):
    """Keeps one call in flight: HTTP/1.1 answers in order, and peers do not pipeline.

    Args:
      slots: what to send and where to record.
    """

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self._buffer = b""
        self._started = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def connection_lost(self, error: Exception | None) -> None:
        if self._slots.running:
            self._slots.broken(f"the server closed the connection: {error}")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head_end = self._buffer.find(_HEAD_END)
        if head_end < 0:
            return
        head = self._buffer[:head_end]
        length = _content_length(head)
        if length is None:
            self._slots.broken(f"an answer without a content-length: {head!r}")
            return
        total = head_end + len(_HEAD_END) + length
        if len(self._buffer) < total:
            return
        if not head.startswith(_OK):
            self._slots.fault(f"{self._buffer[:200]!r}")
        elif length == 0:
            self._slots.fault("the answer has no body")
        else:
            self._slots.ended(self._started)
        self._buffer = self._buffer[total:]
        if self._slots.running:
            self._send()

    def _send(self) -> None:
        self._started = perf_counter()
        self._transport.write(self._slots.next_body())


def _content_length(head: bytes) -> int | None:
    for line in head.split(b"\r\n"):
        if line[: len(_LENGTH)].lower() == _LENGTH:
            return int(line[len(_LENGTH) :])
    return None


def get(path: str, host: str) -> bytes:
    """The bytes of a GET."""
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: */*\r\n\r\n".encode("ascii")


def post_json(path: str, host: str, body: str) -> bytes:
    """The bytes of a POST of JSON."""
    content = body.encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nAccept: */*\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return head.encode("ascii") + content
