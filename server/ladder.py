"""The ladder of answers to one RecommendUser: the models, what they can say in part, popularity."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final

from server.added_scores import added_scores
from server.deadline import Budget
from server.degraded import MODEL_FAILURES, Degradation
from server.domain import BecauseOfMovie, MovieId, Order, RecommendQuery, Source
from server.errors import DeadlineExceeded, UpstreamUnavailable
from server.fallback import best_rated_movies, popular_movies
from server.releases import ActiveRelease
from server.rules import allowed_movies
from server.servables import MAX_WIDTH, Models, RankingQuery, UserVectors
from server.users import RequestUser
from serving.contract import K_MAX

FILL_STEP: Final = 1e-3
"""How far each filled-in movie scores below the one before it."""


@dataclass(frozen=True, slots=True)
class Pick:
    """A movie of the list that is being made."""

    movie_id: MovieId
    score: float
    source: Source
    rating: float | None = None
    """None = the models did not say."""
    because_of: tuple[BecauseOfMovie, ...] = ()


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
        seen = user.seen if query.exclude_seen else ()
        # The newest of the seen movies stand last: the first ones go if there are too many.
        named = dict.fromkeys(m for m in query.exclude_movie_ids if m in release.catalogue)
        self.excluded: Collection[MovieId] = dict.fromkeys((*seen, *named))

    def by_models(self) -> list[Pick]:
        """The final order of `recommend`, or what the other models can say without it."""
        # More than the widest input holds: the rest is dropped from the answer instead.
        excluded = tuple(self.excluded)[-MAX_WIDTH:]
        query = RankingQuery(
            self._user.model,
            excluded,
            self._query.filter,
            self._query.order,
            wants_vectors=self._release.added_vectors is not None,
        )
        try:
            ranking, vectors = self._models.recommend(self._release, query, self._budget)
        except MODEL_FAILURES as error:
            self.degradation.record("recommend", error)
            match error:
                case DeadlineExceeded() | UpstreamUnavailable(timed_out=True):
                    # A server that did not answer in time is not asked again: caps would add up.
                    return []
                case _ if self._query.order is Order.PREDICTED_RATING:
                    return self._by_rating()
                case _:
                    return self._by_retrieval()
        picks = [
            Pick(row.movie_id, row.score, Source.RETRIEVAL, row.rating, row.because_of)
            for row in ranking
            if row.movie_id not in self.excluded
        ]
        return self._with_added(picks, vectors) if vectors else picks

    def filled(self, picks: Sequence[Pick]) -> list[Pick]:
        """Behind `picks` what nobody predicted, scored below them, up to K_MAX movies."""
        release, query = self._release, self._query
        chosen = {*self.excluded, *(pick.movie_id for pick in picks)}
        n_missing = K_MAX - len(picks)
        if query.order is Order.PREDICTED_RATING:
            best = best_rated_movies(release, query.filter, chosen, n_missing)
            fill = [Pick(p.movie_id, p.score, Source.MEAN) for p in best]
        else:
            profile = self._user.model.profile
            popular = popular_movies(release, profile, query.filter, chosen, n_missing)
            fill = [Pick(p.movie_id, p.score, Source.POPULAR) for p in popular]
        if not picks:
            return fill
        last = picks[-1].score
        below = [replace(p, score=last - n * FILL_STEP) for n, p in enumerate(fill, start=1)]
        return [*picks, *below]

    def _rated(self, picks: list[Pick]) -> list[Pick]:
        """The same movies with the rating that the ranking model predicts, where it answers."""
        if not picks:
            return picks
        known = [p.movie_id for p in picks if p.movie_id in self._release.trained]
        try:
            rated = self._models.rate(self._release, self._user.model, known, self._budget)
        except MODEL_FAILURES as error:
            self.degradation.record("rank", error)
            return picks
        ratings = dict(zip(known, rated, strict=True))
        return [replace(p, rating=ratings.get(p.movie_id)) for p in picks]

    def _with_added(self, picks: Sequence[Pick], vectors: UserVectors) -> list[Pick]:
        """The list with the added movies in their places, as long as before or K_MAX."""
        release, catalogue = self._release, self._release.catalogue
        allowed = allowed_movies(catalogue, self._query.filter, release.manifest.genres)
        added = [
            Pick(movie_id, score, Source.CONTENT, rating)
            for movie_id, (score, rating) in added_scores(
                release, vectors, self._query.order
            ).items()
            if movie_id not in self.excluded and allowed[catalogue.index[movie_id]]
        ]
        return sorted((*picks, *added), key=lambda pick: -pick.score)[:K_MAX]

    def _by_retrieval(self) -> list[Pick]:
        """Retrieval neither filters nor excludes: that is done here."""
        release, catalogue = self._release, self._release.catalogue
        try:
            ranking = self._models.retrieve(release, self._user.model, self._budget)
        except MODEL_FAILURES as error:
            self.degradation.record("retrieval", error)
            return []
        allowed = allowed_movies(catalogue, self._query.filter, release.manifest.genres)
        return self._rated(
            [
                Pick(row.movie_id, row.score, Source.RETRIEVAL)
                for row in ranking
                if row.movie_id not in self.excluded and allowed[catalogue.index[row.movie_id]]
            ]
        )

    def _by_rating(self) -> list[Pick]:
        """The allowed movies in the order of what `rank` says, as many as it takes at once."""
        release, query = self._release, self._query
        candidates = best_rated_movies(release, query.filter, self.excluded, MAX_WIDTH)
        picks = self._rated([Pick(c.movie_id, c.score, Source.RETRIEVAL) for c in candidates])
        scored = [replace(p, score=p.rating) for p in picks if p.rating is not None]
        return sorted(scored, key=lambda pick: -pick.score)[:K_MAX]
