"""RecommendUser: one user in, one ranking out, whatever is away; pages are cut from it."""

from __future__ import annotations

import uuid

from server.deadline import Budget
from server.diversity import diversified
from server.domain import (
    Answer,
    BecauseOfMovie,
    MovieId,
    Order,
    Profile,
    RankedList,
    RankedMovie,
    Recommendation,
    Recommendations,
    RecommendQuery,
)
from server.features.store import FeatureStore
from server.ladder import Ladder, Pick
from server.paging import PageTokens
from server.profile_mix import mixed_by_profile
from server.rate import clipped
from server.reasons import Reasons
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
    picks = ladder.by_models()
    profile = user.model.profile
    alone = profile != Profile() and not len(user.model.history)
    if alone and query.order is Order.DEFAULT:
        picks = mixed_by_profile(release, profile, query.filter, ladder.excluded, picks)
    picks = ladder.filled(picks)
    if query.diversity > 0:
        order = diversified(
            release.catalogue,
            [pick.movie_id for pick in picks],
            [pick.score for pick in picks],
            query.diversity,
        )
        picks = [picks[position] for position in order]
    reasons = Reasons(release.catalogue, user.model, query.order)
    return RankedList(
        movies=tuple(_ranked(release, pick, reasons) for pick in picks),
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
    cited = {
        reason.movie_id: release.catalogue.movie_or_bare(reason.movie_id)
        for entry in page.movies
        for reason in entry.reasons
        if isinstance(reason, BecauseOfMovie)
    }
    return Recommendations(
        movies=tuple(
            Recommendation(release.catalogue.movie_or_bare(entry.movie_id), entry)
            for entry in page.movies
        ),
        cited=cited,
        user_state=ranked.user_state,
        recommendation_id=ranked.recommendation_id,
        next_page_token=tokens.seal(rest, query_hash) if rest.movies else "",
        answer=Answer(ranked.release_version, ranked.degraded_reasons, unknown),
    )


def _ranked(release: ActiveRelease, pick: Pick, reasons: Reasons) -> RankedMovie:
    low, high = release.manifest.rating_range
    mean = release.catalogue.shrunk_mean(pick.movie_id)
    return RankedMovie(
        movie_id=pick.movie_id,
        predicted_rating=clipped(mean if pick.rating is None else pick.rating, low, high),
        score=pick.score,
        source=pick.source,
        reasons=reasons.of(pick),
    )
