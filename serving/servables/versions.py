"""Which versions of a servable lie in its base path, and which of them a policy wants."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from serving.errors import invalid_argument

_log = logging.getLogger(__name__)

# int() would also take "1_000", " 1" and digits of other scripts.
_VERSION_NAME = re.compile(r"[0-9]+", re.ASCII)
_MAX_VERSION = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Latest:
    """The highest `num_versions` versions."""

    num_versions: int = 1

    def select(self, found: Mapping[int, Path]) -> dict[int, Path]:
        chosen = sorted(found, reverse=True)[: max(self.num_versions, 1)]
        return {version: found[version] for version in chosen}


@dataclass(frozen=True, slots=True)
class All:
    """Every version."""

    def select(self, found: Mapping[int, Path]) -> dict[int, Path]:
        return dict(found)


@dataclass(frozen=True, slots=True)
class Specific:
    """Exactly these versions, those of them that exist."""

    versions: frozenset[int]

    def select(self, found: Mapping[int, Path]) -> dict[int, Path]:
        return {version: found[version] for version in self.versions & found.keys()}


VersionPolicy = Latest | All | Specific


def discover_versions(name: str, base_path: Path) -> dict[int, Path]:
    """{version: folder} of the folders whose names are integers; the rest is ignored.

    Of two names of one version, such as "1" and "001", the later in byte order counts.

    Raises:
      ServingError: INVALID_ARGUMENT, the base path cannot be read.
    """
    try:
        children = [child for child in sorted(base_path.iterdir()) if child.is_dir()]
    except OSError as error:
        raise invalid_argument(
            f"Could not find base path {base_path} for servable {name} with error {error.strerror}"
        ) from error
    found: dict[int, Path] = {}
    for child in children:
        if _VERSION_NAME.fullmatch(child.name) is None:
            continue
        version = int(child.name)
        if version > _MAX_VERSION:
            continue
        if version in found:
            _log.debug(
                "version %d of servable %s: %s is ignored, %s counts",
                version,
                name,
                found[version],
                child,
            )
        found[version] = child
    return found


def missing_versions_warning(
    name: str, base_path: Path, policy: VersionPolicy, wanted: Mapping[int, Path]
) -> str:
    """What an operator should know about versions that are not there; "" if none is missing."""
    sentences = []
    if isinstance(policy, Specific):
        if not policy.versions:
            return f"No specific versions requested for servable {name}."
        sentences = [
            f"Version {version} of servable {name}, which was requested to be served as a "
            "'specific' version in the servable's version policy, was not found in the file system"
            for version in sorted(policy.versions - wanted.keys())
        ]
    if not wanted:
        sentences.append(
            f"No versions of servable {name} found under base path {base_path}. "
            "Did you forget to name your leaf directory as a number (eg. '/1/')?"
        )
    return "; ".join(sentences)
