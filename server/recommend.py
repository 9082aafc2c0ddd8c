"""RecommendUser: one user in, one ranking out, whatever is away; pages are cut from it."""

from __future__ import annotations

import uuid

import numpy as np

from server.deadline import Budget
from server.diversity import diversified
from server.domain import (
    Answer,
    BecauseOfMovie,
    Movie,
    MovieId,
    Order,
    Profile,
    Recommendation,
    Recommendations,
    RecommendQuery,
)
from server.features.store import FeatureStore
from server.ladder import Ladder
from server.paging import PageTokens
from server.profile_mix import mixed_by_profile
from server.ranking import NOBODY, SOURCES, RankedList, cited_by_id
from server.reasons import Taste, reasons_for, taste_of
from server.releases import ActiveRelease
from server.servables import Models
from server.users import request_user


def rank_movies(
    release: ActiveRelease,
    query: RecommendQuery,
    budget: Budget,
    store: FeatureStore,
    models: Models,
) -> RankedList:
    """All movies that paging can reach; no movie repeats, none is excluded or filtered.

    Scores do not rise at diversity 0. What fails costs quality: the answer then names the reason.
    """
    user = request_user(release, store, query.user_id, query.history, query.profile)
    ladder = Ladder(release, query, user, budget, models)
    ranking = ladder.by_models()
    history, profile = user.model.history, user.model.profile
    if query.order is Order.DEFAULT and profile != Profile() and not len(history):
        ranking = mixed_by_profile(release, profile, ladder.allowed, ranking)
    ranking = ladder.filled(ranking)
    catalogue = release.catalogue
    if query.diversity > 0:
        order = diversified(catalogue, ranking.movies, ranking.scores, query.diversity)
        ranking = ranking.take(order)
    means = catalogue.shrunk_means[ranking.movies]
    ratings = np.where(np.isnan(ranking.ratings), means, ranking.ratings)
    # Reasons are those of the retrieval score, which makes no other order.
    cited = ranking.cited if query.order is Order.DEFAULT else np.full_like(ranking.cited, NOBODY)
    cited_ids, positions = cited_by_id(cited, catalogue.movie_ids)
    return RankedList(
        movie_ids=tuple([catalogue.movie_ids[movie] for movie in ranking.movies.tolist()]),
        predicted_ratings=ratings.clip(*release.manifest.rating_range),
        scores=ranking.scores,
        sources=ranking.sources,
        cited_ids=cited_ids,
        cited=positions,
        drops=ranking.drops,
        taste=taste_of(catalogue, release.manifest.genres, history, profile, query.order),
        user_state=user.state,
        recommendation_id=uuid.uuid4().hex,
        release_version=release.version,
        degraded_reasons=ladder.degradation.reasons,
    )


def cut_page(
    release: ActiveRelease,
    ranked: RankedList,
    page_size: int,
    tokens: PageTokens,
    query_hash: bytes,
    unknown: tuple[MovieId, ...],
) -> Recommendations:
    """The next `page_size` movies of a ranking; the token carries the rest of it.

    Args:
      release: tells about the movies; the ranking may be of an earlier one.
      ranked: what no page has shown yet.
      page_size: movies wanted.
      tokens: seals the rest.
      query_hash: of the request, which the token is bound to.
      unknown: the request's movie ids that the catalogue does not have.
    """
    page, rest = ranked.split(page_size)
    catalogue = release.catalogue
    columns = (page.predicted_ratings, page.scores, page.sources)
    rows = zip(*(column.tolist() for column in columns), page.because_of(), strict=True)
    movies = tuple(
        _recommendation(catalogue.movie_or_bare(movie_id), page.taste, *row)
        for movie_id, row in zip(page.movie_ids, rows, strict=True)
    )
    return Recommendations(
        movies=movies,
        cited={
            reason.movie_id: catalogue.movie_or_bare(reason.movie_id)
            for shown in movies
            for reason in shown.reasons
            if isinstance(reason, BecauseOfMovie)
        },
        user_state=ranked.user_state,
        recommendation_id=ranked.recommendation_id,
        next_page_token=tokens.seal(rest, query_hash) if len(rest) else "",
        answer=Answer(ranked.release_version, ranked.degraded_reasons, unknown),
    )


def _recommendation(
    movie: Movie,
    taste: Taste,
    rating: float,
    score: float,
    source_code: int,
    because_of: tuple[BecauseOfMovie, ...],
) -> Recommendation:
    source = SOURCES[source_code]
    return Recommendation(
        movie, rating, score, source, reasons_for(movie, source, because_of, taste)
    )
