"""Every rule about request fields, over a real channel."""

from __future__ import annotations

import math
from collections.abc import Iterator

import grpc
import pytest
from google.protobuf import timestamp_pb2
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from protos.recommender.v1 import recommender_pb2 as pb
from protos.recommender.v1.recommender_pb2_grpc import RecommenderServiceStub
from server.app import gateway
from server.settings import Settings
from tests.fake_model_server import FakeModelServer, world_models
from tests.releases import activate, write_release

Recommend = pb.RecommendUserRequest
Rate = pb.PredictRatingRequest
Similar = pb.SimilarMoviesRequest
Popular = pb.PopularMoviesRequest
Search = pb.SearchMoviesRequest
Record = pb.RecordRatingsRequest
Add = pb.AddMoviesRequest
NewMovie = pb.SimilarMoviesRequest.NewMovie


@pytest.fixture(scope="module")
def stub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RecommenderServiceStub]:
    """One gateway for all of them: a refused request changes nothing."""
    folder = tmp_path_factory.mktemp("gateway")
    write_release(folder / "models", 1)
    activate(folder / "models", 1)
    with FakeModelServer(world_models()) as models:
        settings = Settings(
            port=0,
            models_dir=folder / "models",
            model_server=models.target,
            store_path=folder / "store.sqlite3",
            shutdown_grace_s=0,
        )
        with gateway(settings) as running, grpc.insecure_channel(running.target) as channel:
            yield RecommenderServiceStub(channel)


def rated(movie_id: str = "m1", rating: float = 3, **more: object) -> pb.RatedMovie:
    return pb.RatedMovie(movie_id=movie_id, rating=rating, **more)


def event(**fields: object) -> pb.RecordRatingsRequest.RatingEvent:
    known = {"user_id": "u", "movie_id": "m1"}
    if "remove" not in fields:
        known["rating"] = 3
    return Record.RatingEvent(**{**known, **fields})


def added(**fields: object) -> pb.AddMoviesRequest.AddedMovie:
    return Add.AddedMovie(**{"movie_id": "new", "title": "New", **fields})


LONG = "x" * 257
TOO_LONG_IN_BYTES = "é" * 129

REFUSED = [
    (Recommend(user_id=LONG), "user_id", "0..256 bytes"),
    (Recommend(user_id=TOO_LONG_IN_BYTES), "user_id", "0..256 bytes"),
    (Recommend(user_id="a\nb"), "user_id", "control characters"),
    (Recommend(user_id="a\x7f"), "user_id", "control characters"),
    (Recommend(page_size=-1), "page_size", "0..100"),
    (Recommend(page_size=101), "page_size", "0..100"),
    (Recommend(page_size=2**31 - 1), "page_size", "is 2147483647, allowed 0..100"),
    (Recommend(exclude_movie_ids=["m1"] * 10_001), "exclude_movie_ids", "0..10000"),
    (Recommend(exclude_movie_ids=["m1", ""]), "exclude_movie_ids[1]", "1..256 bytes"),
    (Recommend(exclude_movie_ids=["\t"]), "exclude_movie_ids[0]", "control characters"),
    (
        Recommend(filter=pb.MovieFilter(genres_any=["Action", "Polka"])),
        "filter.genres_any[1]",
        "Action, Comedy, Drama",
    ),
    (
        Recommend(filter=pb.MovieFilter(genres_all=["action"])),
        "filter.genres_all[0]",
        "Action, Comedy, Drama",
    ),
    (
        Recommend(filter=pb.MovieFilter(genres_none=[""])),
        "filter.genres_none[0]",
        "Action, Comedy, Drama",
    ),
    (Recommend(filter=pb.MovieFilter(min_year=-1)), "filter.min_year", "0..9999"),
    (Recommend(filter=pb.MovieFilter(max_year=-5)), "filter.max_year", "0..9999"),
    (Recommend(filter=pb.MovieFilter(min_year=10_000)), "filter.min_year", "0..9999"),
    (
        Recommend(filter=pb.MovieFilter(min_year=2000, max_year=1999)),
        "filter.min_year",
        "0..1999",
    ),
    (Recommend(history=[rated()] * 10_001), "history", "0..10000"),
    (Recommend(history=[rated(), rated("")]), "history[1].movie_id", "1..256 bytes"),
    (Recommend(history=[rated(rating=math.nan)]), "history[0].rating", "1..5"),
    (Recommend(history=[rated(rating=0.5)]), "history[0].rating", "1..5"),
    (Recommend(history=[rated(rating=5.5)]), "history[0].rating", "1..5"),
    (Recommend(history=[rated(rating=math.inf)]), "history[0].rating", "1..5"),
    (
        Recommend(history=[rated(rated_at=timestamp_pb2.Timestamp(seconds=2**60))]),
        "history[0].rated_at.seconds",
        "is 1152921504606846976, allowed -62135596800..253402300799",
    ),
    (
        Recommend(history=[rated(rated_at=timestamp_pb2.Timestamp(nanos=-1))]),
        "history[0].rated_at.nanos",
        "0..",
    ),
    (Recommend(profile=pb.Profile(age=-1)), "profile.age", "0..120"),
    (Recommend(profile=pb.Profile(age=121)), "profile.age", "0..120"),
    (Recommend(profile=pb.Profile(gender=LONG)), "profile.gender", "0..256 bytes"),
    (Recommend(profile=pb.Profile(occupation="\0")), "profile.occupation", "control characters"),
    (
        Recommend(profile=pb.Profile(favorite_genres=["Polka"])),
        "profile.favorite_genres[0]",
        "Action, Comedy, Drama",
    ),
    (Recommend(diversity=-0.1), "diversity", "0..1"),
    (Recommend(diversity=1.1), "diversity", "0..1"),
    (Recommend(diversity=math.nan), "diversity", "0..1"),
    (Recommend(order_by=7), "order_by", "0..2"),
    (Rate(), "movie_ids", "1..1000"),
    (Rate(movie_ids=["m1"] * 1001), "movie_ids", "1..1000"),
    (Rate(movie_ids=[LONG]), "movie_ids[0]", "1..256 bytes"),
    (Rate(movie_ids=["m1"], user_id=LONG), "user_id", "0..256 bytes"),
    (Rate(movie_ids=["m1"], history=[rated(rating=0)]), "history[0].rating", "1..5"),
    (Rate(movie_ids=["m1"], profile=pb.Profile(age=200)), "profile.age", "0..120"),
    (Similar(), "target", "movie_id, new_movie"),
    (Similar(movie_id=""), "movie_id", "1..256 bytes"),
    (Similar(movie_id=LONG), "movie_id", "1..256 bytes"),
    (Similar(movie_id="m1", mode=9), "mode", "0..3"),
    (Similar(movie_id="m1", page_size=101), "page_size", "0..100"),
    (
        Similar(movie_id="m1", filter=pb.MovieFilter(genres_any=["Polka"])),
        "filter.genres_any[0]",
        "Action, Comedy, Drama",
    ),
    (Similar(new_movie=NewMovie()), "new_movie", "title"),
    (Similar(new_movie=NewMovie(title=" ")), "new_movie", "title"),
    (Similar(new_movie=NewMovie(title="x" * 1025)), "new_movie.title", "0..1024 bytes"),
    (Similar(new_movie=NewMovie(title="x", year=-3)), "new_movie.year", "0..9999"),
    (
        Similar(new_movie=NewMovie(title="x", genres=["Polka"])),
        "new_movie.genres[0]",
        "Action, Comedy, Drama",
    ),
    (Similar(new_movie=NewMovie(title="x", tags=["t"] * 101)), "new_movie.tags", "0..100"),
    (pb.GetUserRequest(user_id=LONG), "user_id", "0..256 bytes"),
    (pb.GetMovieRequest(), "movie_id", "1..256 bytes"),
    (pb.GetMovieRequest(movie_id="a\rb"), "movie_id", "control characters"),
    (Popular(list=9), "list", "0..4"),
    (Popular(min_rating_count=-1), "min_rating_count", "0..9223372036854775807"),
    (Popular(min_mean_rating=5.5), "min_mean_rating", "0..5"),
    (Popular(min_mean_rating=math.nan), "min_mean_rating", "0..5"),
    (Popular(page_size=101), "page_size", "0..100"),
    (
        Popular(filter=pb.MovieFilter(genres_any=["Polka"])),
        "filter.genres_any[0]",
        "Action, Comedy, Drama",
    ),
    (Record(), "ratings", "1..1000"),
    (Record(ratings=[event()] * 1001), "ratings", "1..1000"),
    (Record(ratings=[event()], request_id=LONG), "request_id", "0..256 bytes"),
    (Record(ratings=[event(user_id="")]), "ratings[0].user_id", "1..256 bytes"),
    (Record(ratings=[event(), event(movie_id="")]), "ratings[1].movie_id", "1..256 bytes"),
    (Record(ratings=[event(rating=5.5)]), "ratings[0].rating", "1..5"),
    (Record(ratings=[event(rating=math.nan)]), "ratings[0].rating", "1..5"),
    (Record(ratings=[event(remove=False)]), "ratings[0]", "a rating or remove = true"),
    (
        Record(ratings=[Record.RatingEvent(user_id="u", movie_id="m1")]),
        "ratings[0]",
        "a rating or remove = true",
    ),
    (
        Record(ratings=[event(rated_at=timestamp_pb2.Timestamp(seconds=2**60))]),
        "ratings[0].rated_at.seconds",
        "allowed -62135596800..253402300799",
    ),
    (Add(), "movies", "1..1000"),
    (Add(movies=[added(movie_id=str(n)) for n in range(1001)]), "movies", "1..1000"),
    (Add(movies=[added()], request_id=LONG), "request_id", "0..256 bytes"),
    (Add(movies=[added(movie_id="")]), "movies[0].movie_id", "1..256 bytes"),
    (Add(movies=[added(), added()]), "movies[1].movie_id", "each movie once"),
    (Add(movies=[added(title="")]), "movies[0].title", "1..1024 bytes"),
    (Add(movies=[added(title=" \u3000")]), "movies[0].title", "allowed is a title"),
    (Add(movies=[added(year=-1)]), "movies[0].year", "0..9999"),
    (Add(movies=[added(genres=["Polka"])]), "movies[0].genres[0]", "Action, Comedy, Drama"),
    (Add(movies=[added(tags=["t"] * 101)]), "movies[0].tags", "0..100"),
    (Search(), "query", "1..200"),
    (Search(query="x" * 201), "query", "1..200"),
    (Search(query="a\0"), "query", "control characters"),
    (Search(query="x", page_size=-1), "page_size", "0..100"),
]

ACCEPTED = [
    Recommend(page_size=100, exclude_movie_ids=["m1"] * 10_000),
    Recommend(user_id="x" * 256, filter=pb.MovieFilter(min_year=1994, max_year=1994)),
    Recommend(history=[rated(rating=1), rated(rating=5)], profile=pb.Profile(age=120)),
    Recommend(order_by=Recommend.ORDER_BY_DEFAULT, diversity=0),
    Recommend(filter=pb.MovieFilter(min_year=2000)),
    Recommend(user_id="Zoë 日本", profile=pb.Profile(favorite_genres=["Drama"] * 1000)),
    Similar(movie_id="m1", page_size=100),
    Similar(new_movie=NewMovie(genres=["Drama"])),
    Popular(min_rating_count=2**63 - 1, min_mean_rating=5, page_size=100),
    Search(query="é" * 200, page_size=100),
]


def call(stub: RecommenderServiceStub, request: object) -> object:
    name = type(request).__name__.removesuffix("Request")
    return getattr(stub, name)(request, timeout=20)


@pytest.mark.parametrize(
    ("request_", "field", "allowed"),
    REFUSED,
    ids=[f"{type(r).__name__}-{f}-{n}" for n, (r, f, _) in enumerate(REFUSED)],
)
def test_a_bad_field_is_named_with_its_range(
    stub: RecommenderServiceStub, request_: object, field: str, allowed: str
) -> None:
    """INVALID_ARGUMENT names field and range, in the text and in the BadRequest."""
    with pytest.raises(grpc.RpcError) as caught:
        call(stub, request_)

    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert field in caught.value.details()
    assert allowed in caught.value.details()
    info, bad_request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    details = rpc_status.from_call(caught.value).details
    assert details[0].Unpack(info)
    assert details[1].Unpack(bad_request)
    assert (info.reason, info.domain) == ("INVALID_REQUEST", "recommender.v1")
    assert [v.field for v in bad_request.field_violations] == [field]
    assert allowed in bad_request.field_violations[0].description


@pytest.mark.parametrize("request_", ACCEPTED, ids=range(len(ACCEPTED)))
def test_the_edge_of_a_range_is_inside(stub: RecommenderServiceStub, request_: object) -> None:
    """The largest and smallest allowed values are answered."""
    assert call(stub, request_).answer.release_version == 1


def test_violations_come_together_but_not_endlessly(stub: RecommenderServiceStub) -> None:
    """One answer names several bad fields, at most ten."""
    with pytest.raises(grpc.RpcError) as few:
        stub.RecommendUser(Recommend(page_size=-1, profile=pb.Profile(age=130)), timeout=10)
    with pytest.raises(grpc.RpcError) as many:
        stub.PredictRating(Rate(movie_ids=[""] * 1000), timeout=10)

    def violated(error: grpc.RpcError) -> list[str]:
        bad_request = error_details_pb2.BadRequest()
        assert rpc_status.from_call(error).details[1].Unpack(bad_request)
        return [v.field for v in bad_request.field_violations]

    assert violated(few.value) == ["page_size", "profile.age"]
    assert violated(many.value) == [f"movie_ids[{n}]" for n in range(10)]
