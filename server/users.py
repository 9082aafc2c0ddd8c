"""Who asks: stored and request features merged into one user."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass

from server.domain import (
    GUEST,
    Answer,
    DegradedReason,
    History,
    KnownUser,
    MovieId,
    Profile,
    StoredUser,
    UserId,
    UserState,
)
from server.features.store import FeatureStore, StoreError
from server.logs import fields
from server.releases import ActiveRelease
from server.servables import MAX_WIDTH, ModelUser

_log = logging.getLogger(__name__)

NOBODY = StoredUser(Profile(), History())


@dataclass(frozen=True, slots=True)
class RequestUser:
    """The user of one request."""

    model: ModelUser
    state: UserState
    seen: tuple[MovieId, ...]
    """Every rated movie, stored or in the request, oldest first."""
    degraded_reasons: tuple[DegradedReason, ...] = ()
    """Not empty when the store failed: then nothing but the request is known."""


def request_user(
    release: ActiveRelease,
    store: FeatureStore,
    user_id: UserId,
    history: History,
    profile: Profile,
) -> RequestUser:
    """Merges what the store has (one read) with what the request says; the request wins."""
    degraded: tuple[DegradedReason, ...] = ()
    try:
        stored = read_user(release, store, user_id)
    except StoreError as error:
        stored, degraded = NOBODY, (DegradedReason.FEATURE_STORE_UNAVAILABLE,)
        _log.warning("answer degraded", extra=fields(call="store", detail=str(error)))
    # What was recorded while another release answered may be of movies that this one lacks.
    merged = known_part(release, merge_histories(stored.history, history))
    who = stored.profile.overridden_by(profile)
    newest = min(release.manifest.max_history, MAX_WIDTH)
    kept = History(merged.movie_ids[-newest:], merged.ratings[-newest:], merged.rated_at[-newest:])
    return RequestUser(
        model=ModelUser(user_id, kept, who),
        state=user_state(stored.history, merged, who),
        seen=merged.movie_ids,
        degraded_reasons=degraded,
    )


def get_user(release: ActiveRelease, store: FeatureStore, user_id: UserId) -> KnownUser:
    """What the service knows about a user; an unknown one is COLD and empty."""
    stored = read_user(release, store, user_id)
    state = user_state(stored.history, stored.history, stored.profile)
    return KnownUser(stored, state, Answer(release.version))


def read_user(release: ActiveRelease, store: FeatureStore, user_id: UserId) -> StoredUser:
    """The stored user, or one without any features; a guest is never looked up."""
    if user_id == GUEST:
        return NOBODY
    return store.read(release.version, user_id) or NOBODY


def user_state(stored: History, merged: History, profile: Profile) -> UserState:
    """HOT with a stored rating, WARM with anything else that is known, else COLD."""
    if len(stored):
        return UserState.HOT
    return UserState.WARM if len(merged) or profile != Profile() else UserState.COLD


def merge_histories(stored: History, request: History) -> History:
    """Stored entries, then the request's; a movie that comes again moves to its newest place."""
    if not len(request):
        return stored
    rows: dict[MovieId, tuple[float, int]] = {}
    for history in (stored, request):
        for movie_id, rating, rated_at in zip(
            history.movie_ids, history.ratings, history.rated_at, strict=True
        ):
            rows.pop(movie_id, None)
            rows[movie_id] = (rating, rated_at)
    ratings, times = zip(*rows.values(), strict=True)
    return History(tuple(rows), ratings, times)


def known_part(release: ActiveRelease, history: History) -> History:
    """The entries whose movie the catalogue has."""
    if all(map(release.catalogue.index.__contains__, history.movie_ids)):
        return history
    kept = [i for i, movie_id in enumerate(history.movie_ids) if movie_id in release.catalogue]
    return History(
        tuple(history.movie_ids[i] for i in kept),
        tuple(history.ratings[i] for i in kept),
        tuple(history.rated_at[i] for i in kept),
    )


def unknown_movies(release: ActiveRelease, *id_lists: Iterable[MovieId]) -> tuple[MovieId, ...]:
    """The ids that the catalogue does not have, each once, in the order of the request."""
    return tuple(
        dict.fromkeys(
            movie_id for ids in id_lists for movie_id in ids if movie_id not in release.catalogue
        )
    )
