"""Wrong arguments are refused where the caller made them, before anything is sent."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from client import (
    AddedMovie,
    MovieFilter,
    NewMovie,
    Profile,
    RatedMovie,
    RatingEvent,
    RecommenderClient,
    RecommendQuery,
)
from protos.recommender.v1 import recommender_pb2 as pb

Call = Callable[[Any], object]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda c: c.recommend_user(42), "user_id must be a string, got int: 42"),
        (lambda c: c.recommend_user("1", page_size="10"), "page_size must be an integer"),
        (lambda c: c.recommend_user("1", page_size=True), "page_size must be an integer"),
        (lambda c: c.recommend_user("1", page_size=2.0), "page_size must be an integer"),
        (lambda c: c.recommend_user("1", exclude_seen=1), "exclude_seen must be a bool"),
        (lambda c: c.recommend_user("1", exclude_movie_ids="50"), "exclude_movie_ids must be a li"),
        (lambda c: c.recommend_user("1", exclude_movie_ids=[50]), r"exclude_movie_ids\[0\] must"),
        (lambda c: c.recommend_user("1", filter={"min_year": 1}), "filter must be a MovieFilter"),
        (lambda c: c.recommend_user("1", filter=MovieFilter("War")), "genres_any must be a list"),
        (lambda c: c.recommend_user("1", history=[("5", 4)]), r"history\[0\] must be a RatedMovie"),
        (lambda c: c.recommend_user("1", history=[RatedMovie("5", "4")]), "rating must be a numb"),
        (lambda c: c.recommend_user("1", profile=Profile(age="9")), "age must be an integer"),
        (lambda c: c.recommend_user("1", diversity="much"), "diversity must be a number"),
        (lambda c: c.recommend_user("1", order_by="rating"), "order_by must be an OrderBy"),
        (lambda c: c.predict_rating("1", "50"), "movie_ids must be a list, got str: '50'"),
        (lambda c: c.predict_rating("1", None), "movie_ids must be a list, got NoneType"),
        (lambda c: c.similar_movies(50), "movie must be a string, got int: 50"),
        (lambda c: c.similar_movies(NewMovie(title=5)), "title must be a string"),
        (lambda c: c.similar_movies("50", mode="content"), "mode must be a SimilarityMode"),
        (lambda c: c.get_user(None), "user_id must be a string, got NoneType: None"),
        (lambda c: c.get_movie(50), "movie_id must be a string, got int: 50"),
        (lambda c: c.search_movies(b"moon"), "query must be a string, got bytes"),
        (lambda c: c.popular_movies("popular"), "ranking must be a PopularList"),
        (lambda c: c.record_ratings(RatingEvent("1", "2", 3.0)), "ratings must be a list"),
        (lambda c: c.record_ratings([("1", "2", 3.0)]), r"ratings\[0\] must be a RatingEvent"),
        (lambda c: c.add_movies([AddedMovie(1, "x")]), "movie_id must be a string, got int: 1"),
        (lambda c: c.batch_recommend(["42"]), r"queries\[0\] must be a RecommendQuery"),
        (lambda c: c.batch_recommend([RecommendQuery(42)]), "user_id must be a string"),
        (lambda c: c.get_user("1", timeout="5"), "timeout must be a number"),
    ],
)
def test_a_wrong_type_names_the_argument(
    client: RecommenderClient, service: Any, call: Call, message: str
) -> None:
    """TypeError says which argument, what it must be and what it was; nothing is sent."""
    with pytest.raises(TypeError, match=message):
        call(client)
    assert service.requests == []


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda c: c.recommend_user("1", page_size=2**31), "page_size is 2147483648, .* 32 bits"),
        (lambda c: c.popular_movies(min_rating_count=-(2**63) - 1), "min_rating_count .* 64 bits"),
        (lambda c: c.get_user("a\ud800"), "user_id .* not Unicode"),
        (lambda c: c.get_user("1", timeout=0), "timeout is 0.0, it must be positive and finite"),
        (lambda c: c.get_user("1", timeout=float("inf")), "timeout is inf"),
        (lambda c: c.get_user("1", timeout=float("nan")), "timeout is nan"),
        (
            lambda c: c.record_ratings([RatingEvent("1", "2", 3.0, datetime(2024, 1, 1))]),  # noqa: DTZ001
            "rated_at needs a time zone",
        ),
    ],
)
def test_what_cannot_be_sent_is_refused(
    client: RecommenderClient, service: Any, call: Call, message: str
) -> None:
    """ValueError for what no message could say; nothing is sent."""
    with pytest.raises(ValueError, match=message):
        call(client)
    assert service.requests == []


def test_ranges_are_the_services_word(client: RecommenderClient, service: Any) -> None:
    """A page size of -1, a diversity of 7 and a rating of NaN are sent for the service to judge."""
    service.answers["RecommendUser"] = pb.RecommendUserResponse()
    client.recommend_user(
        "", page_size=-1, diversity=7, history=[RatedMovie("5", float("nan"), datetime.now(UTC))]
    )
    [sent] = service.requests
    assert (sent.page_size, sent.diversity) == (-1, 7.0)
    assert sent.history[0].rating != sent.history[0].rating


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"target": 50051}, TypeError, "target must be a string"),
        ({"timeout": -1}, ValueError, "timeout is -1.0"),
    ],
)
def test_a_client_is_checked_too(
    arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    """Target and default timeout are checked when the client is made."""
    with pytest.raises(error, match=message):
        RecommenderClient(**arguments)
