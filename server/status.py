"""GetServingStatus: which release answers, and how its parts are."""

from __future__ import annotations

from dataclasses import dataclass

from server.backends import AVAILABLE, Backend, PartStatus
from server.deadline import Budget
from server.domain import DegradedReason, Version
from server.features.store import FeatureStore, StoreCounts, StoreError
from server.releases import Releases, Wanted


@dataclass(frozen=True, slots=True)
class ServingStatus:
    """The state of the gateway."""

    wanted: Wanted
    active_version: Version
    """0 = none."""
    parts: tuple[PartStatus, ...]
    store_state: str
    n_movies: int
    stored: StoreCounts
    degraded_reasons: tuple[DegradedReason, ...]


def serving_status(
    releases: Releases,
    store: FeatureStore,
    backend: Backend,
    budget: Budget,
) -> ServingStatus:
    """The state now; where a model server is asked for its parts, without it as well.

    Raises:
      DeadlineExceeded: the budget is spent.
    """
    release = releases.active
    if release is None:
        return ServingStatus(
            releases.wanted, Version(0), (), store.state(), 0, StoreCounts(0, 0), ()
        )
    parts = backend.parts(release, budget)
    away = any(part.required and part.state != AVAILABLE for part in parts)
    return ServingStatus(
        wanted=releases.wanted,
        active_version=release.version,
        parts=parts,
        store_state=store.state(),
        n_movies=len(release.catalogue.movies),
        stored=_counts(store, release.version),
        degraded_reasons=(DegradedReason.MODEL_SERVER_UNAVAILABLE,) if away else (),
    )


def _counts(store: FeatureStore, version: Version) -> StoreCounts:
    """Zeros from a store that fails: its state says why."""
    try:
        return store.counts(version)
    except StoreError:
        return StoreCounts(0, 0)
