"""The ladder of answers to one RecommendUser: the models, what they can say in part, popularity."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from itertools import repeat
from typing import Final

import numpy as np
from numpy.typing import NDArray

from server.added_scores import added_movies
from server.asking import Asking
from server.deadline import Budget
from server.degraded import MODEL_FAILURES, Degradation
from server.domain import Order, RecommendQuery, Source
from server.errors import DeadlineExceeded, UpstreamUnavailable
from server.fallback import best_rated_movies, popular_movies
from server.placed_user import RequestUser
from server.ranking import LONG_HISTORY, SOURCES, Explained, Ranking
from server.releases import ActiveRelease
from server.rules import allowed_movies
from server.servables import (
    MAX_WIDTH,
    NO_MOVIES,
    Asked,
    Models,
    RankingQuery,
    Recommended,
    UserVectors,
)
from server.takeover import taken_over
from serving.contract import K_MAX

FILL_STEP: Final = 1e-3
"""How far each filled-in movie scores below the one before it."""

NOTHING: Final = Ranking.of(Source.RETRIEVAL, (), ())
"""What models that do not answer say."""


class Ladder:
    """One request on its way down; every step leaves out what is excluded or filtered."""

    def __init__(
        self,
        release: ActiveRelease,
        query: RecommendQuery,
        user: RequestUser,
        budget: Budget,
        models: Models,
    ) -> None:
        self.degradation = Degradation(user.degraded_reasons)
        self._release = release
        self._query = query
        self._user = user
        self._budget = budget
        self._models = models
        catalogue, n_history = release.catalogue, len(user.model.movies)
        # There are reasons of the retrieval score, which makes no other order.
        self._explains = query.order is Order.DEFAULT and n_history > 0
        self.explains_later = (
            self._explains and release.engine is not None and n_history <= LONG_HISTORY
        )
        """Whether an engine says the reasons of a page when it is cut.

        For that the token carries the history, which is not done with a long one.
        """
        self.explained: Explained | None = None
        """What the models said to their list, if they were asked."""
        self._excluded = user.seen if query.exclude_seen else NO_MOVIES
        """[E] movie_index of what would be listed otherwise, or was seen."""
        if query.exclude_movie_ids:
            ids = query.exclude_movie_ids
            named = np.fromiter(map(catalogue.index.get, ids, repeat(-1)), np.int64, len(ids))
            named = _distinct(named[named >= 0])
            others = named[self.allowed[named]]
            self.allowed[others] = False
            # The newest of the seen movies stand last: the first ones go if there are too many.
            self._excluded = np.concatenate([self._excluded, others])

    @cached_property
    def allowed(self) -> NDArray[np.bool_]:
        """[N] what may be listed: it passes the filter and is not excluded."""
        release = self._release
        allowed = allowed_movies(release.catalogue, self._query.filter, release.manifest.genres)
        allowed[self._excluded] = False
        return allowed

    def by_models(self) -> Asking[Asked, Recommended, Ranking]:
        """The final order of `recommend`, or what the other models can say without it.

        Where the release has an engine, that says the same; nothing else is asked then.
        """
        # Without a filter what is excluded says it all, unless it is more than an input holds.
        says_all = not self._query.filter and len(self._excluded) <= MAX_WIDTH
        query = RankingQuery(
            self._user.model,
            # More than the widest input holds: the rest is dropped from the answer instead.
            self._excluded if says_all else self._excluded[-MAX_WIDTH:],
            self._query.filter,
            None if says_all else self.allowed,
            self._query.order,
            wants_vectors=self._release.added_vectors is not None,
            n_explained=self._n_explained,
        )
        try:
            recommended = yield from self._recommended(query)
        except MODEL_FAILURES as error:
            self.degradation.record("recommend", error)
            match error:
                case DeadlineExceeded() | UpstreamUnavailable(timed_out=True):
                    # A server that did not answer in time is not asked again: caps would add up.
                    return NOTHING
                case _ if self._query.order is Order.PREDICTED_RATING:
                    return self._by_rating()
                case _:
                    return self._by_retrieval()
        ranking, self.explained = recommended.ranking, recommended.explained
        # The engine alone, which leaves out exactly what it is told to, need not be checked.
        if not (says_all and self._models.source is Source.ENGINE):
            ranking = self._only_allowed(ranking)
        if recommended.vectors is None:
            return ranking
        return self._with_added(ranking, recommended.vectors)

    @property
    def _n_explained(self) -> int:
        """Of how many movies the models are asked for reasons."""
        query = self._query
        if not self._explains:
            return 0
        if not self.explains_later:
            return K_MAX
        # An engine says those of a first page on the way, unless the list becomes another one.
        is_own = not query.diversity and not self._release.added
        return query.page_size if is_own and self._models.source is Source.ENGINE else 0

    def _recommended(self, query: RankingQuery) -> Asking[Asked, Recommended, Recommended]:
        """What the models say, or the engine in their place."""
        try:
            return (yield Asked(self._release, query, self._budget))
        except MODEL_FAILURES as error:
            return taken_over(
                error,
                self._release,
                "recommend",
                self.degradation,
                lambda engine: engine.recommend(self._release, query, self._budget),
            )

    def filled(self, ranking: Ranking) -> Ranking:
        """Behind the ranking what nobody predicted, scored below it, up to K_MAX movies."""
        n_missing = K_MAX - len(ranking)
        allowed = self.allowed.copy()
        allowed[ranking.movies] = False
        if self._query.order is Order.PREDICTED_RATING:
            fill = best_rated_movies(self._release, allowed, n_missing)
        else:
            profile = self._user.profile
            fill = popular_movies(self._release, profile, allowed, n_missing)
        if not len(ranking) or not len(fill):
            return ranking if len(ranking) else fill
        below = ranking.scores[-1] - FILL_STEP * np.arange(1, len(fill) + 1)
        return ranking.followed_by(fill.scored(below, fill.sources))

    def _only_allowed(self, ranking: Ranking) -> Ranking:
        kept = self.allowed[ranking.movies]
        return ranking if kept.all() else ranking.take(kept)

    def _rated(self, ranking: Ranking) -> Ranking:
        """The same movies with the rating that the ranking model predicts, where it answers.

        It is not clipped: two of five and a half stars are not equal.
        """
        known = ranking.movies < len(self._release.trained.movies)
        if not known.any():
            return ranking
        ids = self._release.catalogue.movie_ids
        asked = [ids[movie] for movie in ranking.movies[known].tolist()]
        try:
            rated = self._models.rate(self._release, self._user.model, asked, self._budget)
        except MODEL_FAILURES as error:
            self.degradation.record("rank", error)
            return ranking
        ratings = ranking.ratings.copy()
        ratings[known] = rated
        return replace(ranking, ratings=ratings)

    def _with_added(self, ranking: Ranking, vectors: UserVectors) -> Ranking:
        """The list with the added movies in their places, as long as before or K_MAX."""
        added = self._only_allowed(added_movies(self._release, vectors, self._query.order))
        return ranking.followed_by(added).by_score().take(slice(K_MAX))

    def _by_retrieval(self) -> Ranking:
        """Retrieval neither filters nor excludes: that is done here."""
        try:
            ranking = self._models.retrieve(self._release, self._user.model, self._budget)
        except MODEL_FAILURES as error:
            self.degradation.record("retrieval", error)
            return NOTHING
        return self._inside(self._rated(self._only_allowed(ranking)))

    def _by_rating(self) -> Ranking:
        """The allowed movies in the order of what `rank` says, as many as it takes at once."""
        candidates = best_rated_movies(self._release, self.allowed, MAX_WIDTH)
        rated = self._rated(candidates)
        said = rated.take(~np.isnan(rated.ratings))
        retrieval = np.full_like(said.sources, SOURCES.index(Source.RETRIEVAL))
        ranking = said.scored(said.ratings, retrieval).by_score().take(slice(K_MAX))
        return self._inside(ranking)

    def _inside(self, ranking: Ranking) -> Ranking:
        """The same with ratings moved into the release's range; scores stay."""
        ratings = np.clip(ranking.ratings, *self._release.manifest.rating_range)
        return replace(ranking, ratings=ratings)


def _distinct(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Each once, rising; for a thousand np.unique takes three times as long."""
    rows = np.sort(rows)
    is_first = np.ones(len(rows), np.bool_)
    np.not_equal(rows[1:], rows[:-1], out=is_first[1:])
    return rows[is_first]
