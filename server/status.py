"""GetServingStatus: which release answers, and how its parts are."""

from __future__ import annotations

from dataclasses import dataclass

from server.deadline import Budget
from server.domain import DegradedReason, Version
from server.features.store import FeatureStore, StoreCounts, StoreError
from server.prediction import UNREACHABLE, PredictionClient
from server.releases import Releases, Wanted
from serving.contract import FEATURES_PART, REQUIRED_SERVABLES


@dataclass(frozen=True, slots=True)
class PartStatus:
    """One SavedModel of the active release."""

    name: str
    state: str
    """The model server's word, or UNREACHABLE or NOT_FOUND."""
    required: bool


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
    prediction: PredictionClient,
    budget: Budget,
) -> ServingStatus:
    """The state now; asks the model server for each part, and answers without it as well.

    Raises:
      DeadlineExceeded: the budget is spent.
    """
    release = releases.active
    if release is None:
        return ServingStatus(
            releases.wanted, Version(0), (), store.state(), 0, StoreCounts(0, 0), ()
        )
    parts: list[PartStatus] = []
    state = ""
    for name in release.manifest.parts:
        if name == FEATURES_PART:
            continue
        if state != UNREACHABLE:
            # A server that did not answer once is not asked again: a timeout each would add up.
            state = prediction.model_state(name, release.version, budget)
        parts.append(PartStatus(name, state, name in REQUIRED_SERVABLES))
    away = any(part.required and part.state != "AVAILABLE" for part in parts)
    return ServingStatus(
        wanted=releases.wanted,
        active_version=release.version,
        parts=tuple(parts),
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
