"""Calls whose messages are read before a worker comes: as before to callers, but for who is silent.

Each behaviour that grpc's own way has as well is tested on both ways.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

import grpc
import pytest
from grpc_health.v1 import health, health_pb2_grpc

from server import arrivals
from server.workers import Workers
from tests.fault.waiting import eventually

PATH = "/test.Echo/Say"


@contextmanager
def echo(workers: Workers) -> Iterator[grpc.Channel]:
    """A server that says what it is told, and its health."""
    server = grpc.server(workers)  # type: ignore[arg-type]
    say = grpc.unary_unary_rpc_method_handler(lambda message, _context: b"<" + message + b">")
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("test.Echo", {"Say": say}),)
    )
    health_pb2_grpc.add_HealthServicer_to_server(health.HealthServicer(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield channel
    finally:
        server.stop(None).wait()


@pytest.fixture(params=["message first", "grpc's way"])
def workers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workers]:
    if request.param != "message first":
        monkeypatch.setattr(arrivals, "_PARTS", None)
    with Workers(2) as live:
        yield live


def test_messages_are_answered(workers: Workers) -> None:
    """An empty one too; of two to a method that takes one the first counts."""
    with echo(workers) as channel:
        say, say_all = channel.unary_unary(PATH), channel.stream_unary(PATH)
        assert say(b"hi", timeout=10) == b"<hi>"
        assert say(b"", timeout=10) == b"<>"
        assert say_all(iter([b"1", b"2"]), timeout=10) == b"<1>"
        eventually(lambda: workers.in_flight == 0)


def test_a_call_without_a_message_is_refused(workers: Workers) -> None:
    """UNIMPLEMENTED, and it counts no longer."""
    with echo(workers) as channel, pytest.raises(grpc.RpcError) as caught:
        channel.stream_unary(PATH)(iter(()), timeout=10)

    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert "requires exactly one request message" in caught.value.details()
    eventually(lambda: workers.in_flight == 0)


def test_a_message_that_cannot_be_read_is_refused(workers: Workers) -> None:
    """Where grpc turns bytes into a message, INTERNAL."""
    with echo(workers) as channel, pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary("/grpc.health.v1.Health/Check")(b"\xff\xff\xff", timeout=10)

    assert caught.value.code() is grpc.StatusCode.INTERNAL
    eventually(lambda: workers.in_flight == 0)


def test_who_sends_nothing_holds_no_worker() -> None:
    """Three callers that are silent, of whom one gives up, count, and leave both workers free."""
    speak = threading.Event()

    def silence() -> Iterator[bytes]:
        assert speak.wait(30)
        yield b"late"

    with Workers(2) as workers, echo(workers) as channel:
        silent = [channel.stream_unary(PATH).future(silence(), timeout=60) for _ in range(3)]
        eventually(lambda: workers.in_flight == 3)

        assert channel.unary_unary(PATH)(b"hi", timeout=10) == b"<hi>"
        silent[0].cancel()
        eventually(lambda: workers.in_flight == 2)
        speak.set()
        assert [call.result(30) for call in silent[1:]] == [b"<late>"] * 2
        eventually(lambda: workers.in_flight == 0)


@pytest.mark.parametrize(
    ("part", "other"),
    [
        ("_receive_message", callable),
        ("_unary_response_in_pool", callable),
        ("_RPCState", object),
        ("cygrpc", object()),
    ],
)
def test_a_grpc_with_other_inner_parts_goes_its_own_way(
    monkeypatch: pytest.MonkeyPatch, part: str, other: object
) -> None:
    """Parts that are missing, take other arguments or lack what is asked of them are not used."""
    assert arrivals._inner_parts() is not None

    monkeypatch.setattr(import_module("grpc._server"), part, other)

    assert arrivals._inner_parts() is None
