"""Every RPC of the gateway over a real channel, with a fake model server behind it."""

from __future__ import annotations

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from protos.recommender.v1 import recommender_pb2 as pb
from protos.recommender.v1.recommender_pb2_grpc import RecommenderServiceStub
from tests.fake_model_server import FakeModelServer

UNSET_YEARS = [[-(2**63), 2**63 - 1]]


def ids(response: pb.RecommendUserResponse) -> list[str]:
    return [entry.movie.movie_id for entry in response.recommendations]


def error_info(error: grpc.RpcError) -> error_details_pb2.ErrorInfo:
    info = error_details_pb2.ErrorInfo()
    for detail in rpc_status.from_call(error).details:
        if detail.Unpack(info):
            return info
    pytest.fail("no ErrorInfo")


def test_hot_user_gets_the_models_order_without_seen_movies(
    stub: RecommenderServiceStub, model_server: FakeModelServer
) -> None:
    """A HOT user's list is the final order of `recommend`: m12 first, m1 to m3 left out."""
    response = stub.RecommendUser(pb.RecommendUserRequest(user_id="hot", page_size=4), timeout=10)

    assert ids(response) == ["m12", "m11", "m10", "m9"]
    assert [entry.score for entry in response.recommendations] == [12, 11, 10, 9]
    # Ratings are n / 2, clipped to the manifest's 1..5.
    assert [entry.predicted_rating for entry in response.recommendations] == [5, 5, 5, 4.5]
    assert {entry.source for entry in response.recommendations} == {pb.SOURCE_RETRIEVAL}
    assert response.user_state == pb.USER_STATE_HOT
    assert response.answer.release_version == 1
    assert not response.answer.degraded
    assert response.recommendation_id


def test_hot_user_costs_one_predict(
    stub: RecommenderServiceStub, model_server: FakeModelServer
) -> None:
    """RecommendUser sends one Predict, pinned, asking for what it needs, padded as agreed."""
    stub.RecommendUser(
        pb.RecommendUserRequest(
            user_id="hot",
            exclude_movie_ids=["m9"],
            history=[pb.RatedMovie(movie_id="m1", rating=2)],
            profile=pb.Profile(age=25, favorite_genres=["Drama"]),
        ),
        timeout=10,
    )

    (call,) = model_server.calls
    assert (call.servable, call.signature, call.version) == ("recommend", "by_number", 1)
    assert set(call.output_filter) == {
        "movie_numbers",
        "scores",
        "ratings",
        "reason_places",
        "reason_drops",
    }
    assert call.inputs["user_id"] == [["hot"]]
    # m1 moves to the newest end with the request's rating; the first element is neutral.
    assert call.inputs["history_numbers"] == [[0, 2, 3, 1]]
    assert call.inputs["history_ratings"] == [[0.0, 3.0, 4.0, 2.0]]
    assert [t for t in call.inputs["profile"][0] if t] == [
        "age:25",
        "gender:F",
        "occupation:student",
        "genre:Drama",
    ]
    assert call.inputs["profile"][0][0] == ""
    assert call.inputs["exclude_numbers"][0][0] == 0
    assert set(call.inputs["exclude_numbers"][0]) == {0, 1, 2, 3, 9}
    assert call.inputs["genres_any"] == [[0]]
    assert call.inputs["years"] == UNSET_YEARS
    assert call.inputs["order"] == [[0]]


def test_seen_movies_stay_when_asked_for(stub: RecommenderServiceStub) -> None:
    """exclude_seen = false leaves the seen movies in; exclude_movie_ids holds all the same."""
    response = stub.RecommendUser(
        pb.RecommendUserRequest(
            user_id="hot", page_size=12, exclude_seen=False, exclude_movie_ids=["m12", "m2"]
        ),
        timeout=10,
    )

    assert ids(response) == ["m11", "m10", "m9", "m8", "m7", "m6", "m5", "m4", "m3", "m1"]


def test_excluded_movies_count_once(
    stub: RecommenderServiceStub, model_server: FakeModelServer
) -> None:
    """In any order, named twice or unknown: the graph hears of each once, the answer of unknown."""
    excluded = ["m12", "y", "m5", "m12", "x", "m5", "y", "m11"]
    response = stub.RecommendUser(
        pb.RecommendUserRequest(user_id="guest", page_size=12, exclude_movie_ids=excluded),
        timeout=10,
    )

    assert ids(response) == ["m10", "m9", "m8", "m7", "m6", "m4", "m3", "m2", "m1"]
    assert list(response.answer.unknown_movie_ids) == ["y", "x"]
    (sent,) = model_server.calls[-1].inputs["exclude_numbers"]
    assert sorted(number for number in sent if number) == [5, 11, 12]


def test_filters_reach_the_graph(
    stub: RecommenderServiceStub, model_server: FakeModelServer
) -> None:
    """Genre masks number the manifest's list; years travel as they are."""
    response = stub.RecommendUser(
        pb.RecommendUserRequest(
            user_id="hot",
            filter=pb.MovieFilter(
                genres_any=["Action", "Drama"], genres_none=["Comedy"], min_year=1994, max_year=1998
            ),
        ),
        timeout=10,
    )

    # Years 1994..1998 are m5..m9; m5, m8 are Drama, m6 Action and Drama, m9 Action, m7 Comedy.
    assert ids(response) == ["m9", "m8", "m6", "m5"]
    (call,) = model_server.calls
    assert call.inputs["genres_any"] == [[0b101]]
    assert call.inputs["genres_none"] == [[0b010]]
    assert call.inputs["years"] == [[1994, 1998]]


def test_short_list_is_filled_from_popularity_below_its_scores(
    stub: RecommenderServiceStub, model_server: FakeModelServer
) -> None:
    """What the models leave open is filled with popular movies, scores falling, no repeat."""
    full = model_server.functions["recommend", "serving_default"]

    def two_only(inputs, version):  # type: ignore[no-untyped-def]
        outputs = dict(full(inputs, version))
        for name, empty in (("movie_ids", ""), ("scores", 0.0), ("ratings", 0.0)):
            kept = list(outputs[name].values[:2])
            values = kept + [empty] * (len(outputs[name].values) - 2)
            outputs[name] = type(outputs[name])(outputs[name].dtype, outputs[name].shape, values)
        return outputs

    model_server.functions["recommend", "serving_default"] = two_only
    response = stub.RecommendUser(
        pb.RecommendUserRequest(user_id="hot", page_size=5, exclude_movie_ids=["m9"]), timeout=10
    )

    # The user is a woman of 30: segment ("F", any) ranks m12 first, then downwards.
    assert ids(response) == ["m12", "m11", "m10", "m8", "m7"]
    assert [e.source for e in response.recommendations] == [pb.SOURCE_RETRIEVAL] * 2 + [
        pb.SOURCE_POPULAR
    ] * 3
    scores = [entry.score for entry in response.recommendations]
    assert scores == sorted(scores, reverse=True)
    assert scores[2] < 11
    # Movie n has the shrunk mean 2 + n / 10.
    assert response.recommendations[2].predicted_rating == pytest.approx(3.0)
    assert model_server.called() == [("recommend", "by_number")]


def test_guest_gets_what_the_models_say_of_nobody(
    stub: RecommenderServiceStub, model_server: FakeModelServer
) -> None:
    """A guest is COLD and goes through `recommend` as well, with an empty history."""
    response = stub.RecommendUser(pb.RecommendUserRequest(page_size=3), timeout=10)

    assert ids(response) == ["m12", "m11", "m10"]
    assert [e.score for e in response.recommendations] == [12, 11, 10]
    assert [e.predicted_rating for e in response.recommendations] == [5, 5, 5]
    assert {e.source for e in response.recommendations} == {pb.SOURCE_RETRIEVAL}
    assert all(e.reasons[0].popular for e in response.recommendations)
    assert response.user_state == pb.USER_STATE_COLD
    assert not response.answer.degraded
    assert model_server.called() == [("recommend", "by_number")]
    assert model_server.calls[0].inputs["history_numbers"] == [[0]]


@pytest.mark.parametrize(
    ("profile", "first"),
    [
        (pb.Profile(gender="F"), "m12"),
        (pb.Profile(gender="F", age=70), "m12"),
        (pb.Profile(gender="M", age=45), "m12"),
        (pb.Profile(gender="M", age=44), "m1"),
        (pb.Profile(age=50), "m1"),
    ],
)
def test_profile_picks_the_narrowest_segment(
    stub: RecommenderServiceStub, model_server: FakeModelServer, profile: pb.Profile, first: str
) -> None:
    """The segments are everybody, F, and M from 45 on; the latter two rank m12 first."""
    model_server.stop()
    response = stub.RecommendUser(pb.RecommendUserRequest(profile=profile), timeout=10)

    assert ids(response)[0] == first
    assert response.user_state == pb.USER_STATE_WARM


def test_warm_user_does_not_see_the_requests_history_again(stub: RecommenderServiceStub) -> None:
    """History in the request makes a stranger WARM, goes to the models, and is not listed again."""
    response = stub.RecommendUser(
        pb.RecommendUserRequest(
            user_id="stranger",
            page_size=3,
            history=[pb.RatedMovie(movie_id="m1", rating=5), pb.RatedMovie(movie_id="x", rating=1)],
            exclude_movie_ids=["m3", "y"],
            filter=pb.MovieFilter(max_year=1994),
        ),
        timeout=10,
    )

    assert ids(response) == ["m5", "m4", "m2"]
    assert {entry.source for entry in response.recommendations} == {pb.SOURCE_RETRIEVAL}
    assert response.user_state == pb.USER_STATE_WARM
    assert list(response.answer.unknown_movie_ids) == ["y", "x"]


def test_predicted_ratings_keep_the_requests_order(
    stub: RecommenderServiceStub, model_server: FakeModelServer
) -> None:
    """Duplicates are answered in place, unknown movies listed, ratings clipped; one `rank` call."""
    response = stub.PredictRating(
        pb.PredictRatingRequest(user_id="hot", movie_ids=["m8", "zz", "m4", "m8", "m12"]),
        timeout=10,
    )

    assert [(r.movie_id, r.rating) for r in response.ratings] == [
        ("m8", 4.0),
        ("m4", 2.0),
        ("m8", 4.0),
        ("m12", 5.0),
    ]
    assert {r.source for r in response.ratings} == {pb.SOURCE_RETRIEVAL}
    assert list(response.answer.unknown_movie_ids) == ["zz"]
    (call,) = model_server.calls
    assert (call.servable, call.signature) == ("ranking", "rank")
    assert call.inputs["history_ids"] == [["", "m1", "m2", "m3"]]
    assert call.inputs["movie_ids"] == [["", "m8", "m4", "m8", "m12"]]


def test_unknown_user_gets_mean_ratings(stub: RecommenderServiceStub) -> None:
    """An unknown user is no error; the ratings' source is MEAN."""
    response = stub.PredictRating(
        pb.PredictRatingRequest(user_id="nobody", movie_ids=["m8"]), timeout=10
    )

    assert [(r.rating, r.source) for r in response.ratings] == [(4.0, pb.SOURCE_MEAN)]


def test_a_guest_with_a_history_gets_the_models_ratings(stub: RecommenderServiceStub) -> None:
    """Ratings that are folded in from a history are no means: their source is the model."""
    response = stub.PredictRating(
        pb.PredictRatingRequest(movie_ids=["m8"], history=[pb.RatedMovie(movie_id="m1", rating=5)]),
        timeout=10,
    )

    assert [(r.rating, r.source) for r in response.ratings] == [(4.0, pb.SOURCE_RETRIEVAL)]


def test_a_thousand_movies_are_rated(stub: RecommenderServiceStub) -> None:
    """The longest list that is allowed fits the widest input of its kind."""
    response = stub.PredictRating(
        pb.PredictRatingRequest(user_id="hot", movie_ids=["m8"] * 1000), timeout=10
    )

    assert [r.rating for r in response.ratings] == [4.0] * 1000


@pytest.mark.parametrize(
    ("mode", "sent"),
    [
        (pb.SimilarMoviesRequest.MODE_UNSPECIFIED, 0),
        (pb.SimilarMoviesRequest.MODE_HYBRID, 0),
        (pb.SimilarMoviesRequest.MODE_COLLABORATIVE, 1),
        (pb.SimilarMoviesRequest.MODE_CONTENT, 2),
    ],
)
def test_similar_movies_never_contain_the_movie_itself(
    stub: RecommenderServiceStub, model_server: FakeModelServer, mode: int, sent: int
) -> None:
    """SimilarMovies asks `retrieval/similar` with the mode's number and leaves the movie out."""
    response = stub.SimilarMovies(
        pb.SimilarMoviesRequest(movie_id="m11", mode=mode, page_size=3), timeout=10
    )

    assert [s.movie.movie_id for s in response.similar] == ["m12", "m10", "m9"]
    assert [s.score for s in response.similar] == [12, 10, 9]
    assert response.answer.release_version == 1
    (call,) = model_server.calls
    assert (call.servable, call.signature) == ("retrieval", "similar")
    assert call.inputs["mode"] == [[sent]]


def test_new_movie_is_answered_by_content(
    stub: RecommenderServiceStub, model_server: FakeModelServer
) -> None:
    """A movie outside the catalogue goes to `content/similar` with all that is said of it."""
    response = stub.SimilarMovies(
        pb.SimilarMoviesRequest(
            new_movie=pb.SimilarMoviesRequest.NewMovie(
                title="Heat 2", year=2027, genres=["Action"], tags=["heist"]
            ),
            filter=pb.MovieFilter(genres_all=["Action", "Drama"]),
        ),
        timeout=10,
    )

    assert [s.movie.movie_id for s in response.similar] == ["m6"]
    (call,) = model_server.calls
    assert (call.servable, call.signature) == ("content", "similar")
    assert call.inputs["title"] == [["Heat 2"]]
    assert call.inputs["genres"] == [["", "Action"]]
    assert call.inputs["year"] == [[2027]]
    assert call.inputs["tags"] == [["", "heist"]]
    assert call.inputs["genres_all"] == [[0b101]]


def test_get_user_tells_what_is_stored(stub: RecommenderServiceStub) -> None:
    """GetUser gives ratings oldest first, times where known, and the profile."""
    known = stub.GetUser(pb.GetUserRequest(user_id="keen"), timeout=10)
    unknown = stub.GetUser(pb.GetUserRequest(user_id="nobody"), timeout=10)

    assert [(r.movie_id, r.rating) for r in known.ratings] == [("m4", 2.0), ("m1", 1.0)]
    assert not known.ratings[0].HasField("rated_at")
    assert known.ratings[1].rated_at.seconds == 50
    assert known.profile == pb.Profile(age=50, gender="M", occupation="writer")
    assert known.user_state == pb.USER_STATE_HOT
    assert unknown.user_state == pb.USER_STATE_COLD
    assert not unknown.ratings


def test_get_movie_tells_the_catalogues_entry(stub: RecommenderServiceStub) -> None:
    """GetMovie gives every field; a movie that is not there is NOT_FOUND."""
    response = stub.GetMovie(pb.GetMovieRequest(movie_id="m6"), timeout=10)
    with pytest.raises(grpc.RpcError) as caught:
        stub.GetMovie(pb.GetMovieRequest(movie_id="nope"), timeout=10)

    assert response.movie == pb.Movie(
        movie_id="m6",
        title="Movie 6",
        year=1995,
        genres=["Action", "Drama"],
        rating_count=94,
        mean_rating=2.6,
    )
    assert response.answer.release_version == 1
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    info = error_info(caught.value)
    assert info.reason == "UNKNOWN_MOVIE"
    assert info.metadata["movie_id"] == "nope"
    assert "'nope'" in caught.value.details()


def test_similar_to_an_unknown_movie_is_not_found(stub: RecommenderServiceStub) -> None:
    """SimilarMovies of an unknown movie is NOT_FOUND, not an empty list."""
    with pytest.raises(grpc.RpcError) as caught:
        stub.SimilarMovies(pb.SimilarMoviesRequest(movie_id="nope"), timeout=10)

    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


def test_serving_status_tells_release_parts_and_counts(stub: RecommenderServiceStub) -> None:
    """GetServingStatus names the active release, each part's state, the store and its counts."""
    status = stub.GetServingStatus(pb.GetServingStatusRequest(), timeout=10)

    assert (status.releases.stable, status.releases.active) == (1, 1)
    assert status.releases.why_not_switched == ""
    assert {(p.name, p.state, p.required) for p in status.parts} == {
        (name, "AVAILABLE", True) for name in ("recommend", "ranking", "retrieval", "content")
    }
    assert status.store_state == "sqlite: ready"
    # Two of three users have ratings: 3 and 2 of them.
    assert (status.counts.movies, status.counts.users, status.counts.ratings) == (12, 3, 5)
    assert not status.answer.degraded
