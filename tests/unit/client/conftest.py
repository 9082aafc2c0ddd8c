"""A real gRPC server on an own port that answers what a test puts into it."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest

from client import RecommenderClient
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


@pytest.fixture
def client(target: str) -> Iterator[RecommenderClient]:
    with RecommenderClient(target, timeout=30) as connected:
        yield connected


@pytest.fixture
def unused_target() -> Iterator[str]:
    """An address that nobody answers: bound, so that nobody else takes it, but not listening."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{bound.getsockname()[1]}"
