"""Which versions are wanted, and their way through load, swap, drain and unload.

A new version is loaded before an old one is unloaded, so a servable that answers goes on
answering. `apply`, `poll`, `load_due` and `close` wait for each other; the rest never waits for a
load.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import grpc

from serving.errors import ServingError, not_found
from serving.model_config import ModelConfig, ModelConfigs
from serving.servables.labels import Labels
from serving.servables.versions import discover_versions, missing_versions_warning

_log = logging.getLogger(__name__)

_PATIENCE_S = 0.5
"""How long a caller who left is not noticed while it waits for a load."""


class State(IntEnum):
    """Where a version stands, numbered as in ModelVersionStatus.State."""

    START = 10
    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50


class Model(Protocol):
    """What a loader returns."""

    def close(self) -> None:
        """Frees it; called once, when no call uses it any more."""


ModelT = TypeVar("ModelT", bound=Model)


@dataclass(frozen=True, slots=True)
class Retries:
    """How often and when a failed load is tried again; the version is LOADING until the last."""

    n_max: int = 5
    interval_s: float = 60.0


@dataclass(frozen=True, slots=True)
class VersionStatus:
    """A version's state, and why its last load failed."""

    version: int
    state: State
    error: ServingError | None


@dataclass(slots=True)
class _Version(Generic[ModelT]):
    name: str
    number: int
    folder: Path
    state: State = State.START
    model: ModelT | None = None
    n_calls: int = 0
    error: ServingError | None = None
    n_failures: int = 0
    retry_at: float = 0.0
    """On the monotonic clock; of use while the version is LOADING between two tries."""
    failed_files: frozenset[tuple[str, int, int]] | None = None
    """What lay in the folder when its load failed."""

    def __str__(self) -> str:
        return f"{{name: {self.name} version: {self.number}}}"

    @property
    def waits_for_retry(self) -> bool:
        return self.state is State.LOADING and self.n_failures > 0

    def forget_failures(self) -> None:
        """Makes a version whose load failed a new one."""
        self.state, self.error, self.n_failures, self.failed_files = State.START, None, 0, None


class Servables(Generic[ModelT]):
    """Every version of every servable that this process serves or has served."""

    def __init__(
        self,
        load: Callable[[Path], ModelT],
        retries: Retries = Retries(),
        *,
        labels_may_wait: bool = False,
    ) -> None:
        """`load` turns a version's folder into a model, or raises ServingError.

        `labels_may_wait`: a label that is not in use may point at a version that is not AVAILABLE.
        """
        self._load = load
        self._retries = retries
        self._configs: ModelConfigs = ()
        self._labels = Labels(may_wait=labels_may_wait)
        self._versions: dict[str, dict[int, _Version[ModelT]]] = {}
        self._wanted: dict[str, Mapping[int, Path]] = {}
        self._warnings: dict[str, str] = {}
        self._control = threading.RLock()
        """Held through loads, by whoever changes what is served."""
        self._lock = threading.Lock()
        """Held for moments, by whoever reads or writes states."""
        self._changed = threading.Condition(self._lock)

    def apply(self, configs: ModelConfigs) -> None:
        """Replaces the whole configuration; the next `poll` loads what is new in it.

        Raises:
          ServingError: FAILED_PRECONDITION, a label points at a version that is not
            AVAILABLE; the old configuration stays.
        """
        with self._control:
            self._labels.replace(
                configs, lambda name, version: self._find_available(name, version) is not None
            )
            self._configs = configs
            for name in self._versions.keys() - {config.name for config in configs}:
                self._wanted.pop(name, None)
                self._drop_unloaded(name, {})
                self._unload_unwanted(name, {})

    def poll(self) -> None:
        """Compares the file system with what is loaded; loads and unloads the difference."""
        with self._control:
            for config in self._configs:
                self._discover(config)
            self.load_due()

    def load_due(self) -> None:
        """Loads what was discovered and not loaded yet, and what is to be tried again by now."""
        with self._control:
            for name, wanted in self._wanted.items():
                for version in sorted(wanted, reverse=True):
                    entry = self._versions[name][version]
                    if entry.state is State.START or (
                        entry.waits_for_retry and time.monotonic() >= entry.retry_at
                    ):
                        self._try_load(entry)
                        # Between two loads, so that the swap never holds more than it has to.
                        self._unload_unwanted(name, wanted)
                self._unload_unwanted(name, wanted)

    def next_retry_at(self) -> float | None:
        """When `load_due` has something to do, on the monotonic clock; None for never."""
        with self._lock:
            return min(
                (entry.retry_at for entry in self._entries() if entry.waits_for_retry),
                default=None,
            )

    def wait_until_loaded(self, names: Collection[str], is_waiting: Callable[[], bool]) -> None:
        """Returns once each servable answers.

        Raises:
          ServingError: UNKNOWN, all versions of one have failed, or `is_waiting`, asked now and
            then, says that nobody waits any more.
        """
        with self._changed:
            while missing := [name for name in names if not self._find_available(name, None)]:
                failed = [
                    entry
                    for name in missing
                    if (entries := self._versions.get(name))
                    and all(entry.state is State.END for entry in entries.values())
                    for entry in entries.values()
                ]
                if failed or not is_waiting():
                    reasons = "".join(f"{{{e} due to error: {e.error}}}, " for e in failed)
                    raise ServingError(
                        grpc.StatusCode.UNKNOWN,
                        f"{len(missing)} model(s) did not become available: {{{reasons}}}",
                    )
                self._changed.wait(_PATIENCE_S)

    @contextlib.contextmanager
    def use(
        self, name: str, version: int | None = None, label: str | None = None
    ) -> Iterator[tuple[int, ModelT]]:
        """A version's number and its model, which stays loaded until the block ends.

        Without version and label: the highest AVAILABLE version.

        Raises:
          ServingError: NOT_FOUND, nothing AVAILABLE answers to this; INVALID_ARGUMENT, the
            label is unknown.
        """
        if label is not None:
            version = self._labels.version_of(name, label)
        with self._lock:
            entry = self._find_available(name, version)
            if entry is None or entry.model is None:
                asked = f"Latest({name})" if version is None else f"Specific({name}, {version})"
                raise not_found(f"Servable not found for request: {asked}")
            entry.n_calls += 1
            model = entry.model
        try:
            yield entry.number, model
        finally:
            with self._lock:
                entry.n_calls -= 1
                is_drained = entry.state is State.UNLOADING and entry.n_calls == 0
            if is_drained:
                self._finish_unload(entry)

    def statuses(self, name: str, version: int | None = None) -> list[VersionStatus]:
        """The known versions of a servable, highest first, unloaded ones included.

        Raises:
          ServingError: NOT_FOUND, there is no such version, or no version at all.
        """
        with self._lock:
            entries = self._versions.get(name, {})
            chosen = [e for n, e in sorted(entries.items(), reverse=True) if version in (None, n)]
            statuses = [VersionStatus(e.number, e.state, e.error) for e in chosen]
        if not statuses and version is not None:
            raise not_found(f"Could not find version {version} of model {name}")
        if not statuses:
            raise not_found(f"Could not find any versions of model {name}")
        return statuses

    def close(self) -> None:
        """Unloads everything; versions in use are freed by their last call."""
        self.apply(())

    def _entries(self) -> Iterator[_Version[ModelT]]:
        for entries in self._versions.values():
            yield from entries.values()

    def _find_available(self, name: str, version: int | None) -> _Version[ModelT] | None:
        entries = self._versions.get(name, {})
        if version is not None:
            entry = entries.get(version)
            return entry if entry is not None and entry.state is State.AVAILABLE else None
        available = [e for e in entries.values() if e.state is State.AVAILABLE]
        return max(available, key=lambda entry: entry.number, default=None)

    def _discover(self, config: ModelConfig) -> None:
        try:
            found = discover_versions(config.name, config.base_path)
        except ServingError as error:
            # A file system that is away for a moment must not unload what is served.
            self._warn_once(config.name, error.message)
            return
        wanted = config.policy.select(found)
        self._warn_once(
            config.name,
            missing_versions_warning(config.name, config.base_path, config.policy, wanted),
        )
        self._wanted[config.name] = wanted
        self._drop_unloaded(config.name, wanted)
        for version, folder in wanted.items():
            self._want(config.name, version, folder)

    def _warn_once(self, name: str, warning: str) -> None:
        if warning and self._warnings.get(name) != warning:
            _log.warning("%s", warning)
        self._warnings[name] = warning

    def _want(self, name: str, version: int, folder: Path) -> None:
        """Makes sure that there is an entry to load; a failed one starts anew on other files."""
        entry = self._versions.get(name, {}).get(version)
        if entry is None or (entry.state is State.END and entry.error is None):
            with self._lock:
                entries = self._versions.setdefault(name, {})
                entries[version] = _Version(name, version, folder)
        elif entry.failed_files is not None and entry.failed_files != _files_of(folder):
            with self._lock:
                entry.folder = folder
                entry.forget_failures()

    def _drop_unloaded(self, name: str, wanted: Mapping[int, Path]) -> None:
        """Ends the versions that are waiting to be loaded and are not wanted any more."""
        for entry in list(self._versions.get(name, {}).values()):
            waits = entry.state is State.START or entry.waits_for_retry
            if waits and entry.number not in wanted:
                self._set_state(entry, State.END, error=entry.error)

    def _try_load(self, entry: _Version[ModelT]) -> None:
        files = _files_of(entry.folder)
        _log.info("Loading servable version %s from %s", entry, entry.folder)
        self._set_state(entry, State.LOADING)
        started = time.monotonic()
        try:
            model = self._load(entry.folder)
        except ServingError as error:
            self._note_failure(entry, error, files)
            return
        entry.n_failures, entry.failed_files = 0, None
        self._set_state(entry, State.AVAILABLE, model=model)
        _log.info(
            "Successfully loaded servable version %s in %.3f s", entry, time.monotonic() - started
        )

    def _note_failure(
        self, entry: _Version[ModelT], error: ServingError, files: frozenset[tuple[str, int, int]]
    ) -> None:
        entry.failed_files = files
        entry.n_failures += 1
        wait_s = max(self._retries.interval_s, 0.0)
        is_over = entry.n_failures > self._retries.n_max
        _log.error(
            "Loading servable version %s failed: %s; %s",
            entry,
            " ".join(str(error).split()),
            "not tried again until its files change"
            if is_over
            else f"retry {entry.n_failures} of {self._retries.n_max} in {wait_s:g} s",
        )
        if is_over:
            self._set_state(entry, State.END, error=error)
        else:
            entry.retry_at = time.monotonic() + wait_s

    def _set_state(
        self,
        entry: _Version[ModelT],
        state: State,
        model: ModelT | None = None,
        error: ServingError | None = None,
    ) -> None:
        with self._changed:
            entry.state, entry.model, entry.error = state, model, error
            self._changed.notify_all()

    def _unload_unwanted(self, name: str, wanted: Mapping[int, Path]) -> None:
        """Unloads what the policy no longer names, but never the last version that answers."""
        drained = []
        with self._lock:
            entries = self._versions.get(name, {})
            available = [n for n in sorted(entries) if entries[n].state is State.AVAILABLE]
            unwanted = [number for number in available if number not in wanted]
            if wanted and unwanted == available:
                unwanted = unwanted[:-1]
            for number in unwanted:
                entries[number].state = State.UNLOADING
                if entries[number].n_calls == 0:
                    drained.append(entries[number])
        for entry in drained:
            self._finish_unload(entry)

    def _finish_unload(self, entry: _Version[ModelT]) -> None:
        model = entry.model
        if model is not None:
            model.close()
        self._set_state(entry, State.END)
        _log.info("Unloaded servable version %s", entry)


def _files_of(folder: Path) -> frozenset[tuple[str, int, int]]:
    """(path, size in bytes, modification time in ns) of every file below `folder`."""
    found = set()
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):  # it vanished since it was listed
            stat = path.stat()
            found.add((str(path), stat.st_size, stat.st_mtime_ns))
    return frozenset(found)
