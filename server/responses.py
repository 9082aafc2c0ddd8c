"""Domain answers -> responses of recommender.v1."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

from protos.recommender.v1 import recommender_pb2 as pb
from server.domain import (
    Answer,
    DegradedReason,
    FoundMovies,
    KnownUser,
    Movie,
    MovieId,
    PopularMovies,
    PredictedRatings,
    Profile,
    RecordedRatings,
    SimilarMovies,
    UserState,
    Version,
)
from server.movie_fields import movie_message
from server.page import Page
from server.ranking import SOURCES
from server.status import ServingStatus
from server.wire import SOURCE_NUMBERS, recommend_user_response

_USER_STATES: Final[Mapping[UserState, pb.UserState]] = {
    UserState.HOT: pb.USER_STATE_HOT,
    UserState.WARM: pb.USER_STATE_WARM,
    UserState.COLD: pb.USER_STATE_COLD,
}
_USER_STATE_NAMES: Final = {state: pb.UserState.Name(n) for state, n in _USER_STATES.items()}
_SOURCE_NAMES: Final = [pb.Source.Name(SOURCE_NUMBERS[source]) for source in SOURCES]
"""By position in SOURCES."""


class WrittenResponse(NamedTuple):
    """A RecommendUserResponse as it goes out."""

    message: bytes
    page: Page
    """What it says."""


def recommend_response(page: Page) -> WrittenResponse:
    """The page of a RecommendUser, a RecommendUserResponse."""
    ranked = page.ranked
    how = _written_answer if page.unknown else _kept_answer
    answer = how(ranked.release_version, ranked.degraded_reasons, page.unknown)
    message = recommend_user_response(page, _USER_STATES[ranked.user_state], answer)
    return WrittenResponse(message, page)


def rating_response(answer: PredictedRatings) -> pb.PredictRatingResponse:
    """The ratings of a PredictRating."""
    return pb.PredictRatingResponse(
        ratings=[
            pb.PredictRatingResponse.PredictedRating(
                movie_id=movie_id, rating=rating, source=SOURCE_NUMBERS[source]
            )
            for movie_id, rating, source in zip(
                answer.movie_ids, answer.ratings, answer.sources, strict=True
            )
        ],
        answer=_answer(answer.answer),
    )


def similar_response(answer: SimilarMovies) -> pb.SimilarMoviesResponse:
    """The movies of a SimilarMovies."""
    return pb.SimilarMoviesResponse(
        similar=[
            pb.SimilarMoviesResponse.SimilarMovie(movie=movie_message(movie), score=score)
            for movie, score in zip(answer.movies, answer.scores, strict=True)
        ],
        answer=_answer(answer.answer),
    )


def popular_response(answer: PopularMovies) -> pb.PopularMoviesResponse:
    """The movies of a PopularMovies."""
    return pb.PopularMoviesResponse(
        movies=[
            pb.PopularMoviesResponse.PopularMovie(movie=movie_message(movie), score=score)
            for movie, score in zip(answer.movies, answer.scores, strict=True)
        ],
        answer=_answer(answer.answer),
    )


def search_response(answer: FoundMovies) -> pb.SearchMoviesResponse:
    """The movies of a SearchMovies."""
    return pb.SearchMoviesResponse(
        movies=[
            pb.SearchMoviesResponse.FoundMovie(movie=movie_message(movie), match=match)
            for movie, match in zip(answer.movies, answer.matches, strict=True)
        ],
        answer=_answer(answer.answer),
    )


def record_response(answer: RecordedRatings) -> pb.RecordRatingsResponse:
    """What a RecordRatings did."""
    return pb.RecordRatingsResponse(
        recorded=answer.n_recorded, unknown_movie_ids=answer.unknown_movie_ids
    )


def user_response(answer: KnownUser) -> pb.GetUserResponse:
    """What GetUser tells."""
    history = answer.stored.history
    response = pb.GetUserResponse(
        profile=_profile(answer.stored.profile),
        user_state=_USER_STATES[answer.user_state],
        answer=_answer(answer.answer),
    )
    for movie_id, rating, rated_at in zip(
        history.movie_ids, history.ratings, history.rated_at, strict=True
    ):
        rated = response.ratings.add(movie_id=movie_id, rating=rating)
        if rated_at:
            rated.rated_at.seconds = rated_at
    return response


def movie_response(movie: Movie, version: Version) -> pb.GetMovieResponse:
    """The movie of a GetMovie."""
    return pb.GetMovieResponse(movie=movie_message(movie), answer=_answer(Answer(version)))


def status_response(status: ServingStatus) -> pb.GetServingStatusResponse:
    """Releases, parts, store and counts."""
    wanted = status.wanted
    return pb.GetServingStatusResponse(
        releases=pb.GetServingStatusResponse.Releases(
            stable=wanted.stable,
            candidate=wanted.candidate,
            active=status.active_version,
            why_not_switched=wanted.why_not,
            candidate_share=wanted.candidate_share,
        ),
        parts=[
            pb.GetServingStatusResponse.Part(
                name=part.name, state=part.state, required=part.required
            )
            for part in status.parts
        ],
        store_state=status.store_state,
        counts=pb.GetServingStatusResponse.Counts(
            movies=status.n_movies, users=status.stored.users, ratings=status.stored.ratings
        ),
        answer=_answer(Answer(status.active_version, status.degraded_reasons)),
    )


def describe(response: Any) -> Mapping[str, Any]:
    """What log and metrics say of a response: counts and flags, nothing of a user."""
    match response:
        case WrittenResponse(_, page):
            return _of_page(page)
        case pb.BatchRecommendResponse():
            kinds = Counter(result.WhichOneof("result") for result in response.results)
            return {"n_results": len(response.results), "n_errors": kinds["error"]}
        case pb.RecordRatingsResponse():
            return {"n_recorded": response.recorded, "n_unknown": len(response.unknown_movie_ids)}
        case pb.AddMoviesResponse():
            return {"n_added": response.added}
    how = response.answer
    described = _described(how.release_version, list(how.degraded_reasons))
    entries: Any = ()
    match response:
        case pb.PredictRatingResponse():
            entries = response.ratings
        case pb.SimilarMoviesResponse():
            entries = response.similar
        case pb.PopularMoviesResponse() | pb.SearchMoviesResponse():
            entries = response.movies
    described["n_results"] = len(entries)
    rated = isinstance(response, pb.PredictRatingResponse)
    described["sources"] = _counted(entry.source for entry in entries) if rated else {}
    return described


def _of_page(page: Page) -> dict[str, Any]:
    ranked, codes = page.ranked, page.sources
    return {
        **_described(ranked.release_version, [reason.value for reason in ranked.degraded_reasons]),
        "user_state": _USER_STATE_NAMES[ranked.user_state],
        "n_results": len(codes),
        "sources": {_SOURCE_NAMES[code]: codes.count(code) for code in set(codes)},
    }


def _described(release_version: int, degraded_reasons: Sequence[str]) -> dict[str, Any]:
    return {
        "release": release_version,
        "degraded": bool(degraded_reasons),
        "degraded_reasons": degraded_reasons,
    }


def _counted(sources: Iterable[int]) -> dict[str, int]:
    return {pb.Source.Name(source): n for source, n in Counter(sources).items()}


def _profile(profile: Profile) -> pb.Profile:
    return pb.Profile(
        age=profile.age,
        gender=profile.gender,
        occupation=profile.occupation,
        favorite_genres=profile.favorite_genres,
    )


def _answer(answer: Answer) -> pb.Answer:
    return pb.Answer(
        release_version=answer.release_version,
        degraded=bool(answer.degraded_reasons),
        degraded_reasons=[reason.value for reason in answer.degraded_reasons],
        unknown_movie_ids=answer.unknown_movie_ids,
    )


def _written_answer(
    version: Version, degraded_reasons: tuple[DegradedReason, ...], unknown: tuple[MovieId, ...]
) -> bytes:
    return _answer(Answer(version, degraded_reasons, unknown)).SerializeToString()


_kept_answer: Final = lru_cache(256)(_written_answer)
"""For requests all of whose movies are known: there are not many such answers."""
