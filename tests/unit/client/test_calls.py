"""Each method of the client: what it sends and what it makes of the answer."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from google.rpc import code_pb2, status_pb2

from client import (
    AddedMovie,
    AddedMovies,
    Answer,
    BecauseOfMovie,
    CatalogueEntry,
    Counts,
    FoundMovie,
    FoundMovies,
    Movie,
    MovieFilter,
    NewMovie,
    NotFoundError,
    OrderBy,
    Part,
    Popular,
    PopularList,
    PopularMovie,
    PopularMovies,
    PredictedRating,
    PredictedRatings,
    Profile,
    RatedMovie,
    RatingEvent,
    Recommendation,
    Recommendations,
    RecommenderClient,
    RecommendQuery,
    RecordedRatings,
    Releases,
    ServingStatus,
    SharedGenre,
    SimilarityMode,
    SimilarMovie,
    SimilarMovies,
    Source,
    User,
    UserState,
)
from protos.recommender.v1 import recommender_pb2 as pb

MOON = pb.Movie(
    movie_id="1",
    title="Moon",
    year=2009,
    genres=["Drama", "Sci-Fi"],
    rating_count=12,
    mean_rating=3.75,
)
MOON_HERE = Movie("1", "Moon", 2009, ("Drama", "Sci-Fi"), 12, 3.75)
ANSWER = pb.Answer(
    release_version=7,
    degraded=True,
    degraded_reasons=["model server away"],
    unknown_movie_ids=["x"],
)
ANSWER_HERE = Answer(7, True, ("model server away",), ("x",))
NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
NOON_S = 1714564800  # date -u -d 2024-05-01T12:00Z +%s


def test_recommend_user(client: RecommenderClient, service: Any) -> None:
    """All options travel; movies, sources and reasons come back typed."""
    service.answers["RecommendUser"] = pb.RecommendUserResponse(
        recommendations=[
            pb.RecommendUserResponse.Recommendation(
                movie=MOON,
                predicted_rating=4.5,
                score=-1.25,
                source=pb.SOURCE_RETRIEVAL,
                reasons=[
                    pb.Reason(because_of_movie=pb.Reason.BecauseOfMovie(movie=MOON, weight=0.5)),
                    pb.Reason(shared_genre="Drama"),
                    pb.Reason(popular=True),
                ],
            )
        ],
        user_state=pb.USER_STATE_HOT,
        recommendation_id="r1",
        next_page_token="more",  # noqa: S106  (no password)
        answer=ANSWER,
    )
    got = client.recommend_user(
        "42",
        page_size=3,
        exclude_seen=False,
        exclude_movie_ids=iter(["8", "9"]),
        filter=MovieFilter(("Drama",), ("Sci-Fi",), ("War",), 1990, 2010),
        history=[RatedMovie("5", 4.5, NOON), RatedMovie("6", 1.0)],
        profile=Profile(30, "F", "artist", ("Drama",)),
        diversity=0.25,
        order_by=OrderBy.PREDICTED_RATING,
        page_token="page 2",  # noqa: S106  (no password)
    )
    sent = pb.RecommendUserRequest(
        user_id="42",
        page_size=3,
        exclude_seen=False,
        exclude_movie_ids=["8", "9"],
        filter=pb.MovieFilter(
            genres_any=["Drama"],
            genres_all=["Sci-Fi"],
            genres_none=["War"],
            min_year=1990,
            max_year=2010,
        ),
        history=[
            pb.RatedMovie(movie_id="5", rating=4.5, rated_at={"seconds": NOON_S}),
            pb.RatedMovie(movie_id="6", rating=1.0),
        ],
        profile=pb.Profile(age=30, gender="F", occupation="artist", favorite_genres=["Drama"]),
        diversity=0.25,
        order_by=pb.RecommendUserRequest.ORDER_BY_PREDICTED_RATING,
        page_token="page 2",  # noqa: S106  (no password)
    )
    assert service.requests == [sent]
    reasons = (BecauseOfMovie(MOON_HERE, 0.5), SharedGenre("Drama"), Popular())
    item = Recommendation(MOON_HERE, 4.5, -1.25, Source.RETRIEVAL, reasons)
    assert got == Recommendations((item,), UserState.HOT, "r1", "more", ANSWER_HERE)


def test_a_guest_is_asked_for_with_no_argument(client: RecommenderClient, service: Any) -> None:
    """The defaults are those of the API: a guest, seen movies left out, nothing else wished."""
    service.answers["RecommendUser"] = pb.RecommendUserResponse()
    client.recommend_user()
    [sent] = service.requests
    assert sent == pb.RecommendUserRequest(
        exclude_seen=True, order_by=pb.RecommendUserRequest.ORDER_BY_DEFAULT
    )


def test_predict_rating(client: RecommenderClient, service: Any) -> None:
    """Ratings come back in order, and as a mapping."""
    service.answers["PredictRating"] = pb.PredictRatingResponse(
        ratings=[
            {"movie_id": "9", "rating": 3.5, "source": pb.SOURCE_MEAN},
            {"movie_id": "1", "rating": 4.0, "source": pb.SOURCE_ENGINE},
        ],
        answer=ANSWER,
    )
    got = client.predict_rating(
        "42", ["9", "1"], history=[RatedMovie("5", 2.0)], profile=Profile(age=3)
    )
    assert service.requests == [
        pb.PredictRatingRequest(
            user_id="42",
            movie_ids=["9", "1"],
            history=[pb.RatedMovie(movie_id="5", rating=2.0)],
            profile=pb.Profile(age=3),
        )
    ]
    items = (PredictedRating("9", 3.5, Source.MEAN), PredictedRating("1", 4.0, Source.ENGINE))
    assert got == PredictedRatings(items, ANSWER_HERE)
    assert got.as_dict() == {"9": 3.5, "1": 4.0}


def test_similar_movies_of_one_in_the_catalogue(client: RecommenderClient, service: Any) -> None:
    """An id asks about a movie of the catalogue; hybrid unless told otherwise."""
    service.answers["SimilarMovies"] = pb.SimilarMoviesResponse(
        similar=[{"movie": MOON, "score": 0.5}], answer=ANSWER
    )
    got = client.similar_movies("5", page_size=4, filter=MovieFilter(min_year=1990))
    assert service.requests == [
        pb.SimilarMoviesRequest(
            movie_id="5",
            mode=pb.SimilarMoviesRequest.MODE_HYBRID,
            page_size=4,
            filter=pb.MovieFilter(min_year=1990),
        )
    ]
    assert got == SimilarMovies((SimilarMovie(MOON_HERE, 0.5),), ANSWER_HERE)


def test_similar_movies_of_one_outside(client: RecommenderClient, service: Any) -> None:
    """A NewMovie asks about a movie that the catalogue does not have."""
    service.answers["SimilarMovies"] = pb.SimilarMoviesResponse()
    client.similar_movies(
        NewMovie("Solaris", 1972, ("Sci-Fi",), ("space",)), mode=SimilarityMode.CONTENT
    )
    assert service.requests == [
        pb.SimilarMoviesRequest(
            new_movie={"title": "Solaris", "year": 1972, "genres": ["Sci-Fi"], "tags": ["space"]},
            mode=pb.SimilarMoviesRequest.MODE_CONTENT,
        )
    ]


def test_get_user(client: RecommenderClient, service: Any) -> None:
    """Ratings carry their moment in UTC, or None where it is unknown."""
    service.answers["GetUser"] = pb.GetUserResponse(
        ratings=[
            pb.RatedMovie(movie_id="5", rating=4.5, rated_at={"seconds": NOON_S}),
            pb.RatedMovie(movie_id="6", rating=1.0),
        ],
        profile=pb.Profile(age=30, gender="F", occupation="artist", favorite_genres=["Drama"]),
        user_state=pb.USER_STATE_WARM,
        answer=ANSWER,
    )
    ratings = (RatedMovie("5", 4.5, NOON), RatedMovie("6", 1.0, None))
    profile = Profile(30, "F", "artist", ("Drama",))
    assert client.get_user("42") == User("42", ratings, profile, UserState.WARM, ANSWER_HERE)
    assert service.requests == [pb.GetUserRequest(user_id="42")]


def test_get_movie(client: RecommenderClient, service: Any) -> None:
    """A movie comes with the release that knows it."""
    service.answers["GetMovie"] = pb.GetMovieResponse(movie=MOON, answer=ANSWER)
    assert client.get_movie("1") == CatalogueEntry(MOON_HERE, ANSWER_HERE)
    assert service.requests == [pb.GetMovieRequest(movie_id="1")]


def test_search_movies(client: RecommenderClient, service: Any) -> None:
    """A search returns how well each title matches."""
    service.answers["SearchMovies"] = pb.SearchMoviesResponse(
        movies=[{"movie": MOON, "match": 0.75}], answer=ANSWER
    )
    got = client.search_movies("mon", page_size=2)
    assert got == FoundMovies((FoundMovie(MOON_HERE, 0.75),), ANSWER_HERE)
    assert service.requests == [pb.SearchMoviesRequest(query="mon", page_size=2)]


def test_popular_movies(client: RecommenderClient, service: Any) -> None:
    """A ranking is asked for by its name and thresholds."""
    service.answers["PopularMovies"] = pb.PopularMoviesResponse(
        movies=[{"movie": MOON, "score": 12.0}], answer=ANSWER
    )
    got = client.popular_movies(
        PopularList.HIGHEST_RATED,
        min_rating_count=2**40,
        min_mean_rating=3.5,
        filter=MovieFilter(max_year=2000),
        page_size=9,
    )
    assert got == PopularMovies((PopularMovie(MOON_HERE, 12.0),), ANSWER_HERE)
    assert service.requests == [
        pb.PopularMoviesRequest(
            list=pb.PopularMoviesRequest.LIST_HIGHEST_RATED,
            min_rating_count=2**40,
            min_mean_rating=3.5,
            filter=pb.MovieFilter(max_year=2000),
            page_size=9,
        )
    ]


def test_record_ratings(client: RecommenderClient, service: Any) -> None:
    """A rating of None forgets; a moment in any time zone is the same moment."""
    service.answers["RecordRatings"] = pb.RecordRatingsResponse(
        recorded=2, unknown_movie_ids=["zz"]
    )
    two_oclock = NOON.astimezone(timezone(timedelta(hours=2)))
    events = [RatingEvent("42", "5", 4.5, two_oclock), RatingEvent("42", "6", None)]
    assert client.record_ratings(events, request_id="once") == RecordedRatings(2, ("zz",))
    assert service.requests == [
        pb.RecordRatingsRequest(
            ratings=[
                {"user_id": "42", "movie_id": "5", "rating": 4.5, "rated_at": {"seconds": NOON_S}},
                {"user_id": "42", "movie_id": "6", "remove": True},
            ],
            request_id="once",
        )
    ]


def test_writes_get_a_request_id_of_their_own(client: RecommenderClient, service: Any) -> None:
    """Two writes without a request_id are two different writes."""
    service.answers["RecordRatings"] = pb.RecordRatingsResponse()
    service.answers["AddMovies"] = pb.AddMoviesResponse()
    client.record_ratings([RatingEvent("1", "2", 0.0)])
    client.record_ratings([RatingEvent("1", "2", 0.0)])
    client.add_movies([AddedMovie("1", "Moon")])
    ids = [request.request_id for request in service.requests]
    assert all(ids)
    assert len(set(ids)) == 3


def test_a_rating_of_zero_is_a_rating(client: RecommenderClient, service: Any) -> None:
    """0.0 is sent as a rating, not as a wish to forget."""
    service.answers["RecordRatings"] = pb.RecordRatingsResponse()
    client.record_ratings([RatingEvent("1", "2", 0.0)])
    assert service.requests[0].ratings[0].WhichOneof("action") == "rating"


def test_add_movies(client: RecommenderClient, service: Any) -> None:
    """Everything that is known about a new movie travels."""
    service.answers["AddMovies"] = pb.AddMoviesResponse(added=1)
    movie = AddedMovie("n1", "Solaris", 1972, ("Sci-Fi",), ("space",))
    assert client.add_movies([movie], request_id="once") == AddedMovies(1)
    assert service.requests == [
        pb.AddMoviesRequest(
            movies=[
                {
                    "movie_id": "n1",
                    "title": "Solaris",
                    "year": 1972,
                    "genres": ["Sci-Fi"],
                    "tags": ["space"],
                }
            ],
            request_id="once",
        )
    ]


def test_batch_recommend(client: RecommenderClient, service: Any) -> None:
    """Each query has its list, or the error that it alone met."""
    service.answers["BatchRecommend"] = pb.BatchRecommendResponse(
        results=[
            {"response": pb.RecommendUserResponse(recommendation_id="r1")},
            {"error": status_pb2.Status(code=code_pb2.NOT_FOUND, message="no such thing")},
        ]
    )
    first, second = client.batch_recommend(
        [RecommendQuery("42", page_size=5), RecommendQuery(profile=Profile(age=20))]
    )
    assert isinstance(first, Recommendations)
    assert first.recommendation_id == "r1"
    assert isinstance(second, NotFoundError)
    assert str(second) == "no such thing"
    assert [request.user_id for request in service.requests[0].requests] == ["42", ""]
    assert [request.page_size for request in service.requests[0].requests] == [5, 0]
    assert service.requests[0].requests[1].profile.age == 20


def test_get_serving_status(client: RecommenderClient, service: Any) -> None:
    """Releases, parts, store and counts come back."""
    service.answers["GetServingStatus"] = pb.GetServingStatusResponse(
        releases={
            "stable": 3,
            "candidate": 4,
            "active": 2,
            "why_not_switched": "ranking is LOADING",
            "candidate_share": 0.25,
        },
        parts=[{"name": "ranking", "state": "LOADING", "required": True}],
        store_state="sqlite: ready",
        counts={"movies": 1, "users": 2, "ratings": 3},
        answer=ANSWER,
    )
    assert client.get_serving_status() == ServingStatus(
        Releases(3, 4, 2, "ranking is LOADING", 0.25),
        (Part("ranking", "LOADING", True),),
        "sqlite: ready",
        Counts(1, 2, 3),
        ANSWER_HERE,
    )
