"""The engine of each release as the use cases ask for it."""
# ruff: noqa: ARG002 - nothing here takes long enough to look at its budget.

from __future__ import annotations

from collections.abc import Sequence

from server.deadline import Budget
from server.degraded import ModelFailure
from server.domain import MovieFilter, MovieId, NewMovie, Order, Source
from server.engine.arrays import BoolArray
from server.engine.engine import Asker, Engine, FinalOrder, RankedMovies, Wanted
from server.engine.explaining import reasons_of, trained_places
from server.errors import UpstreamUnavailable
from server.placed_user import ModelUser
from server.ranking import Explained, Ranking, Reasons, sources_of
from server.releases import ActiveRelease, MovieVectors
from server.rules import allowed_movies
from server.servables import NO_MOVIES, Asked, RankingQuery, Recommended, UserVectors


class EngineModels:
    """Models in this process; what it answers is of the release that it is asked about.

    Each method raises UpstreamUnavailable where that release has no engine.
    """

    source = Source.ENGINE

    def recommend(self, release: ActiveRelease, query: RankingQuery, budget: Budget) -> Recommended:
        (listed,) = _engine_of(release).recommend_all([_wanted(release, query)])
        return _recommended(release, query, listed)

    def recommend_all(self, asked: Sequence[Asked]) -> list[Recommended | ModelFailure]:
        answers: dict[int, Recommended | ModelFailure] = {}
        of_engine: dict[Engine, list[int]] = {}
        for place, one in enumerate(asked):
            try:
                of_engine.setdefault(_engine_of(one.release), []).append(place)
            except UpstreamUnavailable as error:
                answers[place] = error
        for engine, places in of_engine.items():
            some = [asked[place] for place in places]
            found = engine.recommend_all([_wanted(one.release, one.query) for one in some])
            for place, one, listed in zip(places, some, found, strict=True):
                answers[place] = _recommended(one.release, one.query, listed)
        return [answers[place] for place in range(len(asked))]

    def user_vectors(self, release: ActiveRelease, user: ModelUser, budget: Budget) -> UserVectors:
        return _vectors(_engine_of(release).recommend(_asker(release, user)))

    def embed_movies(
        self, release: ActiveRelease, movies: Sequence[NewMovie], budget: Budget
    ) -> MovieVectors:
        placed = _engine_of(release).embed(movies)
        return MovieVectors(
            placed.retrieval, placed.rating[:, :-1], placed.rating[:, -1], placed.similarity
        )

    def retrieve(self, release: ActiveRelease, user: ModelUser, budget: Budget) -> Ranking:
        return self._ranking(_engine_of(release).retrieve(_asker(release, user)))

    def rate(
        self,
        release: ActiveRelease,
        user: ModelUser,
        movie_ids: Sequence[MovieId],
        budget: Budget,
    ) -> tuple[float, ...]:
        asker = _asker(release, user)
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


def _asker(release: ActiveRelease, user: ModelUser) -> Asker:
    """The user with what training saw of the history."""
    movies, ratings = user.movies, user.ratings
    if release.added and (known := trained_places(release, movies)) is not None:
        movies, ratings = movies[known], ratings[known]
    return Asker(user.user_id, movies, ratings, user.tokens)


def _recommended(release: ActiveRelease, query: RankingQuery, listed: FinalOrder) -> Recommended:
    movies, explained = listed.movies, None
    if listed.reasons is not None:
        explained = Explained(movies, Reasons(*listed.reasons))
    elif query.n_explained:
        user, first = query.user, movies[: query.n_explained]
        explained = Explained(movies, reasons_of(release, user.movies, user.ratings, first))
    sources = sources_of(EngineModels.source, len(movies))
    return Recommended(
        Ranking(movies, listed.scores, listed.ratings, sources),
        _vectors(listed) if query.wants_vectors else None,
        explained,
    )


def _wanted(release: ActiveRelease, query: RankingQuery) -> Wanted:
    """What the query wants of the engine, which knows the trained movies alone."""
    asker, by_rating = _asker(release, query.user), query.order is Order.PREDICTED_RATING
    excluded, allowed, n_explained = query.excluded, query.allowed, query.n_explained
    n_trained = len(release.trained.movies)
    if release.added:
        excluded = excluded[excluded < n_trained]
        # Places in a history without the added movies would be others.
        n_explained = 0
    # Behind the trained movies of a catalogue stand the added ones.
    if allowed is not None:
        return Wanted(asker, NO_MOVIES, allowed[:n_trained], by_rating, n_explained)
    if query.filter:
        allowed = _allowed(release, query.filter)
    return Wanted(asker, excluded, allowed, by_rating, n_explained)


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
