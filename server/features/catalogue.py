"""The movies of one release in memory: immutable, by id and by movie_index."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from server.domain import NOBODY, Movie, MovieId, Profile
from server.features.titles import TitleIndex
from server.movie_fields import MovieFields

ANYBODY = ("", -1)
"""The segment of everybody, as (gender, age bucket)."""

NARROW_ID: Final = 32
"""Bytes of the longest id, up to which all ids together stand in one array."""


@dataclass(frozen=True, slots=True, eq=False)
class Catalogue:
    """Movies, their filterable columns and the popular rankings; N movies, W words, S segments."""

    movies: tuple[Movie, ...]
    movie_ids: tuple[MovieId, ...]
    """Of `movies`."""
    index: Mapping[MovieId, int]
    """movie_id -> movie_index."""
    genre_words: NDArray[np.int64]
    """[N, W] bit g of word w is genre 64 w + g of the manifest's list."""
    years: NDArray[np.int64]
    """[N] 0 = unknown."""
    rating_counts: NDArray[np.int64]
    """[N] in the training data."""
    mean_ratings: NDArray[np.float64]
    """[N] 0 without ratings."""
    segments: Mapping[tuple[str, int], int]
    """(gender, age bucket) -> row of the rankings; "" and -1 mean any."""
    age_bounds: tuple[int, ...]
    """Ascending lower bounds of the age buckets, in years."""
    popular_order: NDArray[np.int32]
    """[S, N] movie_index, best first."""
    popular_scores: NDArray[np.float32]
    """[S, N] in the order of popular_order."""
    shrunk_means: NDArray[np.float32]
    """[N] by movie_index, inside the rating range."""
    movie_vectors: NDArray[np.float16]
    """[T, 2 S] of the first T movies, those of the snapshot: what their audience says, then where
    the content model places them."""
    titles: TitleIndex
    added_places: NDArray[np.float32] | None = None
    """[N - T, S] where the content model places the others; None = nobody has said, like zeros."""
    _ids: NDArray[np.bytes_] | None = field(init=False)
    """[N] movie_ids in UTF-8: two hundred are taken at once, without a look at as many strings.
    None where a long one would make all of them wide."""
    fields: MovieFields = field(init=False)
    """`movies` as pages show them."""

    def __post_init__(self) -> None:
        ids = [movie_id.encode() for movie_id in self.movie_ids]
        is_narrow = max(map(len, ids), default=0) <= NARROW_ID
        object.__setattr__(self, "_ids", np.array(ids, np.bytes_) if is_narrow else None)
        object.__setattr__(self, "fields", MovieFields(self.movies))

    def __contains__(self, movie_id: object) -> bool:
        return movie_id in self.index

    def movie(self, movie_id: MovieId) -> Movie:
        """The movie with this id, which the catalogue has."""
        return self.movies[self.index[movie_id]]

    def ids_of(self, rows: NDArray[np.int64]) -> NDArray[np.bytes_]:
        """The ids, in UTF-8, of the movies in [K] rows."""
        if self._ids is not None:
            return self._ids.take(rows)
        return np.array([self.movie_ids[row].encode() for row in rows.tolist()], np.bytes_)

    def rows_of(self, movie_ids: NDArray[np.bytes_]) -> NDArray[np.int64]:
        """[K] movie_index of the movies with these ids in UTF-8; NOBODY = it lacks the movie."""
        index = self.index
        rows = [index.get(MovieId(i.decode()), NOBODY) for i in movie_ids.tolist()]
        return np.array(rows, np.int64)

    def shrunk_mean(self, movie_id: MovieId) -> float:
        """The movie's mean rating, shrunk towards that of all."""
        return float(self.shrunk_means[self.index[movie_id]])

    def vectors_of(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """[K, 2, S] what their audience says of K movies, and their content; zeros = nothing."""
        n_trained = len(self.movie_vectors)
        vectors = np.zeros((len(rows), 2, self.movie_vectors.shape[1] // 2), np.float32)
        trained = rows < n_trained
        vectors[trained] = self.movie_vectors[rows[trained]].reshape(-1, *vectors.shape[1:])
        if self.added_places is not None:
            vectors[~trained, 1] = self.added_places[rows[~trained] - n_trained]
        return vectors

    def segment_of(self, profile: Profile) -> int:
        """The narrowest segment that this person belongs to; 0 = everybody."""
        bucket = bisect_right(self.age_bounds, profile.age) - 1 if profile.age else -1
        choices = ((profile.gender, bucket), (profile.gender, -1), ("", bucket), ANYBODY)
        return next(self.segments[c] for c in choices if c in self.segments)
