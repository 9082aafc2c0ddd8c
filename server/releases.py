"""The release that answers: one immutable reference, swapped whole between two requests."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Final

from server.domain import Version
from server.errors import NotReady
from server.features.catalogue import Catalogue
from server.features.snapshot import read_catalogue, read_users
from server.features.store import FeatureStore
from serving.contract import (
    FEATURES_PART,
    ContractError,
    Manifest,
    ModelsDir,
    read_manifest,
    verify_part,
)

HOW_TO_PUBLISH: Final = "make one with: python -m trainer train --publish"


@dataclass(frozen=True, slots=True)
class ActiveRelease:
    """Everything that the gateway holds of one release; never changes, it is replaced whole."""

    version: Version
    manifest: Manifest
    catalogue: Catalogue
    index_parts: frozenset[str] = frozenset()
    """Optional parts that the model server had AVAILABLE when it was last asked."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What releases/active.json asked for when it was last read."""

    stable: int = 0
    """0 = nothing is published."""
    candidate: int = 0
    candidate_share: float = 0.0
    why_not_switched: str = "the models folder was not read yet"
    """Empty when `stable` is active."""


class Releases:
    """The one mutable cell of the gateway: the active release and what was wanted last.

    Both are read and replaced as whole references, which is atomic.
    """

    def __init__(self) -> None:
        self.active: ActiveRelease | None = None
        self.wanted = Wanted()

    def require(self) -> ActiveRelease:
        """The active release.

        Raises:
          NotReady: there is none.
        """
        release = self.active
        if release is None:
            raise NotReady(
                f"no release is active: {self.wanted.why_not_switched}; {HOW_TO_PUBLISH}"
            )
        return release


def load_release(models: ModelsDir, version: Version, store: FeatureStore) -> ActiveRelease:
    """Reads and verifies the snapshot of a release, and fills the store with its users.

    Raises:
      ContractError: manifest or snapshot is missing, corrupt or of another contract.
      OSError: a file cannot be read.
    """
    manifest = read_published_manifest(models, version)
    folder = models.features(version)
    verify_part(manifest, FEATURES_PART, folder)
    try:
        catalogue = read_catalogue(folder, manifest.genres)
        store.load(version, _fingerprint(manifest), read_users(folder))
    except ContractError:
        raise
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise ContractError(f"{folder}: not a snapshot: {error!r}") from error
    return ActiveRelease(version, manifest, catalogue)


def read_published_manifest(models: ModelsDir, version: Version) -> Manifest:
    """The manifest of a published release.

    Raises:
      ContractError: it is missing, corrupt, or of another release.
    """
    path = models.manifest(version)
    try:
        manifest = read_manifest(path)
    except FileNotFoundError as error:
        raise ContractError(f"{path}: missing, releases/active.json names it") from error
    except ContractError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise ContractError(f"{path}: not a manifest: {error!r}") from error
    if manifest.release_version != version:
        raise ContractError(
            f"{path}: release_version is {manifest.release_version}, expected {version}"
        )
    return manifest


def _fingerprint(manifest: Manifest) -> str:
    """Names the snapshot's content: a folder made anew may use a version again."""
    files = json.dumps(dict(manifest.parts[FEATURES_PART]), sort_keys=True)
    return hashlib.sha256(files.encode()).hexdigest()
