"""One vector for each movie that training does not change: from a file, or from its title."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from trainer.datasets import Col, DataError, Dataset
from trainer.features.title_vectors import Weighting, title_vectors
from trainer.features.word_vectors import load_word_vectors

FloatArray = NDArray[np.float32]


def from_file(path: Path, movie_ids: tuple[str, ...]) -> FloatArray:
    """[N, D] vectors from an npz file with one array [D] under each movie's id.

    Movies without one get zeros and are counted on stderr; arrays of other ids are left out.

    Raises:
      DataError: no such file, not such a file, no movie is in it, or its vectors differ in size
        or hold something else than numbers.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            found = {
                movie: np.asarray(archive[movie], np.float32)
                for movie in movie_ids
                if movie in archive
            }
    except (OSError, ValueError, EOFError, TypeError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: cannot be read as movie vectors: {error}") from error
    shapes = {vector.shape for vector in found.values()}
    if not found or len(shapes) > 1 or len(next(iter(shapes))) != 1:
        raise DataError(
            f"{path}: expected one array of the same length under each movie id; "
            f"{len(found):,} of {len(movie_ids):,} movies are in it, shapes {sorted(shapes)}"
        )
    if not all(np.isfinite(vector).all() for vector in found.values()):
        raise DataError(f"{path}: a vector holds what is no finite number")
    Console(stderr=True).print(
        f"Movie vectors: {len(movie_ids) - len(found):,} of {len(movie_ids):,} movies have none."
    )
    nothing = np.zeros(next(iter(shapes)), np.float32)
    return np.stack([found.get(movie, nothing) for movie in movie_ids])


def from_titles(dataset: Dataset, words: str, weighting: Weighting) -> FloatArray:
    """[N, D] sums of the word vectors of each title; words without one are counted on stderr.

    Args:
      words: see `trainer.features.word_vectors.load_word_vectors`.

    Raises:
      DataError: the word vectors cannot be had.
    """
    titles = title_vectors(dataset.movies[Col.TITLE].to_list(), load_word_vectors(words), weighting)
    Console(stderr=True).print(titles.report())
    return titles.vectors


def scaled(vectors: FloatArray) -> FloatArray:
    """Vectors whose squared length is 1 on average, so that any file's suit one learning rate."""
    size = np.sqrt((vectors.astype(np.float64) ** 2).sum(axis=1).mean())
    return (vectors / size).astype(np.float32) if size > 0 else vectors
