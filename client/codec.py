"""Response messages to the dataclasses that callers hold; calls.py is the way there.

A value of an enum that this client does not know becomes UNKNOWN: a newer server is no error.
"""

from __future__ import annotations

from datetime import UTC
from typing import Final

from client import errors
from client.answers import (
    AddedMovies,
    Answer,
    BatchResult,
    BatchResults,
    BecauseOfMovie,
    CatalogueEntry,
    Counts,
    FoundMovie,
    FoundMovies,
    Part,
    Popular,
    PopularMovie,
    PopularMovies,
    PredictedRating,
    PredictedRatings,
    Reason,
    Recommendation,
    Recommendations,
    RecordedRatings,
    Releases,
    ServingStatus,
    SharedGenre,
    SimilarMovie,
    SimilarMovies,
    User,
)
from client.models import Movie, Profile, RatedMovie, Source, UserState
from protos.recommender.v1 import recommender_pb2 as pb

_SOURCES: Final = {
    pb.SOURCE_RETRIEVAL: Source.RETRIEVAL,
    pb.SOURCE_CONTENT: Source.CONTENT,
    pb.SOURCE_POPULAR: Source.POPULAR,
    pb.SOURCE_ENGINE: Source.ENGINE,
    pb.SOURCE_MEAN: Source.MEAN,
}
_USER_STATES: Final = {
    pb.USER_STATE_HOT: UserState.HOT,
    pb.USER_STATE_WARM: UserState.WARM,
    pb.USER_STATE_COLD: UserState.COLD,
}


def recommendations(response: pb.RecommendUserResponse) -> Recommendations:
    """A user's list."""
    return Recommendations(
        items=tuple(
            Recommendation(
                movie=_movie(item.movie),
                predicted_rating=item.predicted_rating,
                score=item.score,
                source=_SOURCES.get(item.source, Source.UNKNOWN),
                reasons=_reasons(item),
            )
            for item in response.recommendations
        ),
        user_state=_USER_STATES.get(response.user_state, UserState.UNKNOWN),
        recommendation_id=response.recommendation_id,
        next_page_token=response.next_page_token,
        answer=_answer(response.answer),
    )


def predicted_ratings(response: pb.PredictRatingResponse) -> PredictedRatings:
    """Ratings in the order of the request."""
    return PredictedRatings(
        items=tuple(
            PredictedRating(item.movie_id, item.rating, _SOURCES.get(item.source, Source.UNKNOWN))
            for item in response.ratings
        ),
        answer=_answer(response.answer),
    )


def similar_movies(response: pb.SimilarMoviesResponse) -> SimilarMovies:
    """Movies like the one asked about."""
    return SimilarMovies(
        items=tuple(SimilarMovie(_movie(item.movie), item.score) for item in response.similar),
        answer=_answer(response.answer),
    )


def user(response: pb.GetUserResponse, user_id: str) -> User:
    """What is known about `user_id`, which the message leaves out."""
    return User(
        user_id=user_id,
        ratings=tuple(_rated_movie(rated) for rated in response.ratings),
        profile=Profile(
            age=response.profile.age,
            gender=response.profile.gender,
            occupation=response.profile.occupation,
            favorite_genres=tuple(response.profile.favorite_genres),
        ),
        user_state=_USER_STATES.get(response.user_state, UserState.UNKNOWN),
        answer=_answer(response.answer),
    )


def catalogue_entry(response: pb.GetMovieResponse) -> CatalogueEntry:
    """One movie."""
    return CatalogueEntry(movie=_movie(response.movie), answer=_answer(response.answer))


def found_movies(response: pb.SearchMoviesResponse) -> FoundMovies:
    """What a search found."""
    return FoundMovies(
        items=tuple(FoundMovie(_movie(item.movie), item.match) for item in response.movies),
        answer=_answer(response.answer),
    )


def popular_movies(response: pb.PopularMoviesResponse) -> PopularMovies:
    """A ranking for everybody."""
    return PopularMovies(
        items=tuple(PopularMovie(_movie(item.movie), item.score) for item in response.movies),
        answer=_answer(response.answer),
    )


def recorded_ratings(response: pb.RecordRatingsResponse) -> RecordedRatings:
    """What was stored."""
    return RecordedRatings(response.recorded, tuple(response.unknown_movie_ids))


def added_movies(response: pb.AddMoviesResponse) -> AddedMovies:
    """What was added."""
    return AddedMovies(response.added)


def batch_results(response: pb.BatchRecommendResponse) -> BatchResults:
    """A list or an error for each query."""
    return BatchResults(tuple(_batch_result(result) for result in response.results))


def serving_status(response: pb.GetServingStatusResponse) -> ServingStatus:
    """Releases, parts, store and counts."""
    releases, counts = response.releases, response.counts
    return ServingStatus(
        releases=Releases(
            stable=releases.stable,
            candidate=releases.candidate,
            active=releases.active,
            why_not_switched=releases.why_not_switched,
            candidate_share=releases.candidate_share,
        ),
        parts=tuple(Part(part.name, part.state, part.required) for part in response.parts),
        store_state=response.store_state,
        counts=Counts(movies=counts.movies, users=counts.users, ratings=counts.ratings),
        answer=_answer(response.answer),
    )


def _batch_result(result: pb.BatchRecommendResponse.Result) -> BatchResult:
    if result.WhichOneof("result") == "error":
        return errors.from_status(result.error)
    return recommendations(result.response)


def _movie(message: pb.Movie) -> Movie:
    return Movie(
        movie_id=message.movie_id,
        title=message.title,
        year=message.year,
        genres=tuple(message.genres),
        rating_count=message.rating_count,
        mean_rating=message.mean_rating,
    )


def _rated_movie(message: pb.RatedMovie) -> RatedMovie:
    known = message.HasField("rated_at")
    rated_at = message.rated_at.ToDatetime(tzinfo=UTC) if known else None
    return RatedMovie(message.movie_id, message.rating, rated_at)


def _reasons(item: pb.RecommendUserResponse.Recommendation) -> tuple[Reason, ...]:
    """The reasons that this client can express; a newer server may know more."""
    found: list[Reason] = []
    for message in item.reasons:
        kind = message.WhichOneof("reason")
        if kind == "because_of_movie":
            because = message.because_of_movie
            found.append(BecauseOfMovie(_movie(because.movie), because.weight))
        elif kind == "shared_genre":
            found.append(SharedGenre(message.shared_genre))
        elif kind == "popular" and message.popular:
            found.append(Popular())
    return tuple(found)


def _answer(message: pb.Answer) -> Answer:
    return Answer(
        release_version=message.release_version,
        degraded=message.degraded,
        degraded_reasons=tuple(message.degraded_reasons),
        unknown_movie_ids=tuple(message.unknown_movie_ids),
    )
