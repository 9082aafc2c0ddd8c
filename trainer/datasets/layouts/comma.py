"""The layout of MovieLens latest-small, 20M and later: CSV with a header and quotes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from trainer.datasets.columns import RATING_COLUMNS, TAG_COLUMNS, USER_COLUMNS, pick_columns
from trainer.datasets.dataset import Col
from trainer.datasets.genres import split_genres
from trainer.datasets.layouts.layout import Layout, RawFile, RawTables, movie_table
from trainer.datasets.rows import Rows, read_rows, utf8
from trainer.datasets.titles import split_titles


def _read(files: Mapping[str, RawFile], genres: tuple[str, ...] | None) -> RawTables:
    ratings = _rows(files["ratings"])
    pick_columns(ratings, RATING_COLUMNS)
    users = None
    if "users" in files:
        users = _rows(files["users"])
        pick_columns(users, USER_COLUMNS, optional=USER_COLUMNS[1:])
    tags = None
    if "tags" in files:
        tags = _rows(files["tags"], may_be_empty=True)
        pick_columns(tags, TAG_COLUMNS)

    movies = _rows(files["movies"])
    pick_columns(movies, (Col.MOVIE, Col.TITLE, Col.GENRES))
    named = split_genres(movies, "|", genres)
    ids = movies.table[Col.MOVIE]
    table, repairs = split_titles(movies.table[Col.TITLE], ids)
    movies.table = movie_table(ids, table, named)
    return RawTables(ratings, movies, users, tags, repairs)


def _rows(file: RawFile, may_be_empty: bool = False) -> Rows:
    # Copies of MovieLens 1M as CSV are Latin-1; GroupLens' own CSV files are UTF-8.
    text = utf8(file.name, file.data, "latin-1")
    return read_rows(file.name, text, ",", quoted=True, may_be_empty=may_be_empty)


COMMA: Final = Layout(
    "CSV layout",
    {
        "ratings": "ratings.csv",
        "movies": "movies.csv",
        "users": "users.csv",
        "tags": "tags.csv",
    },
    # GroupLens publishes no users.csv; copies of MovieLens 1M as CSV have one.
    frozenset({"users", "tags"}),
    _read,
)
