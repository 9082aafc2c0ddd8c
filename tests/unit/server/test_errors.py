"""Each ServiceError, raised through a real channel, leaves as the table says."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from protos.recommender.v1 import recommender_pb2 as pb
from protos.recommender.v1 import recommender_pb2_grpc
from server import errors
from server.features.store import StoreError
from server.interceptors import CallInterceptor
from server.logs import JsonFormatter
from server.metrics import Metrics

Code = grpc.StatusCode
RAISED = [
    (
        errors.InvalidRequest([errors.FieldViolation("age", "allowed 0..9")]),
        Code.INVALID_ARGUMENT,
        "INVALID_REQUEST",
    ),
    (errors.UnknownMovie("movie_id", "m0"), Code.NOT_FOUND, "UNKNOWN_MOVIE"),
    (errors.MovieExists("m1"), Code.ALREADY_EXISTS, "MOVIE_EXISTS"),
    (errors.NotReady("no release"), Code.UNAVAILABLE, "NO_ACTIVE_RELEASE"),
    (errors.Overloaded(), Code.RESOURCE_EXHAUSTED, "TOO_MANY_CALLS"),
    (errors.DeadlineExceeded(), Code.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED"),
    (errors.UpstreamUnavailable("away"), Code.UNAVAILABLE, "MODEL_SERVER_UNAVAILABLE"),
    (StoreError("secret-user-42"), Code.UNAVAILABLE, "FEATURE_STORE_UNAVAILABLE"),
    (errors.ContractViolation("secret-user-42"), Code.INTERNAL, "CONTRACT_VIOLATION"),
    (KeyError("secret-user-42"), Code.INTERNAL, "INTERNAL"),
]


class Raising(recommender_pb2_grpc.RecommenderServiceServicer):
    error: Exception

    def GetMovie(self, _request: pb.GetMovieRequest, _context: grpc.ServicerContext) -> None:  # noqa: N802 - gRPC's name
        raise self.error


@pytest.fixture(scope="module")
def raising() -> Iterator[tuple[Raising, recommender_pb2_grpc.RecommenderServiceStub]]:
    server = grpc.server(ThreadPoolExecutor(2), interceptors=[CallInterceptor(Metrics())])
    servicer = Raising()
    recommender_pb2_grpc.add_RecommenderServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield servicer, recommender_pb2_grpc.RecommenderServiceStub(channel)
    server.stop(None).wait()


@pytest.mark.parametrize(
    ("error", "code", "reason"), RAISED, ids=[type(row[0]).__name__ for row in RAISED]
)
def test_error_leaves_with_its_status(
    raising: tuple[Raising, recommender_pb2_grpc.RecommenderServiceStub],
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    code: grpc.StatusCode,
    reason: str,
) -> None:
    """Status, ErrorInfo and request id reach the caller; what is secret stays in the log."""
    servicer, stub = raising
    servicer.error = error
    with caplog.at_level(logging.INFO), pytest.raises(grpc.RpcError) as caught:
        stub.GetMovie(pb.GetMovieRequest(), metadata=(("x-request-id", "id-1"),), timeout=10)

    assert caught.value.code() is code
    assert "secret-user-42" not in caught.value.details()
    info = error_details_pb2.ErrorInfo()
    assert rpc_status.from_call(caught.value).details[0].Unpack(info)
    assert (info.reason, info.domain) == (reason, "recommender.v1")
    assert info.metadata["request_id"] == "id-1"
    if code is Code.INTERNAL:
        assert "id-1" in caught.value.details()
    (record,) = [r for r in caplog.records if r.getMessage() == "rpc"]
    event = json.loads(JsonFormatter().format(record))
    assert (event["method"], event["code"], event["request_id"]) == ("GetMovie", code.name, "id-1")
    assert event["ms"] >= 0
    assert ("traceback" in event) == isinstance(error, KeyError)


def test_every_service_error_is_in_the_table() -> None:
    """No subclass of ServiceError is left out of the test above."""
    raised = {type(errors.visible(error)) for error, _, _ in RAISED}

    assert set(errors.ServiceError.__subclasses__()) <= raised
