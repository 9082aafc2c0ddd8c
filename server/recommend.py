"""RecommendUser: one user in, one ranking out, whatever is away; pages are cut from it."""

from __future__ import annotations

import math
import os

import numpy as np
from numpy.typing import NDArray

from server.deadline import Budget
from server.diversity import diversified
from server.domain import (
    NOBODY,
    Answer,
    MovieId,
    Order,
    Page,
    Profile,
    RecommendQuery,
)
from server.features.store import FeatureStore
from server.ladder import Ladder
from server.paging import PageTokens
from server.profile_mix import mixed_by_profile
from server.ranking import LONG_HISTORY, SOURCES, RankedList, Ranking, cited_places
from server.reasons import further_reasons
from server.releases import ActiveRelease
from server.servables import NO_MOVIES, Models
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
    profile, is_new = user.model.profile, not len(user.model.movies)
    if query.order is Order.DEFAULT and profile != Profile() and is_new:
        ranking = mixed_by_profile(release, profile, ladder.allowed, ranking)
    ranking = ladder.filled(ranking)
    catalogue = release.catalogue
    if query.diversity > 0:
        order = diversified(catalogue, ranking.movies, ranking.scores, query.diversity)
        ranking = ranking.take(order)
    by_default = query.order is Order.DEFAULT
    history, cited = user.model.movies, ranking.cited
    if not by_default:
        # Reasons are those of the retrieval score, which makes no other order.
        history, cited = NO_MOVIES, np.full_like(cited, NOBODY)
    elif len(history) > LONG_HISTORY:
        places, cited = cited_places(cited, len(history))
        history = history.take(places)
    return RankedList(
        movie_ids=catalogue.ids_of(ranking.movies),
        predicted_ratings=_ratings(release, ranking),
        scores=ranking.scores,
        sources=ranking.sources,
        history_ids=catalogue.ids_of(history),
        cited=cited,
        drops=ranking.drops,
        taste=user.taste,
        is_newcomer=by_default and is_new,
        user_state=user.state,
        recommendation_id=os.urandom(16).hex(),
        release_version=release.version,
        degraded_reasons=ladder.degradation.reasons,
    )


def _ratings(release: ActiveRelease, ranking: Ranking) -> NDArray[np.float32]:
    """[K] inside the range; a movie's mean where the models did not say."""
    ratings = ranking.ratings
    # One that nobody said makes a sum that nobody can say.
    if math.isnan(np.add.reduce(ratings)):
        means = release.catalogue.shrunk_means[ranking.movies]
        ratings = np.where(np.isnan(ratings), means, ratings)
    low, high = release.manifest.rating_range
    return np.minimum(np.maximum(ratings, np.float32(low)), np.float32(high))


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
    catalogue, shown = release.catalogue, slice(page_size)
    cited: list[list[int]] = ranked.cited[shown].tolist()
    named = list({place for places in cited for place in places if place != NOBODY})
    listed_ids, cited_ids = ranked.movie_ids[shown].tolist(), ranked.history_ids[named].tolist()
    movies = catalogue.movies_of(listed_ids + cited_ids)
    history = dict(zip(named, movies[len(listed_ids) :], strict=True))
    del movies[len(listed_ids) :]
    sources = [SOURCES[code] for code in ranked.sources[shown].tolist()]
    is_cited = [max(places) != NOBODY for places in cited]
    more = len(ranked) > page_size
    return Page(
        movies=movies,
        predicted_ratings=ranked.predicted_ratings[shown].tolist(),
        scores=ranked.scores[shown].tolist(),
        sources=sources,
        cited=cited,
        drops=ranked.drops[shown].tolist(),
        history=history,
        reasons=further_reasons(
            movies, sources, is_cited, ranked.taste, is_newcomer=ranked.is_newcomer
        ),
        user_state=ranked.user_state,
        recommendation_id=ranked.recommendation_id,
        next_page_token=tokens.seal(ranked, page_size, query_hash) if more else "",
        answer=Answer(ranked.release_version, ranked.degraded_reasons, unknown),
    )
