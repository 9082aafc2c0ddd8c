"""A user in the rows of one release's catalogue: all that ranking reads of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from server.domain import DegradedReason, Profile, UserId, UserState
from server.reasons import Taste


@dataclass(frozen=True, slots=True, eq=False)
class ModelUser:
    """A user as the models of one release see one."""

    user_id: UserId
    movies: NDArray[np.int64]
    """[H] movie_index of the history: merged, oldest first, at most max_history of the manifest."""
    ratings: NDArray[np.float32]
    """[H]"""
    tokens: Sequence[str]
    """The profile, as Profile.tokens makes them."""


@dataclass(frozen=True, slots=True, eq=False)
class RequestUser:
    """The user of one request."""

    model: ModelUser
    profile: Profile
    state: UserState
    seen: NDArray[np.int64]
    """movie_index of every rated movie, stored or in the request, oldest first."""
    history_ids: NDArray[np.bytes_]
    """[H] UTF-8, of the models' history."""
    taste: Taste
    """By the movies of the models' history."""
    degraded_reasons: tuple[DegradedReason, ...] = ()
    """Not empty when the store failed: then nothing but the request is known."""
