"""Who answers for the models: a model server, or the engine in this process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from server.deadline import Budget
from server.domain import Version
from server.engine.golden import replay_on_engine
from server.golden import replay
from server.prediction import UNREACHABLE, PredictionClient
from server.releases import ActiveRelease
from serving.contract import (
    ENGINE_PART,
    FEATURES_PART,
    OPTIONAL_SERVABLES,
    REQUIRED_SERVABLES,
    Manifest,
)

AVAILABLE: Final = "AVAILABLE"
UNAVAILABLE: Final = "UNAVAILABLE"
"""State of a part that this process should have loaded and could not."""


@dataclass(frozen=True, slots=True)
class PartStatus:
    """One part of a release that answers."""

    name: str
    state: str
    """The model server's word, or UNREACHABLE or NOT_FOUND; of the engine this process's."""
    required: bool


class Backend(Protocol):
    """What is known of a release's models before and while they answer."""

    def why_not_switched_to(self, manifest: Manifest) -> str:
        """What is lacking before a release may take the place of one that answers; "" = nothing."""
        ...

    def why_not_activated(self, release: ActiveRelease) -> str:
        """What a release that is loaded lacks to answer at all; "" = nothing."""
        ...

    def index_parts(self, release: ActiveRelease) -> frozenset[str]:
        """Which optional servables may be asked."""
        ...

    def parts(self, release: ActiveRelease, budget: Budget) -> tuple[PartStatus, ...]:
        """How the release's parts are.

        Raises:
          DeadlineExceeded: the budget is spent.
        """
        ...


class ModelServer:
    """Another process: the first activation does not wait for it, a switch does."""

    def __init__(self, prediction: PredictionClient) -> None:
        self._prediction = prediction

    def why_not_switched_to(self, manifest: Manifest) -> str:
        """Each required part must be AVAILABLE, and answer as it did in training."""
        version = Version(manifest.release_version)
        for part in REQUIRED_SERVABLES:
            state = self._prediction.model_state(part, version, Budget.unhurried())
            if state != AVAILABLE:
                return f"release {version}: the model server says {part} is {state}"
        fault = replay(manifest, self._prediction)
        return f"release {version}: {fault}" if fault else ""

    def why_not_activated(self, release: ActiveRelease) -> str:  # noqa: ARG002 - see the protocol
        return ""

    def index_parts(self, release: ActiveRelease) -> frozenset[str]:
        return frozenset(
            part
            for part in OPTIONAL_SERVABLES
            if part in release.manifest.parts
            and self._prediction.model_state(part, release.version, Budget.unhurried()) == AVAILABLE
        )

    def parts(self, release: ActiveRelease, budget: Budget) -> tuple[PartStatus, ...]:
        found: list[PartStatus] = []
        state = ""
        for name in release.manifest.parts:
            if name == FEATURES_PART:
                continue
            if name == ENGINE_PART:
                found.append(_engine_status(release, required=False))
                continue
            if state != UNREACHABLE:
                # One that did not answer once is not asked again: a timeout each would add up.
                state = self._prediction.model_state(name, release.version, budget)
            found.append(PartStatus(name, state, name in REQUIRED_SERVABLES))
        return tuple(found)


class InProcess:
    """The engine: a release without one does not answer."""

    def why_not_switched_to(self, manifest: Manifest) -> str:  # noqa: ARG002 - see the protocol
        return ""

    def why_not_activated(self, release: ActiveRelease) -> str:
        """The engine must be there, and answer as the graphs did in training."""
        if release.engine is None:
            return f"release {release.version}: {release.why_no_engine}"
        fault = replay_on_engine(release.engine, release.trained, release.manifest)
        return f"release {release.version}: {fault}" if fault else ""

    def index_parts(self, release: ActiveRelease) -> frozenset[str]:  # noqa: ARG002 - as above
        return frozenset()

    def parts(
        self,
        release: ActiveRelease,
        budget: Budget,  # noqa: ARG002 - nobody is asked
    ) -> tuple[PartStatus, ...]:
        return (_engine_status(release, required=True),)


def _engine_status(release: ActiveRelease, *, required: bool) -> PartStatus:
    return PartStatus(ENGINE_PART, AVAILABLE if release.engine else UNAVAILABLE, required)
