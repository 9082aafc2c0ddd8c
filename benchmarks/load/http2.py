"""gRPC calls over one HTTP/2 connection, written frame by frame.

grpc's own Python client needs as much processor time for a call as the servers measured here, and
h2load repeats one body and takes any status for success. This one sends prepared bytes, and of an
answer reads only the frame headers, the end of the message and the status (RFC 9113). Our header
table size is 0, so servers write headers as literals and the status can be found without HPACK.
"""

from __future__ import annotations

import asyncio
import struct
from time import perf_counter
from typing import Final, cast

from benchmarks.load.slots import MARK_SPAN, Slots

_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE, _CONTINUATION = (
    *(0, 1, 3, 4, 6, 7, 8, 9),
)
_END_STREAM, _ACK, _END_HEADERS = 0x1, 0x1, 0x4
_HEADER_TABLE_SIZE, _INITIAL_WINDOW_SIZE, _MAX_FRAME_SIZE = 1, 4, 5
_FRAME_HEADER: Final = 9
_LARGEST_WINDOW: Final = 2**31 - 1
_DEFAULT_WINDOW: Final = 65_535
_WINDOW_RENEWAL: Final = 2**29
"""Received bytes after which the peer gets them back as window."""
MAX_BODY: Final = 16_000
"""A body fits one frame of the size that every peer must take."""
_STATUS_OK: Final = b"grpc-status\x010"


class GrpcCalls(asyncio.Protocol):
    """Keeps calls of one method in flight.

    Args:
      slots: what to send and where to record.
      n_calls: in flight at once on this connection.
      path: "/package.Service/Method".
      authority: host:port.
    """

    def __init__(self, slots: Slots, n_calls: int, path: str, authority: str) -> None:
        self._slots = slots
        self._n_calls = n_calls
        self._headers = _request_headers(path, authority)
        self._started: dict[int, float] = {}
        self._tails: dict[int, bytes] = {}
        """The last bytes of each message that is on its way."""
        self._waiting = 0
        """Calls that the peer's window has no room for yet."""
        self._next_stream = 1
        self._window = _DEFAULT_WINDOW
        self._received = 0
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        settings = ((_HEADER_TABLE_SIZE, 0), (_INITIAL_WINDOW_SIZE, _LARGEST_WINDOW))
        content = b"".join(struct.pack(">HI", *setting) for setting in settings)
        self._transport.write(
            _PREFACE
            + _frame(_SETTINGS, 0, 0, content)
            + _window_update(_LARGEST_WINDOW - _DEFAULT_WINDOW)
        )
        self._send(self._n_calls)

    def connection_lost(self, error: Exception | None) -> None:
        if self._slots.running:
            self._slots.broken(f"the server closed the connection: {error}")

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data if self._buffer else data
        position, end, n_ended = 0, len(buffer), 0
        while end - position >= _FRAME_HEADER:
            length = int.from_bytes(buffer[position : position + 3], "big")
            if end - position < _FRAME_HEADER + length:
                break
            kind, flags = buffer[position + 3], buffer[position + 4]
            stream = int.from_bytes(buffer[position + 5 : position + 9], "big")
            position += _FRAME_HEADER
            if kind == _DATA:
                first = max(position, position + length - MARK_SPAN)
                tail = buffer[first : position + length]
                before = self._tails.get(stream, b"") if length < MARK_SPAN else b""
                self._tails[stream] = before + tail
                self._received += length
            elif kind == _HEADERS:
                if flags & _END_STREAM:
                    self._end(stream, buffer[position : position + length])
                    n_ended += 1
            else:
                n_ended += self._control(kind, flags, stream, buffer[position : position + length])
            position += length
        self._buffer = buffer[position:]
        if self._received >= _WINDOW_RENEWAL:
            self._transport.write(_window_update(self._received))
            self._received = 0
        if n_ended and self._slots.running:
            self._send(n_ended)

    def _end(self, stream: int, trailers: bytes) -> None:
        tail = self._tails.pop(stream, b"")
        started = self._started.pop(stream)
        if _STATUS_OK not in trailers:
            self._slots.fault(f"the trailers are {trailers!r}")
        elif not tail:
            self._slots.fault("the answer has no message")
        elif mark := self._slots.bad_mark(tail):
            self._slots.fault(f"the answer has {mark!r}")
        else:
            self._slots.ended(started)

    def _control(self, kind: int, flags: int, stream: int, content: bytes) -> int:
        """Answers a frame of the connection; returns the calls that it ended."""
        if kind == _SETTINGS and not flags & _ACK:
            self._transport.write(_frame(_SETTINGS, _ACK, 0))
        elif kind == _PING and not flags & _ACK:
            self._transport.write(_frame(_PING, _ACK, 0, content))
        elif kind == _WINDOW_UPDATE and stream == 0:
            self._window += int.from_bytes(content, "big")
            waiting, self._waiting = self._waiting, 0
            self._send(waiting)
        elif kind == _RST_STREAM:
            self._tails.pop(stream, None)
            self._started.pop(stream)
            self._slots.fault(f"the stream was reset with {int.from_bytes(content, 'big')}")
            return 1
        elif kind in (_GOAWAY, _CONTINUATION):
            self._slots.broken(f"frame of type {kind}: {content!r}")
        return 0

    def _send(self, n_calls: int) -> None:
        parts = []
        for number in range(n_calls):
            body = self._slots.next_body() if self._window >= MAX_BODY else None
            if body is None:
                self._waiting += n_calls - number
                break
            stream = self._next_stream
            self._next_stream += 2
            message = b"\0" + len(body).to_bytes(4, "big") + body
            self._window -= len(message)
            parts.append(_frame(_HEADERS, _END_HEADERS, stream, self._headers))
            parts.append(_frame(_DATA, _END_STREAM, stream, message))
            self._started[stream] = perf_counter()
        if parts:
            self._transport.write(b"".join(parts))


def _frame(kind: int, flags: int, stream: int, content: bytes = b"") -> bytes:
    head = len(content).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big")
    return head + content


def _window_update(n_bytes: int) -> bytes:
    return _frame(_WINDOW_UPDATE, 0, 0, n_bytes.to_bytes(4, "big"))


def _request_headers(path: str, authority: str) -> bytes:
    """An HPACK block of literals that enter no table, the same for every call (RFC 7541)."""
    post, http = b"\x83", b"\x86"
    return (
        post
        + http
        + b"\x04"
        + _text(path)
        + b"\x01"
        + _text(authority)
        + b"\x00"
        + _text("content-type")
        + _text("application/grpc")
        + b"\x00"
        + _text("te")
        + _text("trailers")
    )


def _text(value: str) -> bytes:
    raw = value.encode("ascii")
    if len(raw) > 126:
        raise ValueError(f"{value!r} is longer than 126 bytes")
    return bytes((len(raw),)) + raw
