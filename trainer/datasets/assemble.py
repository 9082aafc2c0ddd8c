"""One `Dataset` from the raw tables of any layout, with an account of what was changed."""

from __future__ import annotations

import pandas as pd

from trainer.datasets.catalogue import Known
from trainer.datasets.checks import (
    check_movies,
    check_ratings,
    check_users,
    complete,
    undescribed_movies,
    undescribed_users,
)
from trainer.datasets.dataset import Col, Dataset
from trainer.datasets.layouts import RawTables
from trainer.datasets.rows import Rows
from trainer.datasets.tags import movie_tags
from trainer.datasets.titles import repeated_titles

_WITHOUT_FILE = {
    Col.MOVIE: (undescribed_movies, "No file describes the movies: {} rated ones, title unknown."),
    Col.USER: (undescribed_users, "No file describes the users: {} with ratings."),
}


def assemble(name: str, source: str, raw: RawTables, known: Known) -> Dataset:
    """Checks the tables one by one, then against each other.

    Raises:
      DataError: more than 1 % bad rows in a file, or no rating that is good.
    """
    check_ratings(raw.ratings, known.rating_range)
    if raw.movies is not None:
        check_movies(raw.movies)
    if raw.users is not None:
        check_users(raw.users, known.occupations)
    # Before the files are compared: a broken u.item is better told as that than as missing movies.
    for rows in (raw.ratings, raw.movies, raw.users):
        if rows is not None:
            rows.check_share()
    repairs = list(raw.repairs)
    movies = _completed(raw.ratings, raw.movies, Col.MOVIE, repairs)
    users = _completed(raw.ratings, raw.users, Col.USER, repairs)
    raw.ratings.check_share()
    movies = movies.reset_index(drop=True)
    without = int((movies[Col.GENRES].str.len() == 0).sum())
    if without:
        repairs.append(f"{without:,} movies have no genre.")
    movies[Col.TAGS], tag_repairs = movie_tags(raw.tags, movies[Col.MOVIE])
    return Dataset(
        name=name,
        source=source,
        ratings=raw.ratings.table.reset_index(drop=True),
        movies=movies,
        users=users.reset_index(drop=True),
        genres=known.genres or tuple(sorted({g for names in movies[Col.GENRES] for g in names})),
        rating_range=known.rating_range,
        rejected={
            f"{rows.file}: {reason}": count
            for rows in (raw.ratings, raw.movies, raw.users, raw.tags)
            if rows is not None
            for reason, count in rows.rejected.items()
        },
        repairs=(*repairs, *repeated_titles(movies), *tag_repairs),
    )


def _completed(ratings: Rows, rows: Rows | None, key: str, repairs: list[str]) -> pd.DataFrame:
    empty, sentence = _WITHOUT_FILE[key]
    if rows is None:
        table = complete(ratings, empty(), key, None)
        repairs.append(sentence.format(f"{len(table):,}"))
        return table
    table = complete(ratings, rows.table, key, rows.file)
    added = len(table) - len(rows.table)
    if added:
        repairs.append(f"{added} rated {key}s have no row in {rows.file}; added as unknown.")
    return table
