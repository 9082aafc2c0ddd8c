"""Arguments to calls: which RPC, what it is sent, and what is made of its reply.

Both clients make their calls here, so they accept, refuse and return the same. Every argument is
checked on the way; codec.py reads the replies.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, Generic, TypeVar, cast

from google.protobuf.message import Message

from client import arguments, codec
from client.answers import (
    AddedMovies,
    BatchResults,
    CatalogueEntry,
    FoundMovies,
    PopularMovies,
    PredictedRatings,
    Recommendations,
    RecordedRatings,
    ServingStatus,
    SimilarMovies,
    User,
)
from client.models import (
    AddedMovie,
    MovieFilter,
    NewMovie,
    OrderBy,
    PopularList,
    Profile,
    RatedMovie,
    RatingEvent,
    RecommendQuery,
    SimilarityMode,
)
from protos.recommender.v1 import recommender_pb2 as pb

AnswerT_co = TypeVar("AnswerT_co", covariant=True)

_ORDER: Final = {
    OrderBy.DEFAULT: pb.RecommendUserRequest.ORDER_BY_DEFAULT,
    OrderBy.PREDICTED_RATING: pb.RecommendUserRequest.ORDER_BY_PREDICTED_RATING,
}
_MODE: Final = {
    SimilarityMode.HYBRID: pb.SimilarMoviesRequest.MODE_HYBRID,
    SimilarityMode.COLLABORATIVE: pb.SimilarMoviesRequest.MODE_COLLABORATIVE,
    SimilarityMode.CONTENT: pb.SimilarMoviesRequest.MODE_CONTENT,
}
_LIST: Final = {
    PopularList.POPULAR: pb.PopularMoviesRequest.LIST_POPULAR,
    PopularList.MOST_RATED: pb.PopularMoviesRequest.LIST_MOST_RATED,
    PopularList.HIGHEST_RATED: pb.PopularMoviesRequest.LIST_HIGHEST_RATED,
    PopularList.BAYESIAN: pb.PopularMoviesRequest.LIST_BAYESIAN,
}


@dataclass(frozen=True, slots=True)
class Call(Generic[AnswerT_co]):
    """One call that was not made yet.

    Every call may be made again when nobody answered it: the reads change nothing, and the writes
    carry a request_id, under which the service stores them once.
    """

    rpc: str
    """The RPC's name in the service."""
    request: Message
    read: Callable[[Any], AnswerT_co]
    """Turns the RPC's reply into what the caller gets."""


def new_id() -> str:
    """A name that nothing else has."""
    return uuid.uuid4().hex


def recommend_user(  # noqa: PLR0913  (the options of one question)
    user_id: str,
    page_size: int,
    *,
    exclude_seen: bool,
    exclude_movie_ids: Iterable[str],
    filter: MovieFilter | None,  # noqa: A002  (the API's word)
    history: Iterable[RatedMovie],
    profile: Profile | None,
    diversity: float,
    order_by: OrderBy,
    page_token: str = "",
) -> Call[Recommendations]:
    """One user's list."""
    query = RecommendQuery(
        user_id=user_id,
        page_size=page_size,
        exclude_seen=exclude_seen,
        exclude_movie_ids=tuple(arguments.texts("exclude_movie_ids", exclude_movie_ids)),
        filter=filter,
        history=tuple(arguments.many("history", history, RatedMovie)),
        profile=profile,
        diversity=diversity,
        order_by=order_by,
        page_token=page_token,
    )
    return Call("RecommendUser", _recommend_request(query), codec.recommendations)


def next_page(call: Call[Recommendations], page: Recommendations) -> Call[Recommendations] | None:
    """The call for what follows `page`, the answer of `call`; None at the end of the ranking."""
    if not page.next_page_token:
        return None
    request = pb.RecommendUserRequest()
    request.MergeFrom(cast("pb.RecommendUserRequest", call.request))  # what recommend_user made
    request.page_token = page.next_page_token
    return replace(call, request=request)


def _recommend_request(query: RecommendQuery) -> pb.RecommendUserRequest:
    return pb.RecommendUserRequest(
        user_id=arguments.text("user_id", query.user_id),
        page_size=arguments.integer("page_size", query.page_size),
        page_token=arguments.text("page_token", query.page_token),
        exclude_seen=arguments.flag("exclude_seen", query.exclude_seen),
        exclude_movie_ids=arguments.texts("exclude_movie_ids", query.exclude_movie_ids),
        filter=_filter(query.filter),
        history=_history(query.history),
        profile=_profile(query.profile),
        diversity=arguments.real("diversity", query.diversity),
        order_by=_ORDER[arguments.instance("order_by", query.order_by, OrderBy)],
    )


def predict_rating(
    user_id: str,
    movie_ids: Iterable[str],
    history: Iterable[RatedMovie],
    profile: Profile | None,
) -> Call[PredictedRatings]:
    """One user's ratings of the movies named."""
    request = pb.PredictRatingRequest(
        user_id=arguments.text("user_id", user_id),
        movie_ids=arguments.texts("movie_ids", movie_ids),
        history=_history(history),
        profile=_profile(profile),
    )
    return Call("PredictRating", request, codec.predicted_ratings)


def similar_movies(
    target: str | NewMovie,
    mode: SimilarityMode,
    page_size: int,
    filter: MovieFilter | None,  # noqa: A002  (the API's word)
) -> Call[SimilarMovies]:
    """What resembles a movie of the catalogue (its id) or one outside of it."""
    request = pb.SimilarMoviesRequest(
        mode=_MODE[arguments.instance("mode", mode, SimilarityMode)],
        page_size=arguments.integer("page_size", page_size),
        filter=_filter(filter),
    )
    if isinstance(target, NewMovie):
        request.new_movie.CopyFrom(
            pb.SimilarMoviesRequest.NewMovie(
                title=arguments.text("title", target.title),
                year=arguments.integer("year", target.year),
                genres=arguments.texts("genres", target.genres),
                tags=arguments.texts("tags", target.tags),
            )
        )
    else:
        request.movie_id = arguments.text("movie", target)
    return Call("SimilarMovies", request, codec.similar_movies)


def get_user(user_id: str) -> Call[User]:
    """One user."""
    request = pb.GetUserRequest(user_id=arguments.text("user_id", user_id))
    return Call("GetUser", request, partial(codec.user, user_id=user_id))


def get_movie(movie_id: str) -> Call[CatalogueEntry]:
    """One movie."""
    request = pb.GetMovieRequest(movie_id=arguments.text("movie_id", movie_id))
    return Call("GetMovie", request, codec.catalogue_entry)


def search_movies(query: str, page_size: int) -> Call[FoundMovies]:
    """Titles like the query."""
    request = pb.SearchMoviesRequest(
        query=arguments.text("query", query),
        page_size=arguments.integer("page_size", page_size),
    )
    return Call("SearchMovies", request, codec.found_movies)


def popular_movies(
    ranking: PopularList,
    min_rating_count: int,
    min_mean_rating: float,
    filter: MovieFilter | None,  # noqa: A002  (the API's word)
    page_size: int,
) -> Call[PopularMovies]:
    """A ranking for everybody."""
    request = pb.PopularMoviesRequest(
        list=_LIST[arguments.instance("ranking", ranking, PopularList)],
        min_rating_count=arguments.integer("min_rating_count", min_rating_count, bits=64),
        min_mean_rating=arguments.real("min_mean_rating", min_mean_rating),
        filter=_filter(filter),
        page_size=arguments.integer("page_size", page_size),
    )
    return Call("PopularMovies", request, codec.popular_movies)


def record_ratings(ratings: Iterable[RatingEvent], request_id: str | None) -> Call[RecordedRatings]:
    """Stores or forgets ratings."""
    request = pb.RecordRatingsRequest(
        ratings=[_event(event) for event in arguments.many("ratings", ratings, RatingEvent)],
        request_id=_write_id(request_id),
    )
    return Call("RecordRatings", request, codec.recorded_ratings)


def add_movies(movies: Iterable[AddedMovie], request_id: str | None) -> Call[AddedMovies]:
    """Extends the catalogue."""
    request = pb.AddMoviesRequest(
        movies=[
            pb.AddMoviesRequest.AddedMovie(
                movie_id=arguments.text("movie_id", movie.movie_id),
                title=arguments.text("title", movie.title),
                year=arguments.integer("year", movie.year),
                genres=arguments.texts("genres", movie.genres),
                tags=arguments.texts("tags", movie.tags),
            )
            for movie in arguments.many("movies", movies, AddedMovie)
        ],
        request_id=_write_id(request_id),
    )
    return Call("AddMovies", request, codec.added_movies)


def batch_recommend(queries: Iterable[RecommendQuery]) -> Call[BatchResults]:
    """Many lists."""
    checked = arguments.many("queries", queries, RecommendQuery)
    request = pb.BatchRecommendRequest(requests=[_recommend_request(query) for query in checked])
    return Call("BatchRecommend", request, codec.batch_results)


def get_serving_status() -> Call[ServingStatus]:
    """The state of the service."""
    request = pb.GetServingStatusRequest()
    return Call("GetServingStatus", request, codec.serving_status)


def _write_id(request_id: str | None) -> str:
    """The id under which a write is stored once; without one it could not be sent again."""
    if request_id is None:
        return new_id()
    if not arguments.text("request_id", request_id):
        raise ValueError("request_id must not be empty; leave it out for a new one")
    return request_id


def _event(event: RatingEvent) -> pb.RecordRatingsRequest.RatingEvent:
    message = pb.RecordRatingsRequest.RatingEvent(
        user_id=arguments.text("user_id", event.user_id),
        movie_id=arguments.text("movie_id", event.movie_id),
    )
    if event.rating is None:
        message.remove = True
    else:
        message.rating = arguments.real("rating", event.rating)
    if event.rated_at is not None:
        message.rated_at.FromDatetime(arguments.moment("rated_at", event.rated_at))
    return message


def _history(history: Iterable[RatedMovie]) -> list[pb.RatedMovie]:
    messages = []
    for rated in arguments.many("history", history, RatedMovie):
        message = pb.RatedMovie(
            movie_id=arguments.text("movie_id", rated.movie_id),
            rating=arguments.real("rating", rated.rating),
        )
        if rated.rated_at is not None:
            message.rated_at.FromDatetime(arguments.moment("rated_at", rated.rated_at))
        messages.append(message)
    return messages


def _profile(profile: Profile | None) -> pb.Profile | None:
    if profile is None:
        return None
    profile = arguments.instance("profile", profile, Profile)
    return pb.Profile(
        age=arguments.integer("age", profile.age),
        gender=arguments.text("gender", profile.gender),
        occupation=arguments.text("occupation", profile.occupation),
        favorite_genres=arguments.texts("favorite_genres", profile.favorite_genres),
    )


def _filter(wanted: MovieFilter | None) -> pb.MovieFilter | None:
    if wanted is None:
        return None
    wanted = arguments.instance("filter", wanted, MovieFilter)
    return pb.MovieFilter(
        genres_any=arguments.texts("genres_any", wanted.genres_any),
        genres_all=arguments.texts("genres_all", wanted.genres_all),
        genres_none=arguments.texts("genres_none", wanted.genres_none),
        min_year=arguments.integer("min_year", wanted.min_year),
        max_year=arguments.integer("max_year", wanted.max_year),
    )
