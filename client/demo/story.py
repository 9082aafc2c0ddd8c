"""What the demonstration tells about one user, asked through the client."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from statistics import fmean
from typing import Final

from client.answers import Answer, Recommendations, SimilarMovies, User
from client.client import RecommenderClient
from client.demo.holdout import Holdout
from client.errors import NotFoundError
from client.models import Movie, RatedMovie

N_LOVED: Final = 5
N_RECOMMENDED: Final = 10
N_COMPARED: Final = 8
N_SIMILAR: Final = 5
N_GUEST: Final = 5

_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A rating that the user gave, beside what we would have said."""

    movie: Movie
    actual: float
    predicted: float

    @property
    def error(self) -> float:
        return self.predicted - self.actual


@dataclass(frozen=True, slots=True)
class Story:
    """Everything that the tables show."""

    user: User
    loved: tuple[tuple[Movie, float], ...]
    """Movies and the user's own ratings, best first."""
    recommendations: Recommendations
    comparisons: tuple[Comparison, ...]
    held_out: bool
    """Whether the comparisons are with ratings that no model has seen."""
    similar_to: Movie | None
    """The top recommendation."""
    similar: SimilarMovies | None
    guest: Recommendations
    answers: tuple[Answer, ...]
    """How each of the answers came about."""

    def mean_absolute_error(self) -> float | None:
        """Of the comparisons; None without any."""
        errors = [abs(comparison.error) for comparison in self.comparisons]
        return fmean(errors) if errors else None


def collect(client: RecommenderClient, user_id: str, holdout: Holdout | None) -> Story:
    """Asks for everything that one user's story needs.

    Raises:
      RecommenderError: a call failed.
    """
    user = client.get_user(user_id)
    favourites = sorted(user.ratings, key=_rating_then_newest, reverse=True)
    recommendations = client.recommend_user(user_id, page_size=N_RECOMMENDED)
    held_out = dict(holdout.ratings.get(user_id, {})) if holdout else {}
    newest_first = reversed(user.ratings)
    actual = held_out or {rated.movie_id: rated.rating for rated in newest_first}
    comparisons, predicted_answer = _compare(client, user_id, actual)
    top = recommendations[0].movie if recommendations else None
    similar = client.similar_movies(top.movie_id, page_size=N_SIMILAR) if top else None
    guest = client.recommend_user("", page_size=N_GUEST)
    answers = [user.answer, recommendations.answer, predicted_answer, guest.answer]
    answers += [similar.answer] if similar is not None else []
    return Story(
        user=user,
        loved=tuple(
            (_movie(client, rated.movie_id), rated.rating) for rated in favourites[:N_LOVED]
        ),
        recommendations=recommendations,
        comparisons=comparisons,
        held_out=bool(held_out),
        similar_to=top,
        similar=similar,
        guest=guest,
        answers=tuple(answer for answer in answers if answer is not None),
    )


def _compare(
    client: RecommenderClient, user_id: str, actual: Mapping[str, float]
) -> tuple[tuple[Comparison, ...], Answer | None]:
    movie_ids = list(islice(actual, N_COMPARED))
    if not movie_ids:
        return (), None
    predicted = client.predict_rating(user_id, movie_ids)
    comparisons = tuple(
        Comparison(_movie(client, item.movie_id), actual[item.movie_id], item.rating)
        for item in predicted
    )
    return comparisons, predicted.answer


def _movie(client: RecommenderClient, movie_id: str) -> Movie:
    """The movie; only its id when it has left the catalogue."""
    try:
        return client.get_movie(movie_id).movie
    except NotFoundError:
        return Movie(movie_id)


def _rating_then_newest(rated: RatedMovie) -> tuple[float, datetime]:
    return rated.rating, rated.rated_at or _LONG_AGO


def releases(answers: Iterable[Answer]) -> list[int]:
    """Versions of the releases that answered, ascending."""
    return sorted({answer.release_version for answer in answers})


def degraded_reasons(answers: Iterable[Answer]) -> list[str]:
    """Why some answers were second best, each reason once; empty when none was."""
    reasons: dict[str, None] = {}
    for answer in answers:
        if answer.degraded:
            reasons |= dict.fromkeys(answer.degraded_reasons or ("no reason given",))
    return list(reasons)
