"""Lists of people who said something about themselves and rated nothing."""

from __future__ import annotations

import pytest

from protos.recommender.v1 import recommender_pb2 as pb
from protos.recommender.v1.recommender_pb2_grpc import RecommenderServiceStub
from tests.fake_model_server import FakeModelServer

Request = pb.RecommendUserRequest


def ask(stub: RecommenderServiceStub, **fields: object) -> pb.RecommendUserResponse:
    return stub.RecommendUser(Request(page_size=12, **fields), timeout=10)


def ids(response: pb.RecommendUserResponse) -> list[str]:
    return [entry.movie.movie_id for entry in response.recommendations]


def test_three_lists_are_added_by_their_places(
    stub: RecommenderServiceStub, model_server: FakeModelServer
) -> None:
    """Place n of the models is worth 1 / (5 + n), of the segment a quarter, of a genre half."""
    response = ask(stub, profile=pb.Profile(favorite_genres=["Drama"]))

    # The models say m12, m11, ...; everybody's ranking is m1, m2, ...; Dramas are m2, m5, m6, m8
    # and m11, in everybody's order.
    found = {entry.movie.movie_id: entry for entry in response.recommendations}
    assert found["m12"].score == pytest.approx(1 / 5 + 0.25 / 16)
    assert found["m11"].score == pytest.approx(1 / 6 + 0.25 / 15 + 0.5 / 9)
    assert found["m2"].score == pytest.approx(1 / 15 + 0.25 / 6 + 0.5 / 5)
    assert found["m1"].score == pytest.approx(1 / 16 + 0.25 / 5)
    assert ids(response)[:3] == ["m11", "m12", "m2"]
    scores = [entry.score for entry in response.recommendations]
    assert scores == sorted(scores, reverse=True)
    assert response.user_state == pb.USER_STATE_WARM
    assert model_server.called() == [("recommend", "by_number")]


def test_the_list_that_adds_most_is_the_source(stub: RecommenderServiceStub) -> None:
    """m2 is there for its genre, m12 for the models; a rating is the models' wherever they said."""
    response = ask(stub, profile=pb.Profile(favorite_genres=["Drama"]))

    found = {entry.movie.movie_id: entry for entry in response.recommendations}
    assert found["m2"].source == pb.SOURCE_CONTENT
    assert found["m12"].source == pb.SOURCE_RETRIEVAL
    assert found["m8"].predicted_rating == 4.0


def test_a_stored_profile_counts_as_well(stub: RecommenderServiceStub) -> None:
    """The user "shy" is stored as a woman: her segment ranks m12 first, as the models do."""
    response = ask(stub, user_id="shy")

    assert response.user_state == pb.USER_STATE_WARM
    assert response.recommendations[0].score == pytest.approx(1 / 5 + 0.25 / 5)


def test_wishes_and_exclusions_hold_in_every_list(stub: RecommenderServiceStub) -> None:
    """What the models may not list neither segment nor favourite genre brings in."""
    response = ask(
        stub,
        profile=pb.Profile(gender="F", favorite_genres=["Drama"]),
        filter=pb.MovieFilter(genres_none=["Comedy"], min_year=1991),
        exclude_movie_ids=["m5"],
    )

    # Comedies are m1, m4, m7 and m10; m12 has no year.
    assert sorted(ids(response)) == ["m11", "m2", "m3", "m6", "m8", "m9"]


def test_a_rating_ends_the_mixture(stub: RecommenderServiceStub) -> None:
    """With a history the final order of the models is the list, whatever the profile says."""
    response = ask(
        stub,
        profile=pb.Profile(favorite_genres=["Drama"]),
        history=[pb.RatedMovie(movie_id="m12", rating=4)],
    )

    assert [entry.score for entry in response.recommendations] == list(range(11, 0, -1))


def test_without_models_genre_and_segment_remain(
    stub: RecommenderServiceStub, model_server: FakeModelServer
) -> None:
    """The model server away: the favourite genre leads, the answer is degraded, no movie lacks."""
    model_server.stop()

    response = ask(stub, profile=pb.Profile(favorite_genres=["Drama"]))

    assert ids(response)[:2] == ["m2", "m5"]
    assert [e.source for e in response.recommendations][:2] == [pb.SOURCE_CONTENT] * 2
    assert len(set(ids(response))) == 12
    assert response.answer.degraded
