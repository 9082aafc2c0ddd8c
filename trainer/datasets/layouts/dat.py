"""MovieLens 1M's and 10M's layout: .dat files without a header, "::" between the columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from trainer.datasets.columns import RATING_COLUMNS, TAG_COLUMNS
from trainer.datasets.dataset import Col
from trainer.datasets.genres import split_genres
from trainer.datasets.layouts.layout import Layout, RawFile, RawTables, movie_table
from trainer.datasets.rows import Rows, read_rows, utf8
from trainer.datasets.titles import split_titles

# The order of users.dat; u.user has the age first.
_USER_COLUMNS: Final = (Col.USER, Col.GENDER, Col.AGE, Col.OCCUPATION, Col.ZIP)
_UNIT_SEPARATOR: Final = "\x1f"
"""ASCII's own, in no text: the reader splits at one character."""


def _read(files: Mapping[str, RawFile], genres: tuple[str, ...] | None) -> RawTables:
    ratings = _rows(files["ratings"], RATING_COLUMNS)
    users = _rows(files["users"], _USER_COLUMNS) if "users" in files else None
    tags = None
    if "tags" in files:
        tags = _rows(files["tags"], (*TAG_COLUMNS, Col.TIME), may_be_empty=True)

    movies = _rows(files["movies"], (Col.MOVIE, Col.TITLE, Col.GENRES))
    named = split_genres(movies, "|", genres)
    ids = movies.table[Col.MOVIE]
    table, repairs = split_titles(movies.table[Col.TITLE], ids)
    movies.table = movie_table(ids, table, named)
    return RawTables(ratings, movies, users, tags, repairs)


def _rows(file: RawFile, columns: Sequence[str], may_be_empty: bool = False) -> Rows:
    # 1M is Latin-1, 10M is UTF-8; accented Latin-1 is never valid UTF-8.
    text = utf8(file.name, file.data, "latin-1").replace(b"::", _UNIT_SEPARATOR.encode())
    return read_rows(file.name, text, _UNIT_SEPARATOR, columns, may_be_empty=may_be_empty)


DAT: Final = Layout(
    "ratings.dat layout",
    {
        "ratings": "ratings.dat",
        "movies": "movies.dat",
        "users": "users.dat",
        "tags": "tags.dat",
    },
    frozenset({"users", "tags"}),
    _read,
)
