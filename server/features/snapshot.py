"""Reads features/<version>/ of a release: JSON and npz, never pickle."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from server.domain import History, Movie, MovieId, Profile, StoredUser, UserId
from server.features.catalogue import ANYBODY, Catalogue
from server.features.titles import TitleIndex
from serving.contract import (
    HISTORIES_FILE,
    MOVIE_VECTORS_FILE,
    MOVIES_FILE,
    POPULAR_FILE,
    USERS_FILE,
    VOCABULARIES_FILE,
    ContractError,
    genre_mask,
)


def read_catalogue(folder: Path, genres: tuple[str, ...]) -> Catalogue:
    """The catalogue of the snapshot in `folder`.

    Args:
      folder: features/<version>/.
      genres: the manifest's list, which numbers the bits of the masks.

    Raises:
      ContractError: a file breaks contract.snapshot.
      OSError: a file cannot be read.
    """
    # A catalogue has some hundred lists of genres: each is one object, and one mask.
    shared: dict[tuple[str, ...], tuple[str, ...]] = {}
    movies = tuple(_movie(row, shared) for row in _read_json(folder / MOVIES_FILE)["movies"])
    vocabularies = _read_json(folder / VOCABULARIES_FILE)
    bits = {genre: bit for bit, genre in enumerate(genres)}
    masks = {names: genre_mask([bits[name] for name in names], len(genres)) for names in shared}
    with np.load(folder / POPULAR_FILE, allow_pickle=False) as popular:
        order = popular["order"].astype(np.int32)
        scores = popular["scores"].astype(np.float32)
        shrunk_means = popular["shrunk_mean"].astype(np.float32)
    segments = {
        (segment["gender"], int(segment["age_bucket"])): row
        for row, segment in enumerate(vocabularies["segments"])
    }
    catalogue = Catalogue(
        movies=movies,
        movie_ids=tuple(movie.movie_id for movie in movies),
        index={movie.movie_id: index for index, movie in enumerate(movies)},
        genre_words=np.array([masks[movie.genres] for movie in movies], np.int64),
        years=np.array([movie.year for movie in movies], np.int64),
        rating_counts=np.array([movie.rating_count for movie in movies], np.int64),
        mean_ratings=np.array([movie.mean_rating for movie in movies], np.float64),
        segments=segments,
        age_bounds=tuple(map(int, vocabularies["age_bounds"])),
        popular_order=order,
        popular_scores=scores,
        shrunk_means=shrunk_means,
        # Mapped, not read: only requests for diversity look at it, a few rows each.
        movie_vectors=np.load(folder / MOVIE_VECTORS_FILE, mmap_mode="r", allow_pickle=False),
        titles=TitleIndex(movies),
    )
    _check(catalogue, folder)
    return catalogue


def read_users(folder: Path) -> Iterator[tuple[UserId, StoredUser]]:
    """Every user of the snapshot in `folder` once: those with ratings, then the others.

    Raises:
      OSError: a file cannot be read.
    """
    ids = [MovieId(row["movie_id"]) for row in _read_json(folder / MOVIES_FILE)["movies"]]
    profiles = {
        UserId(row["user_id"]): Profile(int(row["age"]), row["gender"], row["occupation"])
        for row in _read_json(folder / USERS_FILE)["users"]
    }
    with np.load(folder / HISTORIES_FILE, allow_pickle=False) as histories:
        user_ids = histories["user_ids"].tolist()
        offsets = histories["offsets"].tolist()
        movie_index = histories["movie_index"]
        ratings = histories["ratings"]
        timestamps = histories["timestamps"]
    for position, user_id in enumerate(user_ids):
        rows = slice(offsets[position], offsets[position + 1])
        history = History(
            tuple(ids[index] for index in movie_index[rows].tolist()),
            tuple(ratings[rows].tolist()),
            tuple(timestamps[rows].tolist()),
        )
        yield user_id, StoredUser(profiles.pop(user_id, Profile()), history)
    for user_id, profile in profiles.items():
        yield user_id, StoredUser(profile, History())


def _movie(row: dict[str, Any], shared: dict[tuple[str, ...], tuple[str, ...]]) -> Movie:
    """The movie of a row; `shared` has one object for each list of genres."""
    genres = tuple(row["genres"])
    return Movie(
        movie_id=MovieId(row["movie_id"]),
        title=row["title"],
        year=int(row["year"]),
        genres=shared.setdefault(genres, genres),
        rating_count=int(row["rating_count"]),
        mean_rating=float(row["mean_rating"]),
    )


def _read_json(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def _check(catalogue: Catalogue, folder: Path) -> None:
    n_movies, n_segments = len(catalogue.movies), len(catalogue.segments)
    if len(catalogue.index) != n_movies:
        raise ContractError(f"{folder / MOVIES_FILE}: a movie_id repeats")
    if catalogue.segments.get(ANYBODY) != 0:
        raise ContractError(f"{folder / VOCABULARIES_FILE}: segment 0 is not everybody")
    expected = {
        "order": (catalogue.popular_order, (n_segments, n_movies)),
        "scores": (catalogue.popular_scores, (n_segments, n_movies)),
        "shrunk_mean": (catalogue.shrunk_means, (n_movies,)),
    }
    for name, (array, shape) in expected.items():
        if array.shape != shape:
            raise ContractError(
                f"{folder / POPULAR_FILE}: {name} has shape {array.shape}, expected {shape}"
            )
    vectors = catalogue.movie_vectors
    if vectors.ndim != 2 or len(vectors) != n_movies or vectors.shape[1] % 2:
        raise ContractError(
            f"{folder / MOVIE_VECTORS_FILE}: shape {vectors.shape}, expected ({n_movies}, 2 S)"
        )
    if not np.array_equal(
        np.sort(catalogue.popular_order, axis=1),
        np.broadcast_to(np.arange(n_movies), (n_segments, n_movies)),
    ):
        raise ContractError(f"{folder / POPULAR_FILE}: a row of order is no ranking of all movies")
