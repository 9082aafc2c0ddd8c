"""The typed tables that every layout is read into."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd


class DataError(ValueError):
    """The user's data, or how they asked for it, is wrong; the message says what to change."""


class Col:
    """Column names: the only place where a raw column is spelled."""

    USER: Final = "user_id"
    MOVIE: Final = "movie_id"
    RATING: Final = "rating"
    TIME: Final = "timestamp"
    TITLE: Final = "title"
    YEAR: Final = "year"
    GENRES: Final = "genres"
    AGE: Final = "age"
    GENDER: Final = "gender"
    OCCUPATION: Final = "occupation"
    ZIP: Final = "zip_code"
    PART: Final = "part"


@dataclass(frozen=True, eq=False)
class Dataset:
    """Ratings, movies and users as typed tables, the same whatever layout they came in.

    Every user and movie of `ratings` has a row in `users` and `movies`, and no
    (user, movie) pair stands twice.
    """

    name: str
    """As asked for: "ml-100k"."""
    source: str
    """What was read: "MovieLens 100K, u.data layout"."""
    ratings: pd.DataFrame
    """user_id str, movie_id str, rating float32, timestamp int64 seconds; file order."""
    movies: pd.DataFrame
    """movie_id str, title str without the year, year int64 (0 = unknown), genres tuple."""
    users: pd.DataFrame
    """user_id str, age int64 (0 = unknown), gender "M", "F" or "", occupation, zip_code."""
    genres: tuple[str, ...]
    """All genres; a movie's own are listed in this order."""
    rating_range: tuple[float, float]
    """Lowest and highest rating that the data set allows."""
    rejected: Mapping[str, int]
    """Rows left out, by reason."""
    repairs: tuple[str, ...]
    """What was changed or noticed while reading, a sentence each."""

    def fingerprint(self) -> str:
        """Hex SHA-256 of the typed tables: the same for every layout of the same data."""
        digest = hashlib.sha256()
        for table in (self.ratings, self.movies, self.users):
            for name in table.columns:
                digest.update(f"{name}:{len(table)}:".encode())
                digest.update(_column_bytes(table[name]))
        digest.update(repr((self.genres, self.rating_range)).encode())
        return digest.hexdigest()


def _column_bytes(column: pd.Series) -> bytes:
    """A column as bytes that do not depend on pandas' storage or the machine's byte order."""
    values = column.to_numpy()
    if values.dtype.kind in "iuf":
        return values.astype(values.dtype.newbyteorder("<")).tobytes()
    texts = ("\x1f".join(v) if isinstance(v, tuple) else str(v) for v in np.asarray(values, object))
    return "\x1e".join(texts).encode()
