"""The engine of each release as the use cases ask for it."""
# ruff: noqa: ARG002 - nothing here takes long enough to look at its budget.

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from server.deadline import Budget
from server.domain import NO_FILTER, NOBODY, MovieFilter, MovieId, NewMovie, Order, Source
from server.engine.arrays import BoolArray, IndexArray
from server.engine.engine import Asker, Engine, FinalOrder, RankedMovies
from server.errors import UpstreamUnavailable
from server.placed_user import ModelUser
from server.ranking import Ranking
from server.releases import ActiveRelease, MovieVectors
from server.rules import allowed_movies
from server.servables import NO_MOVIES, RankingQuery, UserVectors


class EngineModels:
    """Models in this process; what it answers is of the release that it is asked about.

    Each method raises UpstreamUnavailable where that release has no engine.
    """

    source = Source.ENGINE

    def recommend(
        self, release: ActiveRelease, query: RankingQuery, budget: Budget
    ) -> tuple[Ranking, UserVectors | None]:
        engine = _engine_of(release)
        asker, known = _asker(release, query.user)
        excluded, allowed = _wanted(release, query)
        listed = engine.recommend(
            asker,
            excluded=excluded,
            allowed=allowed,
            by_rating=query.order is Order.PREDICTED_RATING,
        )
        cited, drops = engine.reasons(listed)
        if known is not None:
            # NOBODY is the last of them.
            cited = np.append(known, NOBODY).astype(np.int16)[cited]
        ranked = listed.ranked
        ranking = Ranking.of(
            self.source, ranked.movies, ranked.scores, listed.ratings, cited, drops
        )
        return ranking, _vectors(listed) if query.wants_vectors else None

    def user_vectors(self, release: ActiveRelease, user: ModelUser, budget: Budget) -> UserVectors:
        return _vectors(_engine_of(release).recommend(_asker(release, user)[0]))

    def embed_movies(
        self, release: ActiveRelease, movies: Sequence[NewMovie], budget: Budget
    ) -> MovieVectors:
        placed = _engine_of(release).embed(movies)
        return MovieVectors(
            placed.retrieval, placed.rating[:, :-1], placed.rating[:, -1], placed.similarity
        )

    def retrieve(self, release: ActiveRelease, user: ModelUser, budget: Budget) -> Ranking:
        return self._ranking(_engine_of(release).retrieve(_asker(release, user)[0]))

    def rate(
        self,
        release: ActiveRelease,
        user: ModelUser,
        movie_ids: Sequence[MovieId],
        budget: Budget,
    ) -> tuple[float, ...]:
        asker, _ = _asker(release, user)
        return tuple(_engine_of(release).rate(asker, movie_ids).tolist())

    def similar(
        self,
        release: ActiveRelease,
        movie_id: MovieId,
        mode: int,
        movie_filter: MovieFilter,
        budget: Budget,
    ) -> Ranking:
        allowed = _allowed(release, movie_filter)
        return self._ranking(_engine_of(release).similar(movie_id, mode, allowed))

    def similar_to_new(
        self,
        release: ActiveRelease,
        movie: NewMovie,
        movie_filter: MovieFilter,
        budget: Budget,
    ) -> Ranking:
        allowed = _allowed(release, movie_filter)
        return self._ranking(_engine_of(release).similar_to_new(movie, allowed))

    def _ranking(self, ranked: RankedMovies) -> Ranking:
        return Ranking.of(self.source, ranked.movies, ranked.scores)


def _engine_of(release: ActiveRelease) -> Engine:
    if release.engine is None:
        raise UpstreamUnavailable(f"release {release.version}: {release.why_no_engine}")
    return release.engine


def _asker(release: ActiveRelease, user: ModelUser) -> tuple[Asker, IndexArray | None]:
    """The user with what training saw of the history, and where that stands in all of it.

    The places are [H], or None where all of it was seen.
    """
    movies, ratings, known = user.movies, user.ratings, None
    # Behind the trained movies of a catalogue stand the added ones.
    if release.added and not (is_known := movies < len(release.trained.movies)).all():
        known = is_known.nonzero()[0]
        movies, ratings = movies[known], ratings[known]
    return Asker(user.user_id, movies, ratings, user.profile.tokens()), known


def _wanted(release: ActiveRelease, query: RankingQuery) -> tuple[IndexArray, BoolArray | None]:
    """[E] what is excluded, and [N] what else may be listed; None = everything."""
    n_trained = len(release.trained.movies)
    # Behind the trained movies of a catalogue stand the added ones, which the engine does not know.
    if query.allowed is not None:
        return NO_MOVIES, query.allowed[:n_trained]
    excluded = query.excluded
    if release.added:
        excluded = excluded[excluded < n_trained]
    return excluded, None if query.filter == NO_FILTER else _allowed(release, query.filter)


def _allowed(release: ActiveRelease, movie_filter: MovieFilter) -> BoolArray:
    return allowed_movies(release.trained, movie_filter, release.manifest.genres)


def _vectors(listed: FinalOrder) -> UserVectors:
    retrieval, rating = listed.retrieval_spread, listed.rating_spread
    return UserVectors(
        retrieval=listed.user.retrieval.vector,
        rating=listed.user.rating.vector,
        rating_bias=float(listed.user.rating.bias),
        score_stats=(retrieval.mean, retrieval.deviation, rating.mean, rating.deviation),
    )
