"""Pages concatenate exactly, whatever happens between them."""

from __future__ import annotations

import pytest

from protos.recommender.v1 import recommender_pb2 as pb
from protos.recommender.v1.recommender_pb2_grpc import RecommenderServiceStub
from server.settings import Settings
from tests.fake_model_server import FakeModelServer
from tests.fault.waiting import eventually
from tests.releases import World, activate, write_release

Request = pb.RecommendUserRequest


@pytest.mark.parametrize("user_id", ["hot", ""])
def test_pages_go_on_through_writes_a_switch_and_a_dead_model_server(
    stub: RecommenderServiceStub,
    model_server: FakeModelServer,
    settings: Settings,
    user_id: str,
) -> None:
    """Between the pages the user rates movies of the list, a release lacks one, models die."""
    whole = stub.RecommendUser(Request(user_id=user_id, page_size=100), timeout=10)
    first = stub.RecommendUser(Request(user_id=user_id, page_size=3), timeout=10)

    event = pb.RecordRatingsRequest.RatingEvent
    stub.RecordRatings(
        pb.RecordRatingsRequest(
            ratings=[
                event(user_id=user_id or "guest", movie_id=entry.movie.movie_id, rating=1)
                for entry in whole.recommendations
            ]
        ),
        timeout=10,
    )
    second = stub.RecommendUser(
        Request(user_id=user_id, page_size=3, page_token=first.next_page_token), timeout=10
    )
    movies = World().movies
    write_release(settings.models_dir, 2, World(movies=(*movies[:3], *movies[4:]), users=()))
    model_server.load(2)
    activate(settings.models_dir, 2)
    status = pb.GetServingStatusRequest()
    eventually(lambda: stub.GetServingStatus(status, timeout=10).releases.active == 2)
    model_server.stop()
    third = stub.RecommendUser(
        Request(user_id=user_id, page_size=100, page_token=second.next_page_token), timeout=10
    )

    entries = [*first.recommendations, *second.recommendations, *third.recommendations]
    assert len(third.recommendations) >= 3
    assert [(e.movie.movie_id, e.score, e.predicted_rating, e.source) for e in entries] == [
        (e.movie.movie_id, e.score, e.predicted_rating, e.source) for e in whole.recommendations
    ]
    assert {p.answer.release_version for p in (first, second, third)} == {1}
    assert not third.answer.degraded
    assert third.next_page_token == ""
