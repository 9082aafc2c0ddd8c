"""RecommendUser of a fake: one user's ranking, its order, its reasons and its pages."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from client.testing.checks import MAX_EXCLUDED, Checks, invalid, passes
from client.testing.state import Film, State
from client.testing.taste import Taste
from protos.recommender.v1 import recommender_pb2 as pb

DEEPEST: Final = 200
"""How many movies the pages of one ranking hold together."""
MOST_REASONS: Final = 3
LEAST_WEIGHT: Final = 0.05
"""What a cited movie adds to the score at least."""

Recommendation = pb.RecommendUserResponse.Recommendation
Order = pb.RecommendUserRequest.OrderBy


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks: what is stored and what the request says, merged."""

    state: pb.UserState
    history: tuple[pb.RatedMovie, ...]
    """Oldest first; movies of the catalogue only."""
    profile: pb.Profile
    unknown_movie_ids: tuple[str, ...]
    """Of the request's history."""


def asker(
    state: State, user_id: str, history: Sequence[pb.RatedMovie], profile: pb.Profile
) -> Asker:
    """The user of a request; the request wins, and moves to the newest end."""
    stored = state.ratings.get(user_id, {}) if user_id else {}
    merged = dict(stored)
    for rated in history:
        if rated.movie_id in state.films:
            merged.pop(rated.movie_id, None)
            merged[rated.movie_id] = rated
    who = pb.Profile()
    who.MergeFrom(state.profiles.get(user_id, pb.Profile()))
    if profile.favorite_genres:
        del who.favorite_genres[:]
    who.MergeFrom(profile)
    if stored:
        known = pb.USER_STATE_HOT
    elif merged or who != pb.Profile():
        known = pb.USER_STATE_WARM
    else:
        known = pb.USER_STATE_COLD
    unknown = [rated.movie_id for rated in history if rated.movie_id not in state.films]
    return Asker(known, tuple(merged.values()), who, tuple(dict.fromkeys(unknown)))


@dataclass(frozen=True, slots=True)
class _Rest:
    """What a page token stands for."""

    query: bytes
    recommendation_id: str
    recommendations: tuple[Recommendation, ...]
    user_state: pb.UserState
    answer: pb.Answer


class Rankings:
    """Answers RecommendUser and keeps the rest of each ranking for the pages to come."""

    def __init__(self) -> None:
        self._rests: dict[str, _Rest] = {}

    def page(
        self, request: pb.RecommendUserRequest, state: State, taste: Taste, answer: pb.Answer
    ) -> pb.RecommendUserResponse:
        """One page.

        Raises:
          RefusedError: a field is outside its range, or the token belongs to another query.
        """
        page_size = _checked(request, state)
        if request.page_token:
            rest = self._rests.get(request.page_token)
            if rest is None or rest.query != _query(request):
                said = "was not given out for this query, allowed is its next_page_token"
                raise invalid([("page_token", said)])
        else:
            rest = _ranking(request, state, taste, answer)
        return self._cut(rest, page_size)

    def _cut(self, rest: _Rest, page_size: int) -> pb.RecommendUserResponse:
        later = rest.recommendations[page_size:]
        token = ""
        if later:
            token = secrets.token_urlsafe(16)
            self._rests[token] = replace(rest, recommendations=later)
        return pb.RecommendUserResponse(
            recommendations=rest.recommendations[:page_size],
            user_state=rest.user_state,
            recommendation_id=rest.recommendation_id,
            next_page_token=token,
            answer=rest.answer,
        )


def _checked(request: pb.RecommendUserRequest, state: State) -> int:
    """The page size of a request that is in order."""
    checks = Checks()
    checks.text("user_id", request.user_id)
    page_size = checks.page_size(request.page_size)
    checks.movie_ids("exclude_movie_ids", request.exclude_movie_ids, 0, MAX_EXCLUDED)
    checks.filter(request.filter, state.genres)
    checks.history(request.history)
    checks.profile(request.profile, state.genres)
    checks.between("diversity", request.diversity, 0, 1)
    checks.enum("order_by", request.order_by, Order.values())
    checks.done()
    return page_size


def _query(request: pb.RecommendUserRequest) -> bytes:
    """What must stay the same from page to page: all but the token and the size of a page."""
    same = pb.RecommendUserRequest()
    same.MergeFrom(request)
    same.ClearField("page_token")
    same.ClearField("page_size")
    return same.SerializeToString(deterministic=True)


def _ranking(
    request: pb.RecommendUserRequest, state: State, taste: Taste, answer: pb.Answer
) -> _Rest:
    who = asker(state, request.user_id, request.history, request.profile)
    excluded = set(request.exclude_movie_ids)
    if not request.HasField("exclude_seen") or request.exclude_seen:
        excluded |= {rated.movie_id for rated in who.history}
    films = [
        film
        for movie_id, film in state.films.items()
        if movie_id not in excluded and passes(film.message, request.filter)
    ]
    by_rating = request.order_by == pb.RecommendUserRequest.ORDER_BY_PREDICTED_RATING
    scored = taste.rating if by_rating else taste.score
    scores = {film.message.movie_id: scored(film, who.history, who.profile) for film in films}
    films.sort(key=lambda film: -scores[film.message.movie_id])
    films = films[:DEEPEST]
    if request.diversity > 0:
        films = _diverse(films, scores, request.diversity, taste)
    said = pb.Answer()
    said.MergeFrom(answer)
    unknown = [m for m in request.exclude_movie_ids if m not in state.films]
    said.unknown_movie_ids.extend(dict.fromkeys([*unknown, *who.unknown_movie_ids]))
    return _Rest(
        query=_query(request),
        recommendation_id=secrets.token_hex(16),
        recommendations=tuple(
            _recommendation(film, scores[film.message.movie_id], who, state, taste, by_rating)
            for film in films
        ),
        user_state=who.state,
        answer=said,
    )


def _diverse(
    films: list[Film], scores: dict[str, float], diversity: float, taste: Taste
) -> list[Film]:
    """Maximal marginal relevance: high scores that do not resemble what is listed already.

    Carbonell and Goldstein, "The use of MMR", SIGIR 1998.
    """
    low, high = min(scores.values(), default=0.0), max(scores.values(), default=0.0)
    span = (high - low) or 1.0
    content = pb.SimilarMoviesRequest.MODE_CONTENT
    nearest = {film.message.movie_id: 0.0 for film in films}
    left, chosen = list(films), list[Film]()
    while left:
        best = max(
            left,
            key=lambda film: (
                (1 - diversity) * (scores[film.message.movie_id] - low) / span
                - diversity * nearest[film.message.movie_id]
            ),
        )
        left.remove(best)
        chosen.append(best)
        for film in left:
            alike = taste.like(best.content, best.raters, film, content)
            nearest[film.message.movie_id] = max(nearest[film.message.movie_id], alike)
    return chosen


def _recommendation(
    film: Film, score: float, who: Asker, state: State, taste: Taste, by_rating: bool
) -> Recommendation:
    favorites = sorted(set(film.message.genres) & set(who.profile.favorite_genres))
    if not film.raters:
        source = pb.SOURCE_CONTENT
    elif who.history:
        source = pb.SOURCE_RETRIEVAL
    else:
        source = pb.SOURCE_CONTENT if favorites else pb.SOURCE_POPULAR
    # By rating, what a movie adds to the score explains nothing.
    adds = {} if by_rating else taste.pulls(film, who.history)
    pulls = sorted(adds.items(), key=lambda pull: -pull[1])
    reasons = [
        pb.Reason(
            because_of_movie=pb.Reason.BecauseOfMovie(
                movie=state.films[movie_id].message, weight=weight
            )
        )
        for movie_id, weight in pulls[:MOST_REASONS]
        if weight >= LEAST_WEIGHT
    ]
    reasons += [pb.Reason(shared_genre=genre) for genre in favorites]
    return Recommendation(
        movie=film.message,
        predicted_rating=taste.rating(film, who.history, who.profile),
        score=score,
        source=source,
        reasons=reasons or [pb.Reason(popular=True)],
    )
