"""What the gateway answers when the model server is dead, slow, wrong or starting."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from protos.recommender.v1 import recommender_pb2 as pb
from protos.recommender.v1.recommender_pb2_grpc import RecommenderServiceStub
from server.app import gateway
from server.settings import Settings
from tests.fake_model_server import FakeModelServer, Function, Output, Refused, floats, strings
from tests.fault.waiting import eventually

Code = grpc.StatusCode
RECOMMEND = ("recommend", "serving_default")
BY_NUMBER = ("recommend", "by_number")
RETRIEVAL = ("retrieval", "serving_default")
RANK = ("ranking", "rank")


def refusing(code: grpc.StatusCode) -> Function:
    def refuse(inputs: object, version: int) -> dict[str, Output]:
        raise Refused(code, "secret text")

    return refuse


def ids(response: pb.RecommendUserResponse) -> list[str]:
    return [entry.movie.movie_id for entry in response.recommendations]


@contextmanager
def served(settings: Settings, **changes: object) -> Iterator[RecommenderServiceStub]:
    changed = settings.model_copy(update=changes)
    with gateway(changed) as running, grpc.insecure_channel(f"127.0.0.1:{running.port}") as opened:
        yield RecommenderServiceStub(opened)


def test_without_a_model_server_popular_movies_are_served(
    channel: grpc.Channel, stub: RecommenderServiceStub, model_server: FakeModelServer
) -> None:
    """Dead model server: popular movies, degraded; ratings UNAVAILABLE; health SERVING."""
    model_server.stop()

    response = stub.RecommendUser(
        pb.RecommendUserRequest(
            user_id="keen",
            page_size=4,
            exclude_movie_ids=["m8"],
            filter=pb.MovieFilter(max_year=1999),
        ),
        timeout=10,
    )
    with pytest.raises(grpc.RpcError) as rating:
        stub.PredictRating(pb.PredictRatingRequest(movie_ids=["m1"]), timeout=10)
    with pytest.raises(grpc.RpcError) as similar:
        stub.SimilarMovies(pb.SimilarMoviesRequest(movie_id="m1"), timeout=10)
    status = stub.GetServingStatus(pb.GetServingStatusRequest(), timeout=10)
    health = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10)

    # A man of 50: his segment ranks m12 first; m12 has no year, m11 is of 2000.
    assert ids(response) == ["m10", "m9", "m7", "m6"]
    assert {entry.source for entry in response.recommendations} == {pb.SOURCE_POPULAR}
    # Shrunk means are 2 + n / 10.
    assert [e.predicted_rating for e in response.recommendations] == pytest.approx(
        [3.0, 2.9, 2.7, 2.6]
    )
    assert response.answer.degraded
    assert list(response.answer.degraded_reasons) == ["model_server_unavailable"]
    assert response.user_state == pb.USER_STATE_HOT
    assert rating.value.code() is Code.UNAVAILABLE
    assert similar.value.code() is Code.UNAVAILABLE
    assert {part.state for part in status.parts} == {"UNREACHABLE"}
    assert status.answer.degraded
    assert health.status == health_pb2.HealthCheckResponse.SERVING


def test_a_guest_is_answered_without_a_model_server(
    stub: RecommenderServiceStub, model_server: FakeModelServer
) -> None:
    """A COLD list keeps its movies; its ratings become shrunk means, and the answer says so."""
    model_server.stop()

    response = stub.RecommendUser(pb.RecommendUserRequest(page_size=2), timeout=10)

    assert ids(response) == ["m1", "m2"]
    assert [e.predicted_rating for e in response.recommendations] == pytest.approx([2.1, 2.2])
    assert list(response.answer.degraded_reasons) == ["model_server_unavailable"]


def test_a_model_server_that_comes_back_is_used_again(
    stub: RecommenderServiceStub, model_server: FakeModelServer
) -> None:
    """After a restart on the same address answers are whole again, without the gateway's own."""
    request = pb.RecommendUserRequest(user_id="hot", page_size=1)
    model_server.stop()
    assert stub.RecommendUser(request, timeout=10).answer.degraded

    model_server.start()

    eventually(lambda: not stub.RecommendUser(request, timeout=10).answer.degraded)
    assert ids(stub.RecommendUser(request, timeout=10)) == ["m12"]


def test_retrieval_and_ranking_stand_in_for_recommend(
    stub: RecommenderServiceStub, model_server: FakeModelServer
) -> None:
    """Without `recommend` the list is retrieval's order, filtered here, rated by `rank`."""
    model_server.functions[RECOMMEND] = refusing(Code.UNAVAILABLE)

    response = stub.RecommendUser(
        pb.RecommendUserRequest(
            user_id="hot",
            page_size=3,
            exclude_movie_ids=["m11"],
            filter=pb.MovieFilter(genres_none=["Action"]),
        ),
        timeout=10,
    )

    # Action are m3, m6, m9 and m12.
    assert ids(response) == ["m10", "m8", "m7"]
    assert [e.score for e in response.recommendations] == [10, 8, 7]
    assert [e.predicted_rating for e in response.recommendations] == [5, 4, 3.5]
    assert {e.source for e in response.recommendations} == {pb.SOURCE_RETRIEVAL}
    assert list(response.answer.degraded_reasons) == ["model_server_unavailable"]
    # UNAVAILABLE is tried twice, then the ladder goes on.
    assert model_server.called() == [BY_NUMBER, BY_NUMBER, RETRIEVAL, RANK]


def test_retrieval_alone_is_rated_by_means(
    stub: RecommenderServiceStub, model_server: FakeModelServer
) -> None:
    """Without `recommend` and `rank` retrieval's order stays and the shrunk means stand in."""
    model_server.functions[RECOMMEND] = refusing(Code.UNAVAILABLE)
    model_server.functions[RANK] = refusing(Code.FAILED_PRECONDITION)

    response = stub.RecommendUser(pb.RecommendUserRequest(user_id="hot", page_size=2), timeout=10)

    assert ids(response) == ["m12", "m11"]
    assert [e.predicted_rating for e in response.recommendations] == pytest.approx([3.2, 3.1])
    assert list(response.answer.degraded_reasons) == [
        "model_server_unavailable",
        "contract_violation",
    ]


def test_a_slow_model_server_costs_quality_not_the_answer(
    settings: Settings, model_server: FakeModelServer
) -> None:
    """One call is given up at its cap; the list is answered, the rating is UNAVAILABLE."""
    leave = threading.Event()

    def stuck(inputs: object, version: int) -> dict[str, Output]:
        leave.wait(60)
        raise Refused(Code.CANCELLED)

    for key in (RECOMMEND, RETRIEVAL, RANK):
        model_server.functions[key] = stuck
    try:
        with served(settings, predict_timeout_s=0.1) as stub:
            response = stub.RecommendUser(pb.RecommendUserRequest(user_id="hot"), timeout=30)
            called = model_server.called()
            with pytest.raises(grpc.RpcError) as caught:
                stub.PredictRating(pb.PredictRatingRequest(movie_ids=["m1"]), timeout=30)
    finally:
        leave.set()

    assert len(response.recommendations) == 9
    assert list(response.answer.degraded_reasons) == ["model_server_timeout"]
    # A cap for each rung of the ladder would add up to the caller's whole time.
    assert called == [BY_NUMBER]
    assert caught.value.code() is Code.UNAVAILABLE


def test_the_status_leaves_time_to_be_told(settings: Settings) -> None:
    """A model server that never answers costs GetServingStatus its cap, not the caller's answer."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host, port = silent.getsockname()
        # What is left of 20 s after the reserve is far less than the cap.
        hurried = {"model_server": f"{host}:{port}", "predict_timeout_s": 60.0}
        with served(settings, **hurried, fallback_reserve_s=19.5) as stub:
            status = stub.GetServingStatus(pb.GetServingStatusRequest(), timeout=20)

    assert {part.state for part in status.parts} == {"UNREACHABLE"}
    assert status.releases.active == 1


def test_a_short_deadline_goes_to_the_fallback(
    settings: Settings, model_server: FakeModelServer
) -> None:
    """A deadline below the reserve leaves the models out: the list says so, the rating fails."""
    with served(settings, fallback_reserve_s=60.0) as stub:
        response = stub.RecommendUser(pb.RecommendUserRequest(user_id="hot"), timeout=20)
        with pytest.raises(grpc.RpcError) as caught:
            stub.PredictRating(pb.PredictRatingRequest(movie_ids=["m1"]), timeout=20)

    assert list(response.answer.degraded_reasons) == ["deadline"]
    assert caught.value.code() is Code.DEADLINE_EXCEEDED
    assert model_server.calls == []


def replaced(function: Function, **outputs: Output) -> Function:
    return lambda inputs, version: {**function(inputs, version), **outputs}


@pytest.mark.parametrize(
    "wrong",
    [
        {"scores": Output(9, (1, 200), [0] * 200)},
        {"movie_ids": floats([0.0] * 200)},
        {"ratings": floats([0.0] * 199)},
        {"scores": floats([0.0] * 400, (2, 200))},
        {"scores": floats([float("nan")] * 200)},
        {"movie_ids": strings(["m9", "m9", *[""] * 198])},
        {"movie_ids": strings(["stranger", *[""] * 199])},
    ],
    ids=["dtype", "no strings", "width", "batch", "NaN", "repeat", "unknown movie"],
)
def test_a_wrong_answer_is_never_passed_on(
    stub: RecommenderServiceStub, model_server: FakeModelServer, wrong: dict[str, Output]
) -> None:
    """A `recommend` that breaks the contract is left out, and the answer is degraded."""
    model_server.functions[RECOMMEND] = replaced(model_server.functions[RECOMMEND], **wrong)

    response = stub.RecommendUser(pb.RecommendUserRequest(user_id="hot", page_size=2), timeout=10)

    assert ids(response) == ["m12", "m11"]
    assert list(response.answer.degraded_reasons) == ["contract_violation"]
    assert (RETRIEVAL in model_server.called()) is True


def test_a_missing_output_is_never_passed_on(
    stub: RecommenderServiceStub, model_server: FakeModelServer
) -> None:
    """An answer without an output that was asked for breaks the contract."""
    model_server.functions[RANK] = lambda _inputs, _version: {"other": floats([1.0])}

    with pytest.raises(grpc.RpcError) as caught:
        stub.PredictRating(pb.PredictRatingRequest(movie_ids=["m1"]), timeout=10)

    assert caught.value.code() is Code.INTERNAL


@pytest.mark.parametrize("code", [Code.INVALID_ARGUMENT, Code.FAILED_PRECONDITION, Code.INTERNAL])
def test_a_refusal_is_our_fault_not_the_users(
    stub: RecommenderServiceStub, model_server: FakeModelServer, code: grpc.StatusCode
) -> None:
    """What the model server refuses is INTERNAL to the caller, without the server's own text."""
    model_server.functions[RANK] = refusing(code)

    with pytest.raises(grpc.RpcError) as caught:
        stub.PredictRating(pb.PredictRatingRequest(movie_ids=["m1"]), timeout=10)

    assert caught.value.code() is Code.INTERNAL
    assert "secret text" not in caught.value.details()


@pytest.mark.parametrize("answered_before", [False, True], ids=["starting", "restarted unseen"])
def test_a_version_that_is_not_loaded_is_unavailable(
    stub: RecommenderServiceStub, model_server: FakeModelServer, answered_before: bool
) -> None:
    """NOT_FOUND is a version that still loads, also after answers: a restart may go unseen."""
    request = pb.PredictRatingRequest(movie_ids=["m1"])
    if answered_before:
        stub.PredictRating(request, timeout=10)
    model_server.states.clear()

    response = stub.RecommendUser(pb.RecommendUserRequest(user_id="hot"), timeout=10)
    with pytest.raises(grpc.RpcError) as caught:
        stub.PredictRating(request, timeout=10)

    assert list(response.answer.degraded_reasons) == ["model_server_unavailable"]
    assert caught.value.code() is Code.UNAVAILABLE
    assert "has not loaded ranking version 1" in caught.value.details()
