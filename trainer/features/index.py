"""Dense indexes of one release: which row of every array is which user and movie."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trainer.datasets import Col, Dataset

IndexArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Histories:
    """What each of U users rated, oldest first."""

    movies: list[IndexArray]
    """U arrays of movie indexes."""
    ratings: list[NDArray[np.float32]]
    """U arrays as long; NaN where a movie was seen and not rated."""

    def __len__(self) -> int:
        return len(self.movies)

    def of(self, users: IndexArray) -> Histories:
        """The histories of these users, in this order."""
        return Histories([self.movies[u] for u in users], [self.ratings[u] for u in users])

    def first(self, n: int) -> Histories:
        """Each user's oldest `n`."""
        return Histories([m[:n] for m in self.movies], [r[:n] for r in self.ratings])

    def lengths(self) -> IndexArray:
        """Ratings of each user, [U]."""
        return np.array([len(movies) for movies in self.movies], np.int64)


@dataclass(frozen=True, eq=False)
class Interactions:
    """Rating rows by dense index, ordered by user, then time, then file order."""

    users: IndexArray
    """[n]"""
    movies: IndexArray
    """[n]"""
    ratings: NDArray[np.float32]
    """[n]"""
    timestamps: IndexArray
    """[n] seconds since 1970"""

    def __len__(self) -> int:
        return len(self.users)

    def by_user(self, n_users: int) -> list[IndexArray]:
        """Each user's movie indexes, oldest first; empty for a user without rows."""
        return np.split(self.movies, self.offsets(n_users)[1:-1])

    def histories(self, n_users: int) -> Histories:
        """Each user's movies and ratings; empty for a user without rows."""
        cuts = self.offsets(n_users)[1:-1]
        return Histories(np.split(self.movies, cuts), np.split(self.ratings, cuts))

    def where(self, keep: NDArray[np.bool_]) -> Interactions:
        """The rows at which [n] `keep` is true."""
        return Interactions(
            self.users[keep], self.movies[keep], self.ratings[keep], self.timestamps[keep]
        )

    def offsets(self, n_users: int) -> IndexArray:
        """[U + 1]: user u owns rows offsets[u] to offsets[u + 1]."""
        return np.searchsorted(self.users, np.arange(n_users + 1)).astype(np.int64)


class DenseIndex:
    """Maps the ids of a data set to dense indexes and back; movies keep the data set's order."""

    def __init__(self, dataset: Dataset) -> None:
        self.movie_ids: tuple[str, ...] = tuple(dataset.movies[Col.MOVIE])
        self.user_ids: tuple[str, ...] = tuple(dataset.users[Col.USER])
        self._movies = pd.Index(self.movie_ids)
        self._users = pd.Index(self.user_ids)

    @property
    def n_movies(self) -> int:
        return len(self.movie_ids)

    @property
    def n_users(self) -> int:
        return len(self.user_ids)

    def interactions(self, rows: pd.DataFrame) -> Interactions:
        """Rows of the ratings table, in each user's order of time."""
        users = self._users.get_indexer(rows[Col.USER])
        timestamps = rows[Col.TIME].to_numpy(np.int64)
        # lexsort is stable: rows of the same second keep the file's order.
        order = np.lexsort((timestamps, users))
        return Interactions(
            users=users[order].astype(np.int64),
            movies=self._movies.get_indexer(rows[Col.MOVIE])[order].astype(np.int64),
            ratings=rows[Col.RATING].to_numpy(np.float32)[order],
            timestamps=timestamps[order],
        )
