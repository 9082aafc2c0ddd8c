"""A real gRPC server on an own port that answers what a test puts into it, and both clients."""

from __future__ import annotations

import asyncio
import inspect
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Self

import grpc
import pytest

from client import AsyncRecommenderClient, RecommenderClient
from protos.recommender.v1 import recommender_pb2 as pb
from protos.recommender.v1 import recommender_pb2_grpc

SERVICE = pb.DESCRIPTOR.services_by_name["RecommenderService"]


class CannedService(recommender_pb2_grpc.RecommenderServiceServicer):
    """Answers each RPC with what `answers` has for it and remembers what it was asked.

    An answer is a response message, or a function of (request, context) that makes one.
    """

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.requests: list[Any] = []
        self.metadata: list[dict[str, str]] = []
        self.time_remaining: list[float] = []

    def answer(self, name: str, request: Any, context: grpc.ServicerContext) -> Any:
        self.requests.append(request)
        self.metadata.append(dict(context.invocation_metadata()))
        self.time_remaining.append(context.time_remaining())
        canned = self.answers[name]
        return canned(request, context) if callable(canned) else canned


def _handler(name: str) -> Callable[..., Any]:
    def handle(self: CannedService, request: Any, context: grpc.ServicerContext) -> Any:
        return self.answer(name, request, context)

    return handle


for _method in SERVICE.methods:
    setattr(CannedService, _method.name, _handler(_method.name))


@pytest.fixture
def service() -> CannedService:
    return CannedService()


@pytest.fixture
def target(service: CannedService) -> Iterator[str]:
    with ThreadPoolExecutor(max_workers=4) as pool:
        server = grpc.server(pool)
        recommender_pb2_grpc.add_RecommenderServiceServicer_to_server(service, server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        yield f"127.0.0.1:{port}"
        server.stop(None).wait()


class Awaited:
    """An AsyncRecommenderClient whose calls block: each is awaited in the runner's loop."""

    def __init__(self, runner: asyncio.Runner, *arguments: Any, **options: Any) -> None:
        self.inner = AsyncRecommenderClient(*arguments, **options)
        self._runner = runner

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self.inner.close())

    def __repr__(self) -> str:
        return repr(self.inner)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.inner, name)
        if not callable(method):
            return method

        def blocking(*args: Any, **options: Any) -> Any:
            given = method(*args, **options)
            return self._runner.run(given if inspect.isawaitable(given) else _collected(given))

        return blocking


async def _collected(pages: Any) -> list[Any]:
    return [page async for page in pages]


Connect = Callable[..., Any]


@pytest.fixture(params=["blocking", "awaited"])
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Makes a client with options of a test's own: the blocking one, and the other one."""
    if request.param == "blocking":
        yield RecommenderClient
        return
    with asyncio.Runner() as runner:
        yield partial(Awaited, runner)


@pytest.fixture
def client(connect: Connect, target: str) -> Iterator[Any]:
    """Both clients; neither retries, so that a test sees each call once."""
    with connect(target, timeout=30, max_attempts=1) as connected:
        yield connected


@pytest.fixture
def unused_target() -> Iterator[str]:
    """An address that nobody answers: bound, so that nobody else takes it, but not listening."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{bound.getsockname()[1]}"
