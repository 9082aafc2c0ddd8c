"""Fits one peer on training rows; what it may see is all in `PeerTraining`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Protocol

import pandas as pd

from trainer.datasets import DataError
from trainer.evaluate.peers.settings import DISTRIBUTIONS, Library, PeerModel
from trainer.evaluate.scorers import RatingScorer, TopNScorer
from trainer.features.index import Interactions


class PeerMissingError(DataError):
    """A peer's library is not installed, or cannot be imported."""


@dataclass(frozen=True, eq=False)
class PeerTraining:
    """Training rows and what is said about users and movies; no row of another part."""

    rows: Interactions
    n_users: int
    n_movies: int
    users: pd.DataFrame
    """[U rows] in the order of the user index, as `Dataset.users`."""
    movies: pd.DataFrame
    """[N rows] in the order of the movie index, as `Dataset.movies`."""
    rating_range: tuple[float, float]


@dataclass(frozen=True, eq=False)
class FittedPeer:
    """What a peer answers with: ratings or lists, one of them None."""

    rating: RatingScorer | None
    topn: TopNScorer | None
    parameters: int | None
    notes: tuple[str, ...] = ()


class _Module(Protocol):
    def fit(
        self, training: PeerTraining, algorithm: str, settings: Mapping[str, Any], seed: int
    ) -> FittedPeer: ...


def fit_peer(peer: PeerModel, training: PeerTraining, split: str, seed: int) -> FittedPeer:
    """Fits it.

    Args:
      split: name, for the settings.

    Raises:
      PeerMissingError: its library cannot be imported; the message says how to get it.
    """
    library_version(peer.library)
    try:
        module: _Module = import_module(f"trainer.evaluate.peers.{peer.library}_models")
    except ImportError as error:
        raise PeerMissingError(
            f"peer {peer.library} is installed and cannot be imported: {error}"
        ) from error
    return module.fit(training, peer.algorithm, peer.settings_for(split), seed)


def library_version(library: Library) -> str:
    """The installed version.

    Raises:
      PeerMissingError: it is not installed.
    """
    distribution = DISTRIBUTIONS[library]
    try:
        return version(distribution)
    except PackageNotFoundError:
        raise PeerMissingError(
            f"peer {library} is left out: {distribution} is not installed; "
            "install it with pip install -c constraints.txt '.[peers]'"
        ) from None
