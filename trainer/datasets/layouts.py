"""The two layouts of MovieLens 100K: GroupLens' u.* files and RecBole's atomic files.

Each reader returns three `Rows` of strings, with the movies' title, year and genres already
typed; what the two have in common is checked in `load`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Final

import numpy as np
import pandas as pd

from trainer.datasets.dataset import Col, DataError
from trainer.datasets.rows import Rows, read_rows
from trainer.datasets.titles import split_release_years, split_titles

_RATING_COLUMNS: Final = (Col.USER, Col.MOVIE, Col.RATING, Col.TIME)
_USER_COLUMNS: Final = (Col.USER, Col.AGE, Col.GENDER, Col.OCCUPATION, Col.ZIP)
_UNKNOWN: Final = "unknown"
_FLAGS_START: Final = 5
"""u.item: id, title, release date, video release date, URL, then the genre flags."""


@dataclass(frozen=True)
class RawTables:
    """Three files read, not yet checked against each other."""

    ratings: Rows
    movies: Rows
    """movie_id, title str; year int64; genres tuple."""
    users: Rows
    repairs: list[str]


@dataclass(frozen=True)
class Layout:
    """How one way of laying out the files is found and read."""

    title: str
    ratings: str
    """File name; * is a stem of the user's choice that the three share."""
    movies: str
    users: str
    read: Callable[[Sequence[tuple[str, bytes]], tuple[str, ...]], RawTables]
    """Takes (name, bytes) of the ratings, movies and users file, and the genres."""

    def files_beside(self, name: PurePosixPath) -> tuple[PurePosixPath, ...] | None:
        """The three files that belong to a ratings file; None when `name` is not one."""
        if not fnmatchcase(name.name, self.ratings) or name.name.startswith("."):
            return None
        stem = name.name.removesuffix(self.ratings.removeprefix("*"))
        return (
            name,
            name.with_name(self.movies.replace("*", stem)),
            name.with_name(self.users.replace("*", stem)),
        )


def _decode(file: str, data: bytes, fallback: str | None = None) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        if fallback is not None:
            return data.decode(fallback)
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(f"{file}: line {line} is not UTF-8") from error


def _read_grouplens(files: Sequence[tuple[str, bytes]], genres: tuple[str, ...]) -> RawTables:
    """u.data (tabs), u.item (bars, Latin-1, a 0/1 flag for each genre), u.user (bars)."""
    (data_file, data), (item_file, item), (user_file, user) = files
    ratings = read_rows(data_file, _decode(data_file, data), "\t", _RATING_COLUMNS)
    users = read_rows(user_file, _decode(user_file, user, "latin-1"), "|", _USER_COLUMNS)

    head = (Col.MOVIE, Col.TITLE, "release_date", "video_release_date", "url")
    # Somebody who edited u.item has often saved it as UTF-8; accented Latin-1 is never valid UTF-8.
    text = _decode(item_file, item, "latin-1")
    movies = read_rows(item_file, text, "|", (*head, _UNKNOWN, *genres))
    flags = movies.table.iloc[:, _FLAGS_START:]
    movies.reject("a genre flag other than 0 or 1", ~flags.isin(["0", "1"]).all(axis="columns"))

    ids = movies.table[Col.MOVIE]
    table, repairs = split_titles(movies.table[Col.TITLE], ids)
    has_genre = movies.table[list(genres)].to_numpy() == "1"
    named = [tuple(genres[g] for g in np.flatnonzero(row)) for row in has_genre]
    movies.table = _movie_table(ids, table, named)
    return RawTables(ratings, movies, users, repairs)


def _read_recbole(files: Sequence[tuple[str, bytes]], genres: tuple[str, ...]) -> RawTables:
    """Tab-separated .inter, .item and .user files whose headers say name:type."""
    ratings, items, users = (
        _read_atomic(file, _decode(file, data), needed)
        for (file, data), needed in zip(
            files,
            (
                {"user_id": Col.USER, "item_id": Col.MOVIE, "rating": Col.RATING}
                | {"timestamp": Col.TIME},
                {"item_id": Col.MOVIE, "movie_title": Col.TITLE, "release_year": Col.YEAR}
                | {"class": Col.GENRES},
                {name: name for name in _USER_COLUMNS},
            ),
            strict=True,
        )
    )
    position = {genre: index for index, genre in enumerate(genres)}
    combinations = {names: set(names.split()) - {_UNKNOWN} for names in items.table[Col.GENRES]}
    strange = {names for names, found in combinations.items() if not found <= set(position)}
    items.reject("a genre that the data set does not have", items.table[Col.GENRES].isin(strange))

    ids = items.table[Col.MOVIE]
    # RecBole's copy misspells the title of the one movie that has none.
    misspelt = items.table[Col.TITLE] == "unkonwn"
    titles = items.table[Col.TITLE].mask(misspelt, _UNKNOWN)
    table, repairs = split_release_years(titles, items.table[Col.YEAR], ids)
    repairs += [f"Movie {i}: title 'unkonwn' is now 'unknown'." for i in ids[misspelt]]
    ordered = {
        names: tuple(sorted(found, key=position.__getitem__))
        for names, found in combinations.items()
        if names not in strange
    }
    items.table = _movie_table(ids, table, [ordered[n] for n in items.table[Col.GENRES]])
    return RawTables(ratings, items, users, repairs)


def _read_atomic(file: str, text: str, needed: dict[str, str]) -> Rows:
    rows = read_rows(file, text, "\t")
    named = rows.table.rename(columns=lambda name: name.partition(":")[0].strip())
    missing = [name for name in needed if name not in named.columns]
    if missing:
        raise DataError(f"{file}: column {', '.join(missing)} missing in the header")
    rows.table = named[list(needed)].rename(columns=needed)
    return rows


def _movie_table(
    ids: pd.Series, titles: pd.DataFrame, genres: list[tuple[str, ...]]
) -> pd.DataFrame:
    column = pd.Series(genres, index=ids.index, dtype=object)
    return pd.DataFrame({Col.MOVIE: ids, **titles, Col.GENRES: column})


GROUPLENS: Final = Layout("u.data layout", "u.data", "u.item", "u.user", _read_grouplens)
RECBOLE: Final = Layout("RecBole atomic files", "*.inter", "*.item", "*.user", _read_recbole)
LAYOUTS: Final = (GROUPLENS, RECBOLE)
