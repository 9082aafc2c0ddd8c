"""Follows releases/active.json: activates a release once it can answer, else says why not."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace

from server.additions import Additions
from server.backends import Backend
from server.deadline import Budget
from server.domain import Version
from server.engine.engine import Engine
from server.errors import ContractViolation, ServiceError
from server.features.store import FeatureStore, StoreError
from server.logs import fields
from server.native import PAGES
from server.releases import (
    ActiveRelease,
    Candidate,
    Releases,
    Wanted,
    how_to_publish,
    read_published_manifest,
    read_release,
    store_users,
)
from server.turns import SHORT_S, turns_of
from serving.contract import (
    Active,
    ContractError,
    ModelsDir,
    read_active,
)

_log = logging.getLogger(__name__)


class ReleaseFollower:
    """Looks at the models folder, again and again, and switches the releases that answer.

    With a model server the first activation needs a verified snapshot alone: answers are degraded
    until it is there. A switch also needs every required part AVAILABLE and the golden requests
    reproduced, so that an answering release is never replaced by a worse one; and so does a
    candidate, which else leaves its users where they are. The engine in this process must
    reproduce them before any release answers.

    Args:
      models: the models folder.
      store: filled before a release becomes active.
      backend: who answers for the models.
      releases: the cell that is set.
      additions: applied to each release, and looked for again in every step.
      on_activated: called after each activation.
    """

    def __init__(
        self,
        models: ModelsDir,
        store: FeatureStore,
        backend: Backend,
        releases: Releases,
        additions: Additions,
        on_activated: Callable[[], None],
    ) -> None:
        self._models = models
        self._store = store
        self._backend = backend
        self._releases = releases
        self._additions = additions
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

        def follow_stable() -> str:
            nonlocal active
            active = read_active(self._models)
            return self._follow(active)

        # A release takes seconds to read: calls go on meanwhile.
        with turns_of(SHORT_S):
            why_not = _attempted(follow_stable)
            why_no_candidate = _attempted(lambda: self._follow_candidate(active)) if active else ""
            look_failed = _attempted(self._look_again)
            self._record(active, why_not or look_failed, why_no_candidate)

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
        release = read_release(self._models, version)
        if why_not := self._backend.why_not_activated(release):
            return why_not
        store_users(self._models, release, self._store)
        self._activate(release, current)
        return ""

    def _follow_candidate(self, active: Active) -> str:
        """Lets the candidate answer its share where that may be; returns why it does not."""
        current = self._releases.candidate
        version = Version(active.candidate or 0)
        if not version or version == active.stable:
            self._set_candidate(None)
            return ""
        if current is not None and current.release.version == version:
            if current.share != active.share:
                self._set_candidate(replace(current, share=active.share))
            return ""
        # Users of a candidate that nobody wants any more go back to stable at once.
        self._set_candidate(None)
        if self._releases.active is None:
            return f"candidate {version}: waits for release {active.stable}"
        if why_not := self._not_servable(version):
            return f"candidate {why_not}"
        release = read_release(self._models, version)
        if why_not := self._backend.why_not_activated(release):
            return f"candidate {why_not}"
        store_users(self._models, release, self._store)
        with self._releases.replacing:
            applied = self._additions.applied_to(release, Budget.unhurried())
            self._set_candidate(Candidate(applied, active.share))
        self._keep_only(release, self._releases.active, current.release if current else None)
        return ""

    def _set_candidate(self, candidate: Candidate | None) -> None:
        before = self._releases.candidate
        if candidate is None and before is None:
            return
        with self._releases.replacing:
            self._releases.candidate = candidate
        _log.info(
            "candidate changed",
            extra=fields(
                candidate=candidate.release.version if candidate else 0,
                share=candidate.share if candidate else 0.0,
                previous=before.release.version if before else 0,
            ),
        )

    def _look_again(self) -> str:
        """Takes notice of what changed about the releases that answer; returns ""."""
        found = {
            release.version: self._backend.index_parts(release)
            for release in (self._releases.active, self._candidate_release())
            if release is not None
        }
        self._releases.change(lambda release: _with_index(release, found[release.version]))
        self._additions.refresh(Budget.unhurried())
        return ""

    def _candidate_release(self) -> ActiveRelease | None:
        candidate = self._releases.candidate
        return candidate.release if candidate else None

    def _not_servable(self, version: Version) -> str:
        """What is lacking to switch to a release; "" when nothing is."""
        return self._backend.why_not_switched_to(read_published_manifest(self._models, version))

    def _activate(self, release: ActiveRelease, previous: ActiveRelease | None) -> None:
        with self._releases.replacing:
            self._releases.active = self._additions.applied_to(release, Budget.unhurried())
        self._on_activated()
        _log.info(
            "release activated",
            extra=fields(
                release=release.version,
                previous=previous.version if previous else 0,
                movies=len(release.catalogue.movies),
                users=self._store.counts(release.version).users,
                engine=_how(release.engine) or release.why_no_engine,
                pages="compiled" if PAGES else "Python",
            ),
        )
        self._keep_only(release, previous, self._candidate_release())

    def _keep_only(self, *releases: ActiveRelease | None) -> None:
        """Drops all other users; a request that began on a previous release may still read its."""
        self._store.keep_only({release.version for release in releases if release})

    def _record(self, active: Active | None, why_not: str, why_no_candidate: str) -> None:
        before = self._releases.wanted
        stable = active.stable if active else 0
        self._releases.wanted = Wanted(
            stable=stable,
            candidate=(active.candidate or 0) if active else 0,
            candidate_share=active.share if active else 0.0,
            why_not_switched=why_not,
            why_no_candidate=why_no_candidate,
        )
        if why_no_candidate and why_no_candidate != before.why_no_candidate:
            _log.warning("candidate not activated", extra=fields(why=why_no_candidate))
        if why_not and why_not != before.why_not_switched:
            current = self._releases.active
            remedy = how_to_publish(self._releases.models_dir)
            _log.warning(
                "release not activated" if current else f"no release is active; {remedy}",
                extra=fields(stable=stable, active=current.version if current else 0, why=why_not),
            )


def _with_index(release: ActiveRelease, found: frozenset[str]) -> ActiveRelease:
    if found == release.index_parts:
        return release
    _log.info("index parts changed", extra=fields(release=release.version, available=sorted(found)))
    return replace(release, index_parts=found)


def _attempted(step: Callable[[], str]) -> str:
    """What a step says, or what was raised in it."""
    try:
        return step()
    except (ContractError, StoreError, OSError, ServiceError) as error:
        return error.detail if isinstance(error, ContractViolation) else str(error)
    except Exception as error:  # noqa: BLE001 - the thread must outlive what nobody thought of
        _log.exception("following the models folder failed")
        return f"unexpected {type(error).__name__}, see the log"


def _how(engine: Engine | None) -> str:
    """What computes its answers; "" without one."""
    if engine is None:
        return ""
    return "compiled" if engine.compiled else "NumPy"
