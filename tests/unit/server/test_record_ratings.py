"""RecordRatings over a real channel: what it stores, and what the next calls make of it."""

from __future__ import annotations

import grpc
import pytest

from protos.recommender.v1 import recommender_pb2 as pb
from protos.recommender.v1.recommender_pb2_grpc import RecommenderServiceStub
from server.app import gateway
from server.settings import Settings
from tests.fake_model_server import FakeModelServer
from tests.fault.waiting import eventually
from tests.releases import activate, write_release

Event = pb.RecordRatingsRequest.RatingEvent


def record(
    stub: RecommenderServiceStub, *events: Event, request_id: str = ""
) -> pb.RecordRatingsResponse:
    request = pb.RecordRatingsRequest(ratings=events, request_id=request_id)
    return stub.RecordRatings(request, timeout=10)


def rating(user_id: str, movie_id: str, value: float, seconds: int = 0) -> Event:
    event = Event(user_id=user_id, movie_id=movie_id, rating=value)
    if seconds:
        event.rated_at.seconds = seconds
    return event


def known(stub: RecommenderServiceStub, user_id: str) -> dict[str, float]:
    ratings = stub.GetUser(pb.GetUserRequest(user_id=user_id), timeout=10).ratings
    return {entry.movie_id: entry.rating for entry in ratings}


def active(stub: RecommenderServiceStub) -> int:
    return stub.GetUser(pb.GetUserRequest(user_id="hot"), timeout=10).answer.release_version


def test_the_next_call_uses_a_recorded_rating(
    stub: RecommenderServiceStub, model_server: FakeModelServer
) -> None:
    """A new user becomes HOT: the models see the rating, the list leaves the movie out."""
    before = stub.RecommendUser(pb.RecommendUserRequest(user_id="new", page_size=3), timeout=10)
    answer = record(stub, rating("new", "m12", 5))
    after = stub.RecommendUser(pb.RecommendUserRequest(user_id="new", page_size=3), timeout=10)

    assert answer.recorded == 1
    assert [e.movie.movie_id for e in before.recommendations] == ["m12", "m11", "m10"]
    assert [e.movie.movie_id for e in after.recommendations] == ["m11", "m10", "m9"]
    assert after.user_state == pb.USER_STATE_HOT
    sent = model_server.calls[-1].inputs
    assert sent["history_numbers"][0][-1] == 12
    assert sent["history_ratings"][0][-1] == 5


def test_rerate_and_unrate(stub: RecommenderServiceStub) -> None:
    """A movie rated again moves to the newest place; one taken back may be listed again."""
    record(stub, rating("hot", "m1", 2), Event(user_id="hot", movie_id="m3", remove=True))

    user = stub.GetUser(pb.GetUserRequest(user_id="hot"), timeout=10)
    listed = stub.RecommendUser(pb.RecommendUserRequest(user_id="hot", page_size=12), timeout=10)

    assert [(r.movie_id, r.rating) for r in user.ratings] == [("m2", 3), ("m1", 2)]
    assert user.ratings[1].rated_at.seconds > 1_600_000_000
    ids = [e.movie.movie_id for e in listed.recommendations]
    assert "m3" in ids
    assert "m1" not in ids


def test_the_time_of_a_rating_is_kept(stub: RecommenderServiceStub) -> None:
    """rated_at places the rating: hot rated m2 at 200 and m3 at 300 seconds."""
    record(stub, rating("hot", "m9", 4, seconds=250))

    ratings = stub.GetUser(pb.GetUserRequest(user_id="hot"), timeout=10).ratings

    assert [(r.movie_id, r.rated_at.seconds) for r in ratings] == [
        ("m1", 100),
        ("m2", 200),
        ("m9", 250),
        ("m3", 300),
    ]


def test_unknown_movies_are_named_and_not_stored(stub: RecommenderServiceStub) -> None:
    """Known movies are stored beside unknown ones, which come back once each."""
    answer = record(stub, rating("u", "zz", 5), rating("u", "m1", 4), rating("u", "zz", 1))

    assert (answer.recorded, list(answer.unknown_movie_ids)) == (1, ["zz"])
    assert known(stub, "u") == {"m1": 4}


def test_the_same_request_again_gives_the_same_answer(stub: RecommenderServiceStub) -> None:
    """A retry stores nothing twice: what changed between stays changed."""
    events = (rating("u", "m1", 4), rating("u", "zz", 4))
    first = record(stub, *events, request_id="r1")
    record(stub, rating("u", "m1", 2))

    again = record(stub, *events, request_id="r1")

    assert again == first
    assert (again.recorded, list(again.unknown_movie_ids)) == (1, ["zz"])
    assert known(stub, "u") == {"m1": 2}


def test_a_request_id_of_another_request_is_refused(stub: RecommenderServiceStub) -> None:
    """An id that means something else already is the caller's mistake, and stores nothing."""
    record(stub, rating("u", "m1", 4), request_id="r1")

    with pytest.raises(grpc.RpcError, match="request_id") as caught:
        record(stub, rating("u", "m2", 4), request_id="r1")

    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert known(stub, "u") == {"m1": 4}


def test_ratings_survive_restarts_and_switches(
    settings: Settings, model_server: FakeModelServer
) -> None:
    """After a restart and two releases later the rating is still part of the history."""
    with gateway(settings) as running, grpc.insecure_channel(running.target) as channel:
        record(RecommenderServiceStub(channel), rating("hot", "m9", 4))
    with gateway(settings) as running, grpc.insecure_channel(running.target) as channel:
        stub = RecommenderServiceStub(channel)
        for version in (2, 3):
            write_release(settings.models_dir, version)
            model_server.load(version)
            activate(settings.models_dir, version)
            eventually(lambda v=version: active(stub) == v)
            assert known(stub, "hot") == {"m1": 5, "m2": 3, "m3": 4, "m9": 4}


def test_a_thousand_ratings_in_one_request(stub: RecommenderServiceStub) -> None:
    """The largest request is stored whole."""
    answer = record(stub, *(rating(f"u{n}", "m1", 3) for n in range(1000)))

    assert answer.recorded == 1000
    assert known(stub, "u0") == known(stub, "u999") == {"m1": 3}
