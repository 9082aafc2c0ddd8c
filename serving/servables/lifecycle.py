"""Which versions are wanted, and their way through load, swap, drain and unload.

A new version is loaded before an old one is unloaded, so a servable that answers goes on
answering. One thread calls `apply`, `poll` and `close`; any thread may call the rest.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from serving.errors import ServingError, failed_precondition, invalid_argument, not_found
from serving.model_config import ModelConfig, ModelConfigs
from serving.servables.versions import discover_versions, missing_versions_warning

_log = logging.getLogger(__name__)

FIRST_RETRY_S = 1.0
LONGEST_RETRY_S = 60.0
"""Pause before a failed load is tried again although nothing changed: doubled up to a minute."""


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
class VersionStatus:
    """A version's state, and why its last load failed."""

    version: int
    state: State
    error: ServingError | None


@dataclass(slots=True)
class _Version(Generic[ModelT]):
    name: str
    number: int
    state: State = State.START
    model: ModelT | None = None
    n_calls: int = 0
    error: ServingError | None = None
    retry: _Retry | None = None

    def __str__(self) -> str:
        return f"{{name: {self.name} version: {self.number}}}"


@dataclass(frozen=True, slots=True)
class _Retry:
    """When a failed load is worth another try."""

    files: frozenset[tuple[str, int, int]]
    wait_s: float
    at: float

    def is_due(self, files: frozenset[tuple[str, int, int]]) -> bool:
        return files != self.files or time.monotonic() >= self.at


class Servables(Generic[ModelT]):
    """Every version of every servable that this process serves or has served."""

    def __init__(self, load: Callable[[Path], ModelT]) -> None:
        """`load` turns a version's folder into a model, or raises ServingError."""
        self._load = load
        self._configs: ModelConfigs = ()
        self._labels: Mapping[str, Mapping[str, int]] = {}
        self._versions: dict[str, dict[int, _Version[ModelT]]] = {}
        self._warnings: dict[str, str] = {}
        self._lock = threading.Lock()

    def apply(self, configs: ModelConfigs) -> None:
        """Replaces the whole configuration; the next `poll` loads what is new in it.

        Raises:
          ServingError: FAILED_PRECONDITION, a label points at a version that is not
            AVAILABLE; the old configuration stays.
        """
        for config in configs:
            for version in config.labels.values():
                if self._find_available(config.name, version) is None:
                    raise failed_precondition(
                        f"Request to assign label to version {version} of model {config.name}, "
                        "which is not currently available for inference"
                    )
        self._configs = configs
        self._labels = {config.name: config.labels for config in configs}
        for name in self._versions.keys() - {config.name for config in configs}:
            self._unload_unwanted(name, {})

    def poll(self) -> None:
        """Compares the file system with what is loaded; loads and unloads the difference."""
        for config in self._configs:
            self._poll_servable(config)

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
            version = self._labels.get(name, {}).get(label)
            if version is None:
                raise invalid_argument(f"Unrecognized servable version label: {label}")
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

    def _find_available(self, name: str, version: int | None) -> _Version[ModelT] | None:
        entries = self._versions.get(name, {})
        if version is not None:
            entry = entries.get(version)
            return entry if entry is not None and entry.state is State.AVAILABLE else None
        available = [e for e in entries.values() if e.state is State.AVAILABLE]
        return max(available, key=lambda entry: entry.number, default=None)

    def _poll_servable(self, config: ModelConfig) -> None:
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
        for version in sorted(wanted, reverse=True):
            self._load_if_due(config.name, version, wanted[version])
            # Between two loads, so that the swap never holds more than it has to.
            self._unload_unwanted(config.name, wanted)
        self._unload_unwanted(config.name, wanted)

    def _warn_once(self, name: str, warning: str) -> None:
        if warning and self._warnings.get(name) != warning:
            _log.warning("%s", warning)
        self._warnings[name] = warning

    def _load_if_due(self, name: str, version: int, folder: Path) -> None:
        old = self._versions.get(name, {}).get(version)
        if old is not None and old.state is not State.END:
            return
        files = _files_of(folder)
        retry = old.retry if old is not None else None
        if retry is not None and not retry.is_due(files):
            return
        entry: _Version[ModelT] = _Version(name, version)
        with self._lock:
            self._versions.setdefault(name, {})[version] = entry
        _log.info("Loading servable version %s from %s", entry, folder)
        self._set_state(entry, State.LOADING)
        started = time.monotonic()
        try:
            model = self._load(folder)
        except ServingError as error:
            wait_s = FIRST_RETRY_S
            if retry is not None and retry.files == files:
                wait_s = min(2 * retry.wait_s, LONGEST_RETRY_S)
            _log.error(
                "Loading servable version %s failed: %s; next try in %.0f s, or when its files "
                "change",
                entry,
                " ".join(str(error).split()),
                wait_s,
            )
            entry.retry = _Retry(files, wait_s, time.monotonic() + wait_s)
            self._set_state(entry, State.END, error=error)
            return
        self._set_state(entry, State.AVAILABLE, model=model)
        _log.info(
            "Successfully loaded servable version %s in %.3f s", entry, time.monotonic() - started
        )

    def _set_state(
        self,
        entry: _Version[ModelT],
        state: State,
        model: ModelT | None = None,
        error: ServingError | None = None,
    ) -> None:
        with self._lock:
            entry.state, entry.model, entry.error = state, model, error

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
