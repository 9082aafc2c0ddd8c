"""Follows releases/active.json: activates a release once it can answer, else says why not."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace

from server.deadline import Budget
from server.domain import Version
from server.errors import ContractViolation, ServiceError
from server.features.store import FeatureStore, StoreError
from server.golden import replay
from server.logs import fields
from server.prediction import PredictionClient
from server.releases import (
    HOW_TO_PUBLISH,
    ActiveRelease,
    Releases,
    Wanted,
    load_release,
    read_published_manifest,
)
from serving.contract import (
    OPTIONAL_SERVABLES,
    REQUIRED_SERVABLES,
    Active,
    ContractError,
    ModelsDir,
    read_active,
)

_log = logging.getLogger(__name__)


class ReleaseFollower:
    """Looks at the models folder, again and again, and switches the active release.

    The first activation needs a verified snapshot alone: answers are degraded until the model
    server is there. A switch also needs every required part AVAILABLE and the golden requests
    reproduced, so that an answering release is never replaced by a worse one.

    Args:
      models: the models folder.
      store: filled before a release becomes active.
      prediction: the model server.
      releases: the cell that is set.
      on_activated: called after each activation.
    """

    def __init__(
        self,
        models: ModelsDir,
        store: FeatureStore,
        prediction: PredictionClient,
        releases: Releases,
        on_activated: Callable[[], None],
    ) -> None:
        self._models = models
        self._store = store
        self._prediction = prediction
        self._releases = releases
        self._on_activated = on_activated
        self._stopped = threading.Event()

    def run(self, interval_s: float) -> None:
        """Takes a step every `interval_s` seconds until stopped."""
        while not self._stopped.wait(interval_s):
            self.step()

    def stop(self) -> None:
        """Ends `run` after the step that it is in."""
        self._stopped.set()

    def step(self) -> None:
        """One look at the models folder; never raises, a fault is logged and told in the status."""
        active: Active | None = None
        try:
            active = read_active(self._models)
            why_not = self._follow(active)
            self._look_for_index()
        except (ContractError, StoreError, OSError, ServiceError) as error:
            why_not = error.detail if isinstance(error, ContractViolation) else str(error)
        except Exception as error:  # noqa: BLE001 - the thread must outlive what nobody thought of
            _log.exception("following the models folder failed")
            why_not = f"unexpected {type(error).__name__}, see the log"
        self._record(active, why_not)

    def _follow(self, active: Active | None) -> str:
        """Activates the stable release where that may be; returns why it was not."""
        if active is None:
            return f"nothing is published in {self._models.root}"
        current = self._releases.active
        version = Version(active.stable)
        if current is not None and current.version == version:
            return ""
        if current is not None and (why_not := self._not_servable(version)):
            return why_not
        release = load_release(self._models, version, self._store)
        self._activate(release, current)
        return ""

    def _look_for_index(self) -> None:
        """Notes which optional parts of the active release may be asked."""
        current = self._releases.active
        if current is None:
            return
        found = frozenset(
            part
            for part in OPTIONAL_SERVABLES
            if part in current.manifest.parts
            and self._prediction.model_state(part, current.version, Budget.unhurried())
            == "AVAILABLE"
        )
        if found != current.index_parts:
            self._releases.active = replace(current, index_parts=found)
            _log.info(
                "index parts changed",
                extra=fields(release=current.version, available=sorted(found)),
            )

    def _not_servable(self, version: Version) -> str:
        """What the model server lacks to answer for a release; "" when it has all."""
        manifest = read_published_manifest(self._models, version)
        for part in REQUIRED_SERVABLES:
            state = self._prediction.model_state(part, version, Budget.unhurried())
            if state != "AVAILABLE":
                return f"release {version}: the model server says {part} is {state}"
        fault = replay(manifest, self._prediction)
        return f"release {version}: {fault}" if fault else ""

    def _activate(self, release: ActiveRelease, previous: ActiveRelease | None) -> None:
        self._releases.active = release
        self._on_activated()
        _log.info(
            "release activated",
            extra=fields(
                release=release.version,
                previous=previous.version if previous else 0,
                movies=len(release.catalogue.movies),
                users=self._store.counts(release.version).users,
            ),
        )
        # Requests that began on the previous release may still read its users.
        self._store.keep_only({release.version, *([previous.version] if previous else [])})

    def _record(self, active: Active | None, why_not: str) -> None:
        before = self._releases.wanted
        stable = active.stable if active else 0
        self._releases.wanted = Wanted(
            stable=stable,
            candidate=(active.candidate or 0) if active else 0,
            candidate_share=active.share if active else 0.0,
            why_not_switched=why_not,
        )
        if why_not and why_not != before.why_not_switched:
            current = self._releases.active
            _log.warning(
                "release not activated" if current else f"no release is active; {HOW_TO_PUBLISH}",
                extra=fields(stable=stable, active=current.version if current else 0, why=why_not),
            )
