"""Arguments to request messages; every argument is checked on the way.

Both clients build their requests here, so they accept and refuse the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from client import arguments
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


def recommend_user(query: RecommendQuery) -> pb.RecommendUserRequest:
    """A request for one list."""
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
) -> pb.PredictRatingRequest:
    """A request for ratings of the movies named."""
    return pb.PredictRatingRequest(
        user_id=arguments.text("user_id", user_id),
        movie_ids=arguments.texts("movie_ids", movie_ids),
        history=_history(history),
        profile=_profile(profile),
    )


def similar_movies(
    target: str | NewMovie,
    mode: SimilarityMode,
    page_size: int,
    filter: MovieFilter | None,  # noqa: A002  (the API's word)
) -> pb.SimilarMoviesRequest:
    """A request about a movie of the catalogue (its id) or one outside of it."""
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
    return request


def get_user(user_id: str) -> pb.GetUserRequest:
    """A request for one user."""
    return pb.GetUserRequest(user_id=arguments.text("user_id", user_id))


def get_movie(movie_id: str) -> pb.GetMovieRequest:
    """A request for one movie."""
    return pb.GetMovieRequest(movie_id=arguments.text("movie_id", movie_id))


def search_movies(query: str, page_size: int) -> pb.SearchMoviesRequest:
    """A request for titles."""
    return pb.SearchMoviesRequest(
        query=arguments.text("query", query),
        page_size=arguments.integer("page_size", page_size),
    )


def popular_movies(
    ranking: PopularList,
    min_rating_count: int,
    min_mean_rating: float,
    filter: MovieFilter | None,  # noqa: A002  (the API's word)
    page_size: int,
) -> pb.PopularMoviesRequest:
    """A request for a ranking for everybody."""
    return pb.PopularMoviesRequest(
        list=_LIST[arguments.instance("ranking", ranking, PopularList)],
        min_rating_count=arguments.integer("min_rating_count", min_rating_count, bits=64),
        min_mean_rating=arguments.real("min_mean_rating", min_mean_rating),
        filter=_filter(filter),
        page_size=arguments.integer("page_size", page_size),
    )


def record_ratings(ratings: Iterable[RatingEvent], request_id: str) -> pb.RecordRatingsRequest:
    """A request to store or forget ratings."""
    return pb.RecordRatingsRequest(
        ratings=[_event(event) for event in arguments.many("ratings", ratings, RatingEvent)],
        request_id=arguments.text("request_id", request_id),
    )


def add_movies(movies: Iterable[AddedMovie], request_id: str) -> pb.AddMoviesRequest:
    """A request to extend the catalogue."""
    return pb.AddMoviesRequest(
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
        request_id=arguments.text("request_id", request_id),
    )


def batch_recommend(queries: Iterable[RecommendQuery]) -> pb.BatchRecommendRequest:
    """A request for many lists."""
    checked = arguments.many("queries", queries, RecommendQuery)
    return pb.BatchRecommendRequest(requests=[recommend_user(query) for query in checked])


def get_serving_status() -> pb.GetServingStatusRequest:
    """A request for the state of the service."""
    return pb.GetServingStatusRequest()


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
