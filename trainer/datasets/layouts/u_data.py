"""MovieLens 100K's own layout: u.data (tabs), u.item (bars, genre flags), u.user (bars)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from trainer.datasets.catalogue import FLAG_GENRES
from trainer.datasets.dataset import Col
from trainer.datasets.layouts.layout import Layout, RawFile, RawTables, movie_table
from trainer.datasets.rows import read_rows, utf8
from trainer.datasets.titles import split_titles

_RATING_COLUMNS: Final = (Col.USER, Col.MOVIE, Col.RATING, Col.TIME)
_USER_COLUMNS: Final = (Col.USER, Col.AGE, Col.GENDER, Col.OCCUPATION, Col.ZIP)
_MOVIE_HEAD: Final = (Col.MOVIE, Col.TITLE, "release_date", "video_release_date", "url")


def _read(files: Mapping[str, RawFile], genres: tuple[str, ...] | None) -> RawTables:  # noqa: ARG001 the flags say which genres there are
    data, item, user = files["ratings"], files["movies"], files["users"]
    ratings = read_rows(data.name, utf8(data.name, data.data), "\t", _RATING_COLUMNS)
    users = read_rows(user.name, utf8(user.name, user.data, "latin-1"), "|", _USER_COLUMNS)

    # Somebody who edited u.item has often saved it as UTF-8; accented Latin-1 is never valid UTF-8.
    text = utf8(item.name, item.data, "latin-1")
    movies = read_rows(item.name, text, "|", (*_MOVIE_HEAD, "unknown", *FLAG_GENRES))
    flags = movies.table.iloc[:, len(_MOVIE_HEAD) :]
    movies.reject("a genre flag other than 0 or 1", ~flags.isin(["0", "1"]).all(axis="columns"))

    ids = movies.table[Col.MOVIE]
    table, repairs = split_titles(movies.table[Col.TITLE], ids)
    has_genre = (movies.table[list(FLAG_GENRES)] == "1").to_numpy(bool)
    named = [tuple(FLAG_GENRES[g] for g in np.flatnonzero(row)) for row in has_genre]
    movies.table = movie_table(ids, table, named)
    return RawTables(ratings, movies, users, None, repairs)


U_DATA: Final = Layout(
    "u.data layout",
    {"ratings": "u.data", "movies": "u.item", "users": "u.user"},
    frozenset(),
    _read,
)
