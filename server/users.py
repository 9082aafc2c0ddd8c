"""Who asks: stored and request features merged into one user."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from server.domain import (
    GUEST,
    NO_HISTORY,
    NO_PROFILE,
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
from server.features.catalogue import Catalogue
from server.features.store import FeatureStore, StoreError
from server.logs import fields
from server.placed_user import ModelUser, RequestUser
from server.reasons import Taste
from server.releases import ActiveRelease
from server.servables import MAX_WIDTH

_log = logging.getLogger(__name__)

NOBODY = StoredUser(NO_PROFILE, NO_HISTORY)


def request_user(
    release: ActiveRelease,
    store: FeatureStore,
    user_id: UserId,
    history: History,
    profile: Profile,
) -> RequestUser:
    """Merges what the store has (one read) with what the request says; the request wins."""
    try:
        stored = read_user(release, store, user_id)
    except StoreError as error:
        _log.warning("answer degraded", extra=fields(call="store", detail=str(error)))
        reasons = (DegradedReason.FEATURE_STORE_UNAVAILABLE,)
        return _request_user(release, user_id, NOBODY, history, profile, reasons)
    if history or profile:
        return _request_user(release, user_id, stored, history, profile)
    # A store that keeps a user in memory gives the same object until the user changes.
    kept = release.users.get(user_id)
    if kept is None or kept[0] is not stored:
        kept = stored, _request_user(release, user_id, stored, history, profile)
        release.users.put(user_id, kept, release.users.generation)
    return kept[1]


def _request_user(
    release: ActiveRelease,
    user_id: UserId,
    stored: StoredUser,
    history: History,
    profile: Profile,
    degraded_reasons: tuple[DegradedReason, ...] = (),
) -> RequestUser:
    merged = merge_histories(stored.history, history)
    catalogue, who = release.catalogue, stored.profile.overridden_by(profile)
    rows = np.array([catalogue.index.get(i, -1) for i in merged.movie_ids], np.int64)
    ratings = np.array(merged.ratings, np.float32)
    # What was recorded while another release answered may be of movies that this one lacks.
    is_known = rows >= 0
    seen, ratings = rows[is_known], ratings[is_known]
    newest = min(release.manifest.max_history, MAX_WIDTH)
    # One array for both where that is all: whoever is given both looks at it once.
    movies = seen if len(seen) <= newest else seen[-newest:]
    return RequestUser(
        ModelUser(user_id, movies, ratings[-newest:], who.tokens()),
        who,
        user_state(stored.history, len(seen), who),
        seen,
        catalogue.ids_of(movies),
        Taste(who.favorite_genres, _n_seen(catalogue, release.manifest.genres, movies)),
        degraded_reasons,
    )


def _n_seen(
    catalogue: Catalogue, genres: Iterable[str], movies: NDArray[np.int64]
) -> dict[str, int]:
    words = catalogue.genre_words[movies].astype("<i8")
    n_seen = np.unpackbits(words.view(np.uint8), axis=1, bitorder="little").sum(axis=0)
    return {genre: n for genre, n in zip(genres, n_seen.tolist(), strict=False) if n}


def get_user(release: ActiveRelease, store: FeatureStore, user_id: UserId) -> KnownUser:
    """What the service knows about a user; an unknown one is COLD and empty."""
    stored = read_user(release, store, user_id)
    state = user_state(stored.history, len(stored.history), stored.profile)
    return KnownUser(stored, state, Answer(release.version))


def read_user(release: ActiveRelease, store: FeatureStore, user_id: UserId) -> StoredUser:
    """The stored user, or one without any features; a guest is never looked up."""
    if user_id == GUEST:
        return NOBODY
    return store.read(release.version, user_id) or NOBODY


def user_state(stored: History, n_rated: int, profile: Profile) -> UserState:
    """HOT with a stored rating, WARM with anything else that is known, else COLD."""
    if len(stored):
        return UserState.HOT
    return UserState.WARM if n_rated or profile else UserState.COLD


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


def unknown_movies(release: ActiveRelease, *id_lists: Sequence[MovieId]) -> tuple[MovieId, ...]:
    """The ids that the catalogue does not have, each once, in the order of the request."""
    index = release.catalogue.index
    # Most lists have none, which takes no step of Python for each.
    missing = [ids for ids in id_lists if not all(map(index.__contains__, ids))]
    return tuple(dict.fromkeys([i for ids in missing for i in ids if i not in index]))
