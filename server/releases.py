"""The release that answers: one immutable reference, swapped whole between two requests."""

from __future__ import annotations

import hashlib
import json
import shlex
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from server.domain import GUEST, AddedMovie, MovieId, StoredUser, UserId, Version
from server.engine.engine import Engine
from server.engine.opening import open_engine
from server.errors import NotReady
from server.features.catalogue import Catalogue
from server.features.kept import Kept
from server.features.snapshot import read_catalogue, read_users
from server.features.store import FeatureStore
from server.placed_user import RequestUser
from server.settings import Settings
from serving.contract import (
    FEATURES_PART,
    ContractError,
    Manifest,
    ModelsDir,
    read_manifest,
    verify_part,
)

RATINGS_KEPT: Final = 300_000
"""Of users whose history is not looked up anew; about 5 MB."""

_PUBLISH: Final = "make one with: python -m trainer train --publish"


def how_to_publish(models_dir: Path) -> str:
    """What to type for a release in this folder; the trainer's default is the gateway's."""
    if models_dir == Settings.model_fields["models_dir"].default:
        return _PUBLISH
    return f"{_PUBLISH} --models-dir {shlex.quote(str(models_dir))}"


@dataclass(frozen=True, slots=True, eq=False)
class MovieVectors:
    """Where a release's content model places A movies."""

    item_vectors: NDArray[np.float32]
    """[A, D]"""
    rating_vectors: NDArray[np.float32]
    """[A, R]"""
    rating_biases: NDArray[np.float32]
    """[A]"""
    places: NDArray[np.float32]
    """[A, S] by content, in the space of the snapshot's vectors; only the direction means much."""

    def followed_by(self, others: MovieVectors) -> MovieVectors:
        """These movies, then those."""
        return MovieVectors(
            *(
                np.concatenate([getattr(self, column.name), getattr(others, column.name)])
                for column in fields(self)
            )
        )


@dataclass(frozen=True, slots=True)
class ActiveRelease:
    """All that the gateway holds of a release that answers; never changes, it is replaced whole."""

    version: Version
    manifest: Manifest
    catalogue: Catalogue
    """With the movies that were added since."""
    trained: Catalogue
    """As the snapshot has it: what the graphs know."""
    index_parts: frozenset[str] = frozenset()
    """Optional parts that the model server had AVAILABLE when it was last asked."""
    added: tuple[AddedMovie, ...] = ()
    """The movies of `catalogue` behind those of `trained`."""
    added_vectors: MovieVectors | None = None
    """Of `added`; None while the model server has not said."""
    n_stored: int = 0
    """Added movies in the store when `added` was read."""
    engine: Engine | None = None
    """Its models in this process; None where it has no arrays for that."""
    why_no_engine: str = ""
    """"" where there is one."""
    users: Kept[UserId, tuple[StoredUser, RequestUser]] = field(
        default_factory=lambda: Kept(RATINGS_KEPT, lambda kept: kept[0].weight),
        init=False,
        repr=False,
        compare=False,
    )
    """As stored, and in the rows of this catalogue; another catalogue begins with none."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What releases/active.json asked for when it was last read."""

    stable: int = 0
    """0 = nothing is published."""
    candidate: int = 0
    candidate_share: float = 0.0
    why_not_switched: str = "the models folder was not read yet"
    """Empty when `stable` is active."""
    why_no_candidate: str = ""
    """Empty when `candidate` answers its share, or there is none."""

    @property
    def why_not(self) -> str:
        """Why anything that was wanted is not so; "" when all is."""
        return "; ".join(filter(None, (self.why_not_switched, self.why_no_candidate)))


@dataclass(frozen=True, slots=True)
class Candidate:
    """A second release that answers some of the users."""

    release: ActiveRelease
    share: float
    """0..1"""

    def answers(self, user_id: UserId) -> bool:
        """Whether this user is one of its share: always the same, whichever gateway is asked.

        A larger share keeps the users of a smaller one. Each candidate has users of its own.
        """
        name = f"{self.release.version}\n{user_id}".encode()
        drawn = int.from_bytes(hashlib.sha256(name).digest()[:8])
        return drawn < self.share * 2**64


class Releases:
    """The one mutable cell of the gateway: the releases that answer and what was wanted last.

    All are read and replaced as whole references, which is atomic.
    """

    def __init__(self, models_dir: Path) -> None:
        self.models_dir = models_dir
        """Where they are published."""
        self.active: ActiveRelease | None = None
        """The stable one, once it can answer."""
        self.candidate: Candidate | None = None
        """Beside the active one, once it can answer."""
        self.replacing = threading.RLock()
        """Held from reading these two to setting what was made of them."""
        self.wanted = Wanted()

    def require(self) -> ActiveRelease:
        """The active release.

        Raises:
          NotReady: there is none.
        """
        release = self.active
        if release is None:
            raise NotReady(
                f"no release is active: {self.wanted.why_not_switched};"
                f" {how_to_publish(self.models_dir)}"
            )
        return release

    def for_user(self, user_id: UserId) -> ActiveRelease:
        """The release that answers this user; guests cannot be told apart and have the active one.

        Raises:
          NotReady: there is none.
        """
        release, candidate = self.require(), self.candidate
        if candidate is None or user_id == GUEST or not candidate.answers(user_id):
            return release
        return candidate.release

    def having(self, movie_id: MovieId) -> ActiveRelease:
        """The active release, or the candidate where that alone has the movie.

        Users of the candidate see its movies in their lists, and ask for them and rate them.

        Raises:
          NotReady: there is none.
        """
        release, candidate = self.require(), self.candidate
        if candidate is None or movie_id in release.catalogue:
            return release
        return candidate.release if movie_id in candidate.release.catalogue else release

    def frozen(self) -> Releases:
        """The releases of this moment, whatever takes their place: for calls of many users."""
        now = Releases(self.models_dir)
        now.active, now.candidate, now.wanted = self.active, self.candidate, self.wanted
        return now

    def change(self, changed: Callable[[ActiveRelease], ActiveRelease]) -> None:
        """Puts what `changed` makes of each release in its place."""
        with self.replacing:
            if self.active is not None:
                self.active = changed(self.active)
            if self.candidate is not None:
                self.candidate = replace(self.candidate, release=changed(self.candidate.release))


def read_release(models: ModelsDir, version: Version) -> ActiveRelease:
    """Reads and verifies the snapshot of a release, and its engine where it has one.

    Raises:
      ContractError: manifest or snapshot is missing, corrupt or of another contract.
      OSError: a file cannot be read.
    """
    manifest = read_published_manifest(models, version)
    folder = models.features(version)
    verify_part(manifest, FEATURES_PART, folder)
    try:
        catalogue = read_catalogue(folder, manifest.genres)
    except ContractError:
        raise
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise ContractError(f"{folder}: not a snapshot: {error!r}") from error
    engine, why_no_engine = open_engine(models, manifest, catalogue)
    return ActiveRelease(
        version, manifest, catalogue, catalogue, engine=engine, why_no_engine=why_no_engine
    )


def store_users(models: ModelsDir, release: ActiveRelease, store: FeatureStore) -> None:
    """Fills the store with the users of a release whose snapshot has been verified.

    Raises:
      ContractError: the snapshot breaks the contract.
      StoreError: the store fails.
      OSError: a file cannot be read.
    """
    folder = models.features(release.version)
    try:
        store.load(release.version, _fingerprint(release.manifest), read_users(folder))
    except ContractError:
        raise
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise ContractError(f"{folder}: not a snapshot: {error!r}") from error


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
