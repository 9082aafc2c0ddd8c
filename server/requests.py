"""Requests of recommender.v1 -> checked domain queries.

The release's manifest says which genres and ratings a request may name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, cast

from google.protobuf import timestamp_pb2

from protos.recommender.v1 import recommender_pb2 as pb
from server.checks import (
    MAX_AGE,
    MAX_ID_BYTES,
    MAX_TEXT_BYTES,
    FieldChecks,
    are_plain_ids,
    is_plain,
)
from server.domain import (
    NO_FILTER,
    NO_HISTORY,
    NO_PROFILE,
    History,
    MovieFilter,
    MovieId,
    NewMovie,
    Order,
    Profile,
    RatingQuery,
    RecommendQuery,
    SimilarQuery,
    UserId,
)
from serving.contract import MODE_COLLABORATIVE, MODE_CONTENT, MODE_HYBRID, Manifest

DEFAULT_PAGE_SIZE: Final = 10
MAX_PAGE_SIZE: Final = 100
MAX_EXCLUDED: Final = 10_000
MAX_HISTORY: Final = 10_000
MAX_RATED_MOVIES: Final = 1_000
MAX_TAGS: Final = 100

_TIMESTAMP_RANGE = (-62_135_596_800, 253_402_300_799)
"""Years 1 to 9999, what google.protobuf.Timestamp may hold."""

_MODES = {
    pb.SimilarMoviesRequest.MODE_UNSPECIFIED: MODE_HYBRID,
    pb.SimilarMoviesRequest.MODE_HYBRID: MODE_HYBRID,
    pb.SimilarMoviesRequest.MODE_COLLABORATIVE: MODE_COLLABORATIVE,
    pb.SimilarMoviesRequest.MODE_CONTENT: MODE_CONTENT,
}


_ORDERS = {
    pb.RecommendUserRequest.ORDER_BY_UNSPECIFIED: Order.DEFAULT,
    pb.RecommendUserRequest.ORDER_BY_DEFAULT: Order.DEFAULT,
    pb.RecommendUserRequest.ORDER_BY_PREDICTED_RATING: Order.PREDICTED_RATING,
}


def recommend_query(request: pb.RecommendUserRequest, manifest: Manifest) -> RecommendQuery:
    """The query of a RecommendUserRequest that asks for a first page.

    Raises:
      InvalidRequest: a field is outside its range.
    """
    user_id = UserId(request.user_id)
    if user_id and len(request.ListFields()) == 1 and is_plain(user_id, MAX_ID_BYTES):
        # As most do, it says who asks and nothing else.
        return RecommendQuery(user_id, DEFAULT_PAGE_SIZE)
    checks = FieldChecks()
    checks.user_id("user_id", user_id)
    n_movies = page_size(request.page_size, checks)
    # Once: each look into the message makes all its strings anew.
    excluded = tuple(request.exclude_movie_ids)
    if excluded:
        checks.movie_ids("exclude_movie_ids", excluded, 0, MAX_EXCLUDED)
    wish, history, profile = NO_FILTER, NO_HISTORY, NO_PROFILE
    # Most requests say nothing of these.
    if request.HasField("filter"):
        wish = movie_filter(request.filter, manifest, checks)
    if request.history:
        history = _history(request.history, manifest, checks)
    if request.HasField("profile"):
        profile = _profile(request.profile, manifest, checks)
    checks.between("diversity", request.diversity, 0, 1)
    checks.enum("order_by", request.order_by, _ORDERS)
    checks.done()
    return RecommendQuery(
        user_id=user_id,
        page_size=n_movies,
        exclude_seen=request.exclude_seen if request.HasField("exclude_seen") else True,
        exclude_movie_ids=cast("tuple[MovieId, ...]", excluded),
        diversity=request.diversity,
        order=_ORDERS[request.order_by],
        filter=wish,
        history=history,
        profile=profile,
    )


def next_page_size(request: pb.RecommendUserRequest) -> int:
    """The movies wanted by a request with a page token, which carries the rest of the query.

    Raises:
      InvalidRequest: it is outside its range.
    """
    checks = FieldChecks()
    n_movies = page_size(request.page_size, checks)
    checks.done()
    return n_movies


def named_movies(
    request: pb.RecommendUserRequest,
) -> tuple[tuple[MovieId, ...], tuple[MovieId, ...]]:
    """The movies that a request excludes, and those of its history."""
    return (
        cast("tuple[MovieId, ...]", tuple(request.exclude_movie_ids)),
        tuple([MovieId(entry.movie_id) for entry in request.history]),
    )


def rating_query(request: pb.PredictRatingRequest, manifest: Manifest) -> RatingQuery:
    """The query of a PredictRatingRequest.

    Raises:
      InvalidRequest: a field is outside its range.
    """
    checks = FieldChecks()
    checks.user_id("user_id", request.user_id)
    checks.movie_ids("movie_ids", request.movie_ids, 1, MAX_RATED_MOVIES)
    history = _history(request.history, manifest, checks)
    profile = _profile(request.profile, manifest, checks)
    checks.done()
    return RatingQuery(
        user_id=UserId(request.user_id),
        movie_ids=tuple(map(MovieId, request.movie_ids)),
        history=history,
        profile=profile,
    )


def similar_query(request: pb.SimilarMoviesRequest, manifest: Manifest) -> SimilarQuery:
    """The query of a SimilarMoviesRequest.

    Raises:
      InvalidRequest: a field is outside its range.
    """
    checks = FieldChecks()
    target: MovieId | NewMovie = MovieId(request.movie_id)
    match request.WhichOneof("target"):
        case "movie_id":
            checks.movie_id("movie_id", request.movie_id)
        case "new_movie":
            target = _new_movie(request.new_movie, manifest, checks)
        case _:
            checks.refuse("target", "is unset, allowed is one of movie_id, new_movie")
    checks.enum("mode", request.mode, pb.SimilarMoviesRequest.Mode.values())
    n_movies = page_size(request.page_size, checks)
    wish = movie_filter(request.filter, manifest, checks)
    checks.done()
    return SimilarQuery(target, _MODES[request.mode], n_movies, wish)


def user_id(request: pb.GetUserRequest) -> UserId:
    """The user of a GetUserRequest.

    Raises:
      InvalidRequest: it is too long or has control characters.
    """
    checks = FieldChecks()
    checks.user_id("user_id", request.user_id)
    checks.done()
    return UserId(request.user_id)


def page_size(value: int, checks: FieldChecks) -> int:
    """The movies wanted; 0 stands for the default."""
    checks.between("page_size", value, 0, MAX_PAGE_SIZE)
    return value or DEFAULT_PAGE_SIZE


def movie_filter(message: pb.MovieFilter, manifest: Manifest, checks: FieldChecks) -> MovieFilter:
    """The filter of any request that has one."""
    genres = {
        name: tuple(getattr(message, name)) for name in ("genres_any", "genres_all", "genres_none")
    }
    for name, values in genres.items():
        checks.known(f"filter.{name}", values, manifest.genres)
    checks.year("filter.min_year", message.min_year)
    checks.year("filter.max_year", message.max_year)
    if 0 < message.max_year < message.min_year:
        checks.refuse(
            "filter.min_year",
            f"is {message.min_year}, allowed 0..{message.max_year} (filter.max_year)",
        )
    return MovieFilter(min_year=message.min_year, max_year=message.max_year, **genres)


def _history(entries: Sequence[pb.RatedMovie], manifest: Manifest, checks: FieldChecks) -> History:
    checks.count("history", len(entries), 0, MAX_HISTORY)
    entries = entries[:MAX_HISTORY]
    movie_ids = [MovieId(entry.movie_id) for entry in entries]
    ratings = [entry.rating for entry in entries]
    low, high = manifest.rating_range
    # The fields are only named where one of them is to be refused, or has to be looked at closely.
    if not (are_plain_ids(movie_ids) and all(low <= rating <= high for rating in ratings)):
        for position, (movie_id, rating) in enumerate(zip(movie_ids, ratings, strict=True)):
            checks.movie_id(f"history[{position}].movie_id", movie_id)
            checks.between(f"history[{position}].rating", rating, low, high)
    rated_at = []
    for position, entry in enumerate(entries):
        if entry.HasField("rated_at"):
            check_timestamp(f"history[{position}].rated_at", entry.rated_at, checks)
        rated_at.append(entry.rated_at.seconds)
    return History(tuple(movie_ids), tuple(ratings), tuple(rated_at))


def check_timestamp(field: str, value: timestamp_pb2.Timestamp, checks: FieldChecks) -> None:
    """Both parts of a Timestamp inside what it may hold."""
    checks.between(f"{field}.seconds", value.seconds, *_TIMESTAMP_RANGE)
    checks.between(f"{field}.nanos", value.nanos, 0, 999_999_999)


def _profile(message: pb.Profile, manifest: Manifest, checks: FieldChecks) -> Profile:
    checks.between("profile.age", message.age, 0, MAX_AGE)
    checks.text("profile.gender", message.gender, MAX_ID_BYTES)
    checks.text("profile.occupation", message.occupation, MAX_ID_BYTES)
    checks.known("profile.favorite_genres", message.favorite_genres, manifest.genres)
    return Profile(
        message.age, message.gender, message.occupation, _unique(message.favorite_genres)
    )


def _new_movie(
    message: pb.SimilarMoviesRequest.NewMovie, manifest: Manifest, checks: FieldChecks
) -> NewMovie:
    checks.text("new_movie.title", message.title, MAX_TEXT_BYTES)
    checks.year("new_movie.year", message.year)
    checks.known("new_movie.genres", message.genres, manifest.genres)
    checks.count("new_movie.tags", len(message.tags), 0, MAX_TAGS)
    for position, tag in enumerate(message.tags[:MAX_TAGS]):
        checks.text(f"new_movie.tags[{position}]", tag, MAX_ID_BYTES)
    if not (message.title.strip() or message.genres or message.tags):
        checks.refuse("new_movie", "says nothing, allowed is a title, genres or tags")
    return NewMovie(message.title, message.year, _unique(message.genres), _unique(message.tags))


def _unique(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))
