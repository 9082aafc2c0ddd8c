"""Lists of another order, their reasons, and their diversity, over a real channel."""

from __future__ import annotations

import grpc
import pytest

from protos.recommender.v1 import recommender_pb2 as pb
from protos.recommender.v1.recommender_pb2_grpc import RecommenderServiceStub
from server.paging import PageTokens
from server.ranking import RankedList
from tests.fake_model_server import FakeModelServer, Refused

Request = pb.RecommendUserRequest
BY_RATING = Request.ORDER_BY_PREDICTED_RATING


def ids(response: pb.RecommendUserResponse) -> list[str]:
    return [entry.movie.movie_id for entry in response.recommendations]


def why(entry: pb.RecommendUserResponse.Recommendation) -> list[tuple[str, object]]:
    found = []
    for reason in entry.reasons:
        kind = reason.WhichOneof("reason")
        value = getattr(reason, kind)
        found.append(
            (value.movie.movie_id, value.weight) if kind == "because_of_movie" else (kind, value)
        )
    return found


def test_predicted_rating_orders_the_whole_catalogue_in_the_graph(
    stub: RecommenderServiceStub, model_server: FakeModelServer
) -> None:
    """One Predict with order 1, also for a guest; scores are ratings, unclipped."""
    for user_id in ("hot", ""):
        response = stub.RecommendUser(
            Request(user_id=user_id, order_by=BY_RATING, page_size=4), timeout=10
        )

        assert ids(response) == ["m12", "m11", "m10", "m9"]
        assert [e.score for e in response.recommendations] == [6, 5.5, 5, 4.5]
        assert [e.predicted_rating for e in response.recommendations] == [5, 5, 5, 4.5]
        assert {e.source for e in response.recommendations} == {pb.SOURCE_RETRIEVAL}
    assert model_server.called() == [("recommend", "by_number")] * 2
    assert [call.inputs["order"] for call in model_server.calls] == [[[1]]] * 2


def test_predicted_rating_without_recommend_asks_rank_for_all(
    stub: RecommenderServiceStub, model_server: FakeModelServer
) -> None:
    """The allowed movies are rated one and all, and sorted here."""

    def refuse(_inputs: object, _version: int):  # type: ignore[no-untyped-def]
        raise Refused(grpc.StatusCode.INTERNAL)

    model_server.functions["recommend", "serving_default"] = refuse
    response = stub.RecommendUser(
        Request(user_id="hot", order_by=BY_RATING, filter=pb.MovieFilter(genres_any=["Drama"])),
        timeout=10,
    )

    # Drama are m2, m5, m6, m8, m11; m2 is seen.
    assert ids(response) == ["m11", "m8", "m6", "m5"]
    assert [e.score for e in response.recommendations] == [5.5, 4, 3, 2.5]
    assert list(response.answer.degraded_reasons) == ["contract_violation"]


def test_predicted_rating_without_models_falls_back_to_means(
    stub: RecommenderServiceStub, model_server: FakeModelServer
) -> None:
    """With the model server away the shrunk means make the order, and the source says MEAN."""
    model_server.stop()

    request = Request(user_id="hot", order_by=BY_RATING, page_size=3)
    response = stub.RecommendUser(request, timeout=10)

    assert ids(response) == ["m12", "m11", "m10"]
    assert [e.score for e in response.recommendations] == pytest.approx([3.2, 3.1, 3.0])
    assert {e.source for e in response.recommendations} == {pb.SOURCE_MEAN}
    assert response.answer.degraded


def test_movies_of_the_history_are_cited_with_their_drops(stub: RecommenderServiceStub) -> None:
    """The model's reasons come through, strongest first, with the whole movie."""
    response = stub.RecommendUser(Request(user_id="hot", page_size=1), timeout=10)

    (entry,) = response.recommendations
    assert why(entry) == [("m3", 0.5), ("m2", 0.25)]
    assert entry.reasons[0].because_of_movie.movie.title == "Movie 3"


def test_favourite_genres_and_popularity_are_reasons(stub: RecommenderServiceStub) -> None:
    """To somebody without history a movie is popular, or has one of the favourite genres."""
    response = stub.RecommendUser(
        Request(page_size=3, profile=pb.Profile(favorite_genres=["Drama"])), timeout=10
    )

    # m11 and m2 are Dramas: the order and the sources are those of test_profile_mix.
    assert ids(response) == ["m11", "m12", "m2"]
    assert [why(e) for e in response.recommendations] == [
        [("shared_genre", "Drama"), ("popular", True)],
        [("popular", True)],
        [("shared_genre", "Drama")],
    ]


def test_no_movie_is_cited_where_the_score_is_not_what_orders(stub: RecommenderServiceStub) -> None:
    """By predicted rating a drop of the retrieval score explains nothing: a shared genre may."""
    response = stub.RecommendUser(
        Request(user_id="hot", order_by=BY_RATING, page_size=2), timeout=10
    )

    # hot has seen m1 Comedy, m2 Drama, m3 Action; m12 is Action, m11 Drama.
    assert [why(e) for e in response.recommendations] == [
        [("shared_genre", "Action")],
        [("shared_genre", "Drama")],
    ]


def test_diversity_mixes_genres_and_keeps_the_scores(stub: RecommenderServiceStub) -> None:
    """The same movies in another order, each with its own score; the best stays first."""
    wish = pb.MovieFilter(genres_none=["Comedy"])
    asked = {"page_size": 12, "filter": wish, "exclude_movie_ids": ["m11"]}
    plain = stub.RecommendUser(Request(**asked), timeout=10)
    mixed = stub.RecommendUser(Request(**asked, diversity=1), timeout=10)

    assert ids(plain) == ["m12", "m9", "m8", "m6", "m5", "m3", "m2"]
    # m6 is Action and Drama, m3, m9 and m12 are Action, the others Drama; vectors there are none.
    # Relevance aside a movie costs its genres' share of those before: m8 0 beside m12, then all
    # cost a half and the first comes, then m5 a third, ...
    assert ids(mixed) == ["m12", "m8", "m9", "m5", "m6", "m3", "m2"]
    assert sorted(ids(mixed)) == sorted(ids(plain))
    assert {e.movie.movie_id: e.score for e in mixed.recommendations} == {
        e.movie.movie_id: e.score for e in plain.recommendations
    }


def test_no_history_is_carried_for_reasons_that_nobody_says(
    stub: RecommenderServiceStub, model_server: FakeModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token has the history for the reasons of later pages; where the models are away, none."""
    sealed: list[RankedList] = []
    seal = PageTokens.seal

    def noted(tokens: PageTokens, ranked: RankedList, n_shown: int, query_hash: bytes) -> str:
        sealed.append(ranked)
        return seal(tokens, ranked, n_shown, query_hash)

    def refuse(_inputs: object, _version: int):  # type: ignore[no-untyped-def]
        raise Refused(grpc.StatusCode.INTERNAL)

    monkeypatch.setattr(PageTokens, "seal", noted)
    stub.RecommendUser(Request(user_id="hot", page_size=1), timeout=10)
    model_server.functions["recommend", "serving_default"] = refuse
    stub.RecommendUser(Request(user_id="hot", page_size=1), timeout=10)

    answered, failed = sealed
    assert len(answered.history) == len(answered.history_ids) > 0
    assert len(failed.history) == len(failed.history_ids) == len(failed.history_ratings) == 0
