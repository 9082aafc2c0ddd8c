"""RecommendUser: one user in, one list out, whatever is away."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from server.deadline import Budget
from server.degraded import MODEL_FAILURES, Degradation
from server.domain import (
    Answer,
    MovieId,
    Recommendation,
    Recommendations,
    RecommendQuery,
    Source,
    UserState,
)
from server.errors import DeadlineExceeded, UpstreamUnavailable
from server.fallback import popular_movies
from server.features.store import FeatureStore
from server.rate import clipped
from server.releases import ActiveRelease
from server.rules import allowed_movies
from server.servables import MAX_WIDTH, Models, Ranking
from server.users import RequestUser, request_user, unknown_movies

FILL_STEP: Final = 1e-3
"""How far each filled-in movie scores below the one before it."""


@dataclass(frozen=True, slots=True)
class _Pick:
    movie_id: MovieId
    score: float
    source: Source
    rating: float | None = None
    """None = the models did not say."""


def recommend(
    release: ActiveRelease,
    query: RecommendQuery,
    budget: Budget,
    store: FeatureStore,
    models: Models,
) -> Recommendations:
    """The page of movies for one user; scores do not rise, no movie repeats, none is excluded.

    A failing model costs quality: the answer then names the reason.
    """
    user = request_user(release, store, query.user_id, query.history, query.profile)
    asking = _Asking(release, query, user, budget, models)
    picks = asking.by_models() if user.state is UserState.HOT else []
    picks = picks[: query.page_size]
    popular = asking.by_popularity(picks)
    if user.state is not UserState.HOT:
        popular = asking.rated(popular)
    low, high = release.manifest.rating_range
    catalogue = release.catalogue
    return Recommendations(
        movies=tuple(
            Recommendation(
                movie=catalogue.movie(pick.movie_id),
                predicted_rating=clipped(
                    catalogue.shrunk_mean(pick.movie_id) if pick.rating is None else pick.rating,
                    low,
                    high,
                ),
                score=pick.score,
                source=pick.source,
            )
            for pick in (*picks, *popular)
        ),
        user_state=user.state,
        recommendation_id=uuid.uuid4().hex,
        answer=Answer(
            release.version,
            asking.degradation.reasons,
            unknown_movies(release, query.exclude_movie_ids, query.history.movie_ids),
        ),
    )


class _Asking:
    """One request on its way down the ladder of answers."""

    def __init__(
        self,
        release: ActiveRelease,
        query: RecommendQuery,
        user: RequestUser,
        budget: Budget,
        models: Models,
    ) -> None:
        self.degradation = Degradation()
        self._release = release
        self._query = query
        self._user = user
        self._budget = budget
        self._models = models
        seen = user.seen if query.exclude_seen else ()
        # The newest of the seen movies stand last: the first ones go if there are too many.
        named = dict.fromkeys(m for m in query.exclude_movie_ids if m in release.catalogue)
        self._excluded = dict.fromkeys((*seen, *named))

    def by_models(self) -> list[_Pick]:
        """The final order of `recommend`, or what retrieval and ranking can say without it."""
        release, user = self._release, self._user.model
        # More than the widest input holds: the rest is dropped from the answer instead.
        excluded = tuple(self._excluded)[-MAX_WIDTH:]
        try:
            ranking = self._models.recommend(
                release, user, excluded, self._query.filter, self._budget
            )
        except MODEL_FAILURES as error:
            self.degradation.record("recommend", error)
            match error:
                case DeadlineExceeded() | UpstreamUnavailable(timed_out=True):
                    # A server that did not answer in time is not asked again: caps would add up.
                    return []
                case _:
                    return self._by_retrieval()
        return [
            _Pick(movie_id, score, Source.RETRIEVAL, rating)
            for movie_id, score, rating in zip(
                ranking.movie_ids, ranking.scores, ranking.ratings, strict=True
            )
            if movie_id not in self._excluded
        ]

    def by_popularity(self, picks: Sequence[_Pick]) -> list[_Pick]:
        """What is missing to a full page, scored below the movies that are there."""
        release, query = self._release, self._query
        popular = popular_movies(
            release,
            self._user.model.profile,
            query.filter,
            {*self._excluded, *(pick.movie_id for pick in picks)},
            query.page_size - len(picks),
        )
        if not picks:
            return [_Pick(p.movie_id, p.score, Source.POPULAR) for p in popular]
        last = picks[-1].score
        return [
            _Pick(p.movie_id, last - step * FILL_STEP, Source.POPULAR)
            for step, p in enumerate(popular, start=1)
        ]

    def rated(self, picks: list[_Pick]) -> list[_Pick]:
        """The same movies with the rating that the ranking model predicts, where it answers."""
        if not picks:
            return picks
        try:
            ratings = self._models.rate(
                self._release, self._user.model, [p.movie_id for p in picks], self._budget
            )
        except MODEL_FAILURES as error:
            self.degradation.record("rank", error)
            return picks
        return [
            _Pick(pick.movie_id, pick.score, pick.source, rating)
            for pick, rating in zip(picks, ratings, strict=True)
        ]

    def _by_retrieval(self) -> list[_Pick]:
        release = self._release
        try:
            ranking = self._models.retrieve(release, self._user.model, self._budget)
        except MODEL_FAILURES as error:
            self.degradation.record("retrieval", error)
            return []
        return self.rated(self._allowed(ranking)[: self._query.page_size])

    def _allowed(self, ranking: Ranking) -> list[_Pick]:
        """Retrieval neither filters nor excludes: that is done here."""
        catalogue = self._release.catalogue
        allowed = allowed_movies(catalogue, self._query.filter, self._release.manifest.genres)
        return [
            _Pick(movie_id, score, Source.RETRIEVAL)
            for movie_id, score in zip(ranking.movie_ids, ranking.scores, strict=True)
            if movie_id not in self._excluded and allowed[catalogue.index[movie_id]]
        ]
