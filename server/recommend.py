"""RecommendUser: one user in, one ranking out, whatever is away; pages are cut from it."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from server.asking import Asking
from server.deadline import Budget
from server.diversity import diversified
from server.domain import (
    NOBODY,
    MovieId,
    Order,
    Reason,
    RecommendQuery,
)
from server.engine.explaining import reasons_of
from server.features.store import FeatureStore
from server.ids import new_id
from server.ladder import Ladder
from server.page import Page
from server.paging import PageTokens
from server.profile_mix import mixed_by_profile
from server.ranking import (
    LONG_HISTORY,
    SOURCES,
    RankedList,
    Ranking,
    Reasons,
    cited_places,
)
from server.reasons import BY_MODELS, further_reasons
from server.releases import ActiveRelease
from server.servables import NO_MOVIES, Asked, Models, Recommended
from server.users import request_user
from serving.contract import K_MAX

NO_RATINGS: Final[NDArray[np.float32]] = np.zeros(0, np.float32)
NO_IDS: Final[NDArray[np.bytes_]] = np.zeros(0, np.bytes_)

_BY_MODELS: Final = bytes(code for code, source in enumerate(SOURCES) if source in BY_MODELS)
"""Positions in SOURCES of what the models say."""


def rank_movies(
    release: ActiveRelease,
    query: RecommendQuery,
    budget: Budget,
    store: FeatureStore,
    models: Models,
) -> Asking[Asked, Recommended, RankedList]:
    """All movies that paging can reach; no movie repeats, none is excluded or filtered.

    Scores do not rise at diversity 0. What fails costs quality: the answer then names the reason.
    The models are asked for the ranking on the way, by whoever goes on with it.
    """
    user = request_user(release, store, query.user_id, query.history, query.profile)
    ladder = Ladder(release, query, user, budget, models)
    ranking = by_models = yield from ladder.by_models()
    is_new = not len(user.model.movies)
    if is_new and user.profile and query.order is Order.DEFAULT:
        ranking = mixed_by_profile(release, user.profile, ladder.allowed, ranking)
    if len(ranking.movies) < K_MAX:
        ranking = ladder.filled(ranking)
    catalogue = release.catalogue
    if query.diversity > 0:
        order = diversified(catalogue, ranking.movies, ranking.scores, query.diversity)
        ranking = ranking.take(order)
    by_default = query.order is Order.DEFAULT
    # What is left of an order that all models made says a rating of each movie.
    says_all = ranking is by_models and not ladder.degradation.reasons
    history, history_ids, history_ratings = NO_MOVIES, NO_IDS, NO_RATINGS
    reasons = first_reasons = None
    explained = ladder.explained
    # Where nobody says reasons, now or when a page is cut, no history is carried for them.
    if ladder.explains_later or explained is not None:
        history, history_ids = user.model.movies, user.history_ids
        history_ratings = user.model.ratings
    if ladder.explains_later:
        if explained is not None and explained.movies is ranking.movies:
            first_reasons = explained.reasons
    elif explained is not None:
        reasons = explained.of(ranking.movies)
        if len(history) > LONG_HISTORY:
            places, cited = cited_places(reasons.cited, len(history))
            history, history_ids = history.take(places), history_ids.take(places)
            history_ratings = history_ratings.take(places)
            reasons = Reasons(cited, reasons.drops)
    return RankedList(
        movies=ranking.movies,
        movie_ids=catalogue.ids_of(ranking.movies),
        predicted_ratings=ranking.ratings if says_all else _ratings(release, ranking),
        scores=ranking.scores,
        sources=ranking.sources,
        history=history,
        history_ids=history_ids,
        history_ratings=history_ratings,
        reasons=reasons,
        is_trained=not release.added,
        taste=user.taste,
        is_newcomer=by_default and is_new,
        user_state=user.state,
        recommendation_id=new_id(),
        release_version=release.version,
        degraded_reasons=ladder.degradation.reasons,
        first_reasons=first_reasons,
    )


def _ratings(release: ActiveRelease, ranking: Ranking) -> NDArray[np.float32]:
    """[K] those of the models, or a movie's mean where they did not say."""
    ratings = ranking.ratings
    # One that nobody said makes a sum that nobody can say.
    if math.isnan(np.add.reduce(ratings)):
        means = release.catalogue.shrunk_means[ranking.movies]
        ratings = np.where(np.isnan(ratings), means, ratings)
    return ratings


def cut_page(
    release: ActiveRelease,
    ranked: RankedList,
    page_size: int,
    tokens: PageTokens,
    query_hash: bytes,
    unknown: tuple[MovieId, ...],
) -> Page:
    """The next `page_size` movies of a ranking; the token carries the rest of it.

    Args:
      release: tells about the movies; the ranking may be of an earlier one.
      ranked: what no page has shown yet.
      page_size: movies wanted.
      tokens: seals the rest.
      query_hash: of the request, which the token is bound to.
      unknown: the request's movie ids that the catalogue does not have.
    """
    n_ranked = len(ranked.movie_ids)
    n_movies = min(page_size, n_ranked)
    sources = ranked.sources[:n_movies].tobytes()
    # What is left of them when those of the models are taken off at both ends.
    by_models = not sources.strip(_BY_MODELS)
    reasons = ranked.reasons or ranked.first_reasons
    if reasons is None or len(reasons.cited) < n_movies:
        reasons = _reasons(release, ranked, n_movies, all_by_models=by_models)
    says_all = by_models and not ranked.is_newcomer and not ranked.taste.favorites
    return Page(
        catalogue=release.catalogue,
        ranked=ranked,
        sources=sources,
        reasons=reasons,
        # Movies are cited for each of them, and nothing else speaks for any.
        further=()
        if says_all and NOBODY not in reasons.cited[:n_movies, 0].tolist()
        else _further(release, ranked, reasons, n_movies),
        next_page_token=tokens.seal(ranked, n_movies, query_hash) if n_movies < n_ranked else "",
        unknown=unknown,
    )


def _reasons(
    release: ActiveRelease, ranked: RankedList, n_movies: int, *, all_by_models: bool
) -> Reasons:
    """What of the history pulls the first movies of a list up."""
    movies = ranked.movies[:n_movies]
    if not all_by_models:
        # What the models did not put into the list, no movie of the history pulls up.
        by_models = np.isin(ranked.sources[:n_movies], list(_BY_MODELS))
        movies = np.where(by_models, movies, NOBODY)
    return reasons_of(
        release,
        ranked.history,
        ranked.history_ratings,
        movies,
        are_trained=ranked.is_trained and all_by_models,
    )


def _further(
    release: ActiveRelease, ranked: RankedList, reasons: Reasons, n_movies: int
) -> list[tuple[Reason, ...]]:
    """What else speaks for the first movies of a list."""
    listed = release.catalogue.movies
    return further_reasons(
        [listed[row].genres if row != NOBODY else () for row in ranked.movies[:n_movies].tolist()],
        [SOURCES[code] for code in ranked.sources[:n_movies].tolist()],
        [max(places) != NOBODY for places in reasons.cited[:n_movies].tolist()],
        ranked.taste,
        is_newcomer=ranked.is_newcomer,
    )
