"""The space in which movies are like one another, for movies that the model server does not know.

The contract tells how much a new movie resembles its nearest movies of the catalogue by content,
not where it stands among them. Where those stand is in the snapshot, and there are more of them
than the space has dimensions: least squares give the new movie's place back, as exactly as float16.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from server.features.catalogue import Catalogue
from serving.contract import MODE_CONTENT

TRUSTED_COUNT: Final = 10
"""Ratings at which a movie's audience says as much about it as its content; the trainer's default.
"""


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """[..., S] of length 1 along the last axis; zeros stay zeros."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    scaled: NDArray[np.float32] = np.divide(
        vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0
    )
    return scaled


def place_by_content(
    catalogue: Catalogue, rows: NDArray[np.int64], cosines: NDArray[np.float32]
) -> NDArray[np.float32]:
    """[S] whose cosines with what the movies `rows` are by content are `cosines`.

    Args:
      catalogue: of the snapshot.
      rows: [K] movie_index.
      cosines: [K] as the content model says.
    """
    place, *_ = np.linalg.lstsq(unit(catalogue.vectors_of(rows)[:, 1]), cosines, rcond=None)
    return np.asarray(place, np.float32)


def place_of(catalogue: Catalogue, row: int, mode: int) -> NDArray[np.float32]:
    """[S] where a movie of the catalogue stands: by content, or hybrid.

    A hybrid place is where its audience puts a movie, and for one with few ratings its content.

    Args:
      catalogue: its movies.
      row: movie_index.
      mode: a MODE_ constant of the artifact contract.
    """
    vectors = catalogue.vectors_of(np.array([row]))[0]
    trust = 0.0 if mode == MODE_CONTENT else confidence_of(catalogue, row)
    place: NDArray[np.float32] = np.array([trust, 1 - trust], np.float32) @ vectors
    return place


def confidence_of(catalogue: Catalogue, row: int) -> float:
    """0..1, below 1: how far a movie's audience is to be trusted, by its ratings."""
    count = int(catalogue.rating_counts[row])
    return count / (count + TRUSTED_COUNT)
