"""What surrounds every RPC: request ids, health, reflection, limits."""

from __future__ import annotations

import re
import threading

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_status import rpc_status

from protos.recommender.v1 import recommender_pb2 as pb
from protos.recommender.v1.recommender_pb2_grpc import RecommenderServiceStub
from server.app import gateway
from server.settings import Settings
from tests.fake_model_server import FakeModelServer


def error_info(error: grpc.RpcError) -> error_details_pb2.ErrorInfo:
    info = error_details_pb2.ErrorInfo()
    for detail in rpc_status.from_call(error).details:
        if detail.Unpack(info):
            return info
    pytest.fail("no ErrorInfo")


@pytest.mark.parametrize(
    "message", [b"\x0a\x02\xff\xfe", b"\xff\xff\xff"], ids=["not UTF-8", "no message"]
)
def test_what_is_no_request_is_the_callers_fault(channel: grpc.Channel, message: bytes) -> None:
    """Bytes that are no RecommendUserRequest are INVALID_ARGUMENT with the usual details."""
    call = channel.unary_unary("/recommender.v1.RecommenderService/RecommendUser")

    with pytest.raises(grpc.RpcError, match="RecommendUserRequest") as caught:
        call(message, timeout=10)

    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert error_info(caught.value).reason == "INVALID_REQUEST"


@pytest.mark.parametrize("path", ["/nonsense", "/a/b/c", "/recommender.v1.RecommenderService/Nope"])
def test_an_unknown_path_is_unimplemented(channel: grpc.Channel, path: str) -> None:
    """Whatever a path looks like: what nobody serves is UNIMPLEMENTED."""
    with pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary(path)(b"", timeout=10)

    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_the_largest_request_is_taken(stub: RecommenderServiceStub) -> None:
    """10,000 excluded ids and 10,000 history entries of 256 bytes, 5 MiB, get through."""
    ids = [f"{n:0256d}" for n in range(10_000)]
    request = pb.RecommendUserRequest(
        exclude_movie_ids=ids, history=[pb.RatedMovie(movie_id=i, rating=3) for i in ids]
    )

    response = stub.RecommendUser(request, timeout=60)

    assert len(response.answer.unknown_movie_ids) == 10_000


def test_request_id_comes_back(stub: RecommenderServiceStub) -> None:
    """Answers and errors carry the caller's x-request-id in trailing metadata, else a new one."""
    _, good = stub.GetMovie.with_call(
        pb.GetMovieRequest(movie_id="m1"), metadata=(("x-request-id", "abc"),), timeout=10
    )
    with pytest.raises(grpc.RpcError) as caught:
        stub.GetMovie(pb.GetMovieRequest(), metadata=(("x-request-id", "def"),), timeout=10)
    _, fresh = stub.GetMovie.with_call(pb.GetMovieRequest(movie_id="m1"), timeout=10)

    assert dict(good.trailing_metadata())["x-request-id"] == "abc"
    assert dict(caught.value.trailing_metadata())["x-request-id"] == "def"
    assert re.fullmatch("[0-9a-f]{32}", dict(fresh.trailing_metadata())["x-request-id"])


@pytest.mark.parametrize("service", ["", "recommender.v1.RecommenderService"])
def test_health_is_serving(channel: grpc.Channel, service: str) -> None:
    """grpc.health.v1 says SERVING for the process and for the service."""
    health = health_pb2_grpc.HealthStub(channel)

    answer = health.Check(health_pb2.HealthCheckRequest(service=service), timeout=10)

    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_reflection_lists_the_service(channel: grpc.Channel) -> None:
    """Reflection names our service and health."""
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    requests = iter([reflection_pb2.ServerReflectionRequest(list_services="")])

    (answer,) = stub.ServerReflectionInfo(requests, timeout=10)

    names = {service.name for service in answer.list_services_response.service}
    assert {"recommender.v1.RecommenderService", "grpc.health.v1.Health"} <= names


def hold(model_server: FakeModelServer) -> tuple[threading.Event, threading.Event]:
    """Has `rank` tell when it is asked, and wait until it may answer."""
    entered, leave = threading.Event(), threading.Event()
    rank = model_server.functions["ranking", "rank"]

    def held(inputs, version):  # type: ignore[no-untyped-def]
        entered.set()
        assert leave.wait(30)
        return rank(inputs, version)

    model_server.functions["ranking", "rank"] = held
    return entered, leave


def test_calls_beyond_the_limit_are_refused(
    settings: Settings, model_server: FakeModelServer
) -> None:
    """With one call allowed, a second at the same time is RESOURCE_EXHAUSTED, with details.

    The one worker is busy with the first call: the refusal does not wait for it.
    """
    entered, leave = hold(model_server)
    narrow = settings.model_copy(update={"max_concurrent_rpcs": 1, "workers": 1})
    with gateway(narrow) as running, grpc.insecure_channel(f"127.0.0.1:{running.port}") as opened:
        stub = RecommenderServiceStub(opened)
        first = stub.PredictRating.future(pb.PredictRatingRequest(movie_ids=["m8"]), timeout=30)
        assert entered.wait(30)
        try:
            with pytest.raises(grpc.RpcError) as caught:
                stub.GetMovie(pb.GetMovieRequest(movie_id="m1"), timeout=10)
        finally:
            leave.set()
        assert first.result().ratings[0].rating == 4.0

    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    info = error_info(caught.value)
    assert (info.reason, info.domain) == ("TOO_MANY_CALLS", "recommender.v1")
    assert info.metadata["request_id"]


def test_who_is_silent_keeps_nobody_from_being_refused(
    settings: Settings, model_server: FakeModelServer
) -> None:
    """Three callers beyond the limit send nothing: a fourth is told at once that it is refused."""
    entered, leave = hold(model_server)

    def silence():  # type: ignore[no-untyped-def]
        assert leave.wait(30)
        yield b""

    narrow = settings.model_copy(update={"max_concurrent_rpcs": 1, "workers": 1})
    with gateway(narrow) as running, grpc.insecure_channel(f"127.0.0.1:{running.port}") as opened:
        stub = RecommenderServiceStub(opened)
        first = stub.PredictRating.future(pb.PredictRatingRequest(movie_ids=["m8"]), timeout=30)
        assert entered.wait(30)
        mute = opened.stream_unary("/recommender.v1.RecommenderService/GetUser")
        silent = [mute.future(silence(), timeout=30) for _ in range(3)]
        try:
            with pytest.raises(grpc.RpcError) as caught:
                stub.GetMovie(pb.GetMovieRequest(movie_id="m1"), timeout=10)
        finally:
            leave.set()
        assert first.result().ratings[0].rating == 4.0
        codes = [call.exception(30).code() for call in silent]

    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert codes == [grpc.StatusCode.RESOURCE_EXHAUSTED] * 3
