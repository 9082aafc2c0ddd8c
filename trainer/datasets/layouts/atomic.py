"""RecBole's atomic files: tab-separated .inter, .item and .user, headers that say name:type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from trainer.datasets.columns import RATING_COLUMNS, USER_COLUMNS, pick_columns
from trainer.datasets.dataset import Col
from trainer.datasets.genres import split_genres
from trainer.datasets.layouts.layout import Layout, RawFile, RawTables, movie_table
from trainer.datasets.rows import Rows, read_rows, utf8
from trainer.datasets.titles import split_release_years

_MOVIE_COLUMNS: Final = (Col.MOVIE, Col.TITLE, Col.YEAR, Col.GENRES)


def _read(files: Mapping[str, RawFile], genres: tuple[str, ...] | None) -> RawTables:
    ratings = _rows(files["ratings"])
    pick_columns(ratings, RATING_COLUMNS)
    users = None
    if "users" in files:
        users = _rows(files["users"])
        pick_columns(users, USER_COLUMNS)

    items = _rows(files["movies"])
    pick_columns(items, _MOVIE_COLUMNS)
    named = split_genres(items, " ", genres)
    ids = items.table[Col.MOVIE]
    # RecBole's copy misspells the title of the one movie that has none.
    misspelt = items.table[Col.TITLE] == "unkonwn"
    titles = items.table[Col.TITLE].mask(misspelt, "unknown")
    table, repairs = split_release_years(titles, items.table[Col.YEAR], ids)
    repairs += [f"Movie {i}: title 'unkonwn' is now 'unknown'." for i in ids[misspelt]]
    items.table = movie_table(ids, table, named)
    return RawTables(ratings, items, users, None, repairs)


def _rows(file: RawFile) -> Rows:
    return read_rows(file.name, utf8(file.name, file.data), "\t")


RECBOLE: Final = Layout(
    "RecBole atomic files",
    {"ratings": "*.inter", "movies": "*.item", "users": "*.user"},
    # MovieLens 10M and later say nothing about users.
    frozenset({"users"}),
    _read,
)
