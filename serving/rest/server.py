"""HTTP/1.1 in front of the routes: a thread for each connection, few calls at a time."""

from __future__ import annotations

import logging
import socket
import socketserver
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from serving.rest.routes import Answer, Routes

_log = logging.getLogger(__name__)

_IDLE_S = 60
"""How long a connection may say nothing."""
_MAX_CONNECTIONS = 1000
_MAX_BODY = 2**31 - 1
"""Bytes; as much as the gRPC API takes."""
_MAX_CHUNK_LINE = 1000
_STOP_S = 0.5
"""How long the accepting thread takes to notice that it is to end."""


class RestServer:
    """Listens from its construction on and answers from `start` to `stop`."""

    def __init__(self, host: str, port: int, routes: Routes, n_threads: int) -> None:
        """`n_threads`: calls that run at a time.

        Raises:
          OSError: the port is taken.
        """
        self._server = _HttpServer(host, port, routes, n_threads)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_STOP_S,), name="rest", daemon=True
        )

    def start(self) -> None:
        """Returns once calls are answered."""
        self._thread.start()

    def stop(self, grace_s: float) -> None:
        """Closes the port; running calls get `grace_s` seconds."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()
        self._server.drain(grace_s)


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, host: str, port: int, routes: Routes, n_threads: int) -> None:
        if ":" in host:
            self.address_family = socket.AF_INET6
        super().__init__((host, port), _Handler)
        self.routes = routes
        self.calls = threading.BoundedSemaphore(n_threads)
        self._n_calls = n_threads
        self._connections = threading.BoundedSemaphore(_MAX_CONNECTIONS)

    def server_bind(self) -> None:
        # HTTPServer looks up the host's name, which may take seconds and is of no use here.
        socketserver.TCPServer.server_bind(self)

    def process_request(self, request: socket.socket, client_address: object) -> None:
        if not self._connections.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: socket.socket, client_address: object) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._connections.release()

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002
        _log.debug("connection of %s ended", client_address, exc_info=True)

    def drain(self, grace_s: float) -> None:
        """Waits for the running calls."""
        deadline = time.monotonic() + grace_s
        for _ in range(self._n_calls):
            self.calls.acquire(timeout=max(0.0, deadline - time.monotonic()))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "recserve"
    sys_version = ""
    timeout = _IDLE_S
    wbufsize = -1  # one packet for headers and body
    disable_nagle_algorithm = True
    server: _HttpServer

    def _respond(self) -> None:
        body = self._body()
        if body is None:
            return
        path = urlsplit(self.path).path
        headers = {key.title(): value for key, value in self.headers.items()}
        with self.server.calls:
            self._send(self.server.routes.answer(self.command, path, body, headers))

    # The names that the base class looks for.
    do_GET = do_POST = do_OPTIONS = do_PUT = do_DELETE = do_HEAD = _respond  # noqa: N815

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)
        self.wfile.flush()

    def _body(self) -> bytes | None:
        """The request's body; None when it was refused."""
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return self._chunks()
        length = self.headers.get("Content-Length", "0")
        if not length.isascii() or not length.isdecimal():
            return self._refuse(HTTPStatus.BAD_REQUEST)
        if int(length[:20]) > _MAX_BODY:
            return self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        body = self.rfile.read(int(length))
        return body if len(body) == int(length) else self._refuse(HTTPStatus.BAD_REQUEST)

    def _chunks(self) -> bytes | None:
        body = bytearray()
        while True:
            line = self.rfile.readline(_MAX_CHUNK_LINE).split(b";")[0].strip()
            try:
                size = int(line, 16)
            except ValueError:
                return self._refuse(HTTPStatus.BAD_REQUEST)
            if size < 0 or len(body) + size > _MAX_BODY:
                return self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            if size == 0:
                while self.rfile.readline(_MAX_CHUNK_LINE).strip():
                    pass  # trailers, which nobody reads
                return bytes(body)
            chunk = self.rfile.read(size + 2)
            if len(chunk) < size + 2:
                return self._refuse(HTTPStatus.BAD_REQUEST)
            body += chunk[:size]

    def _refuse(self, status: HTTPStatus) -> None:
        """Answers without reading on; the connection cannot be used any more."""
        self.close_connection = True
        self._send(Answer(status, b""))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        _log.debug(format, *args)
