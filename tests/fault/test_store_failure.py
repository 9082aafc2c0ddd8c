"""A feature store that fails costs quality where an answer is possible, and says so elsewhere."""

from __future__ import annotations

import sqlite3

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from protos.recommender.v1 import recommender_pb2 as pb
from protos.recommender.v1.recommender_pb2_grpc import RecommenderServiceStub
from server.settings import Settings
from tests.fake_model_server import FakeModelServer


@pytest.fixture
def broken(stub: RecommenderServiceStub, settings: Settings) -> RecommenderServiceStub:
    """A gateway whose store breaks while it runs, before anybody whom it knows was read."""
    stub.GetUser(pb.GetUserRequest(user_id="stranger"), timeout=10)
    break_store(settings)
    return stub


def break_store(settings: Settings) -> None:
    with sqlite3.connect(settings.store_path) as connection:
        connection.execute("ALTER TABLE users RENAME TO gone")
        connection.execute("ALTER TABLE events RENAME TO gone_too")
    connection.close()


def test_lists_and_ratings_go_on_with_the_request_alone(
    broken: RecommenderServiceStub, model_server: FakeModelServer
) -> None:
    """The request's history still counts; the answer is degraded and names the store."""
    listed = broken.RecommendUser(
        pb.RecommendUserRequest(
            user_id="hot",
            page_size=3,
            history=[pb.RatedMovie(movie_id="m12", rating=5)],
            exclude_movie_ids=["m10"],
        ),
        timeout=10,
    )
    rated = broken.PredictRating(
        pb.PredictRatingRequest(user_id="hot", movie_ids=["m8"]), timeout=10
    )

    assert [e.movie.movie_id for e in listed.recommendations] == ["m11", "m9", "m8"]
    assert listed.user_state == pb.USER_STATE_WARM
    assert list(listed.answer.degraded_reasons) == ["feature_store_unavailable"]
    assert rated.ratings[0].rating == 4
    assert rated.answer.degraded
    assert model_server.calls[0].inputs["history_numbers"][0][-1] == 12


def test_who_was_read_before_is_still_known(
    stub: RecommenderServiceStub, settings: Settings
) -> None:
    """The same list, not degraded, as nothing can have changed; until a rating is to be stored."""
    request = pb.RecommendUserRequest(user_id="hot")
    before = stub.RecommendUser(request, timeout=10)
    break_store(settings)

    after = stub.RecommendUser(request, timeout=10)
    assert [e.movie.movie_id for e in after.recommendations] == [
        e.movie.movie_id for e in before.recommendations
    ]
    assert not after.answer.degraded

    event = pb.RecordRatingsRequest.RatingEvent(user_id="hot", movie_id="m1", rating=3)
    with pytest.raises(grpc.RpcError):
        stub.RecordRatings(pb.RecordRatingsRequest(ratings=[event]), timeout=10)
    assert stub.RecommendUser(request, timeout=10).answer.degraded


def test_both_backends_away_still_answer(
    broken: RecommenderServiceStub, model_server: FakeModelServer
) -> None:
    """Store and models gone: popular movies, both reasons."""
    model_server.stop()

    response = broken.RecommendUser(
        pb.RecommendUserRequest(
            user_id="hot", page_size=2, history=[pb.RatedMovie(movie_id="m1", rating=5)]
        ),
        timeout=10,
    )

    assert [e.movie.movie_id for e in response.recommendations] == ["m2", "m3"]
    assert list(response.answer.degraded_reasons) == [
        "feature_store_unavailable",
        "model_server_unavailable",
    ]


@pytest.mark.parametrize(
    ("rpc", "request_"),
    [
        ("GetUser", pb.GetUserRequest(user_id="hot")),
        (
            "RecordRatings",
            pb.RecordRatingsRequest(
                ratings=[pb.RecordRatingsRequest.RatingEvent(user_id="u", movie_id="m1", rating=3)],
                request_id="r",
            ),
        ),
    ],
)
def test_what_hangs_on_the_store_is_unavailable(
    broken: RecommenderServiceStub, settings: Settings, rpc: str, request_: object
) -> None:
    """UNAVAILABLE with the store's reason; the path of its file stays inside."""
    with pytest.raises(grpc.RpcError) as caught:
        getattr(broken, rpc)(request_, timeout=10)

    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert str(settings.store_path) not in caught.value.details()
    info = error_details_pb2.ErrorInfo()
    assert rpc_status.from_call(caught.value).details[0].Unpack(info)
    assert info.reason == "FEATURE_STORE_UNAVAILABLE"


def test_a_write_that_failed_may_be_sent_again(
    broken: RecommenderServiceStub, settings: Settings
) -> None:
    """The request id of a failed write is free: once the store is mended the retry counts."""
    event = pb.RecordRatingsRequest.RatingEvent(user_id="u", movie_id="m1", rating=3)
    request = pb.RecordRatingsRequest(ratings=[event], request_id="r")
    with pytest.raises(grpc.RpcError):
        broken.RecordRatings(request, timeout=10)
    with sqlite3.connect(settings.store_path) as connection:
        connection.execute("ALTER TABLE gone RENAME TO users")
        connection.execute("ALTER TABLE gone_too RENAME TO events")
    connection.close()

    assert broken.RecordRatings(request, timeout=10).recorded == 1
    ratings = broken.GetUser(pb.GetUserRequest(user_id="u"), timeout=10).ratings
    assert [(r.movie_id, r.rating) for r in ratings] == [("m1", 3)]
