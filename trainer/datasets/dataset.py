"""The typed tables that every layout is read into."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import pandas as pd

_CHUNK: Final = 1 << 20
"""Rows: the texts of a large table need not be in memory at once."""


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
    TAGS: Final = "tags"
    TAG: Final = "tag"
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
    """movie_id str, title str without the year, year int64 (0 = unknown), genres tuple,
    tags tuple (see `tags`)."""
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
                for chunk in _column_bytes(table[name]):
                    digest.update(chunk)
        digest.update(repr((self.genres, self.rating_range)).encode())
        return digest.hexdigest()


def _column_bytes(column: pd.Series) -> Iterator[bytes]:
    """A column as bytes that do not depend on pandas' storage or the machine's byte order."""
    if column.dtype.kind in "iuf":
        values = column.to_numpy()
        yield values.astype(values.dtype.newbyteorder("<")).tobytes()
        return
    for start in range(0, len(column), _CHUNK):
        values = column.iloc[start : start + _CHUNK].to_numpy(object)
        texts = ["\x1f".join(v) if isinstance(v, tuple) else str(v) for v in values]
        yield ("\x1e" * (start > 0) + "\x1e".join(texts)).encode()
