"""What every layout is: the files that belong together, and how they are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

import pandas as pd

from trainer.datasets.dataset import Col
from trainer.datasets.rows import Rows


@dataclass(frozen=True)
class RawFile:
    """One file's name and content."""

    name: str
    data: bytes


@dataclass(frozen=True)
class RawTables:
    """The files of one data set as strings, not yet checked against each other."""

    ratings: Rows
    """user_id, movie_id, rating, timestamp."""
    movies: Rows | None
    """movie_id, title str; year int64; genres tuple."""
    users: Rows | None
    """user_id, age, gender, occupation, zip_code."""
    tags: Rows | None
    """user_id, movie_id, tag: one row for each time that a user tagged a movie."""
    repairs: list[str]


Reader = Callable[[Mapping[str, RawFile], tuple[str, ...] | None], RawTables]
"""Takes the files by role and the data set's genres; None = those that the files name."""


@dataclass(frozen=True)
class Layout:
    """How one way of laying out the files is found and read."""

    title: str
    files: Mapping[str, str]
    """Role ("ratings", "movies", "users", "tags") -> file name; * is a stem of the user's choice
    that the files share."""
    optional: frozenset[str]
    """Roles that a data set may lack."""
    read: Reader

    def files_beside(self, name: PurePosixPath) -> dict[str, PurePosixPath] | None:
        """The files that belong to a ratings file, by role; None when `name` is not one."""
        pattern = self.files["ratings"]
        if not fnmatchcase(name.name, pattern) or name.name.startswith("."):
            return None
        stem = name.name.removesuffix(pattern.removeprefix("*"))
        return {role: name.with_name(file.replace("*", stem)) for role, file in self.files.items()}


def movie_table(
    ids: pd.Series, titles: pd.DataFrame, genres: list[tuple[str, ...]]
) -> pd.DataFrame:
    """The columns of `RawTables.movies`."""
    column = pd.Series(genres, index=ids.index, dtype=object)
    return pd.DataFrame({Col.MOVIE: ids, **titles, Col.GENRES: column})
