"""From files in some layout to a checked `Dataset`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

import pandas as pd

from trainer.datasets.dataset import Col, DataError, Dataset
from trainer.datasets.fetch import fetch
from trainer.datasets.files import LocalCopy
from trainer.datasets.layouts import LAYOUTS, Layout
from trainer.datasets.rows import Rows, reject_bad_ids
from trainer.datasets.titles import repeated_titles

MAX_AGE: Final = 120
_END_OF_TIME: Final = 253_402_300_800
"""The year 10000 in seconds: larger timestamps are milliseconds or worse."""


@dataclass(frozen=True)
class Description:
    """What is known about a data set before its files are read."""

    title: str
    genres: tuple[str, ...]
    rating_range: tuple[float, float]


DATASETS: Final = {
    "ml-100k": Description(
        title="MovieLens 100K",
        genres=(
            *("Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary"),
            *("Drama", "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance"),
            *("Sci-Fi", "Thriller", "War", "Western"),
        ),
        rating_range=(1.0, 5.0),
    ),
}


def load_dataset(name: str, data_dir: Path | None = None, cache_dir: Path | None = None) -> Dataset:
    """Reads a data set from a local copy or, without one, from the cached download.

    A rating whose movie or user has no row of its own is kept: the movie or user is added
    with nothing known about it. Of two ratings of one movie by one user the later row counts.

    Args:
      name: one of DATASETS.
      data_dir: a folder or a zip; the files may lie in a folder inside.
      cache_dir: see `fetch`.

    Raises:
      DataError: unknown name, missing files, or more than 1 % bad rows in a file.
    """
    if name not in DATASETS:
        raise DataError(f"dataset {name!r} is unknown; known: {', '.join(DATASETS)}")
    described = DATASETS[name]
    copy = LocalCopy.open(data_dir if data_dir is not None else fetch(name, cache_dir))
    layout, files = _find_layout(copy, name)
    raw = layout.read([(file.name, copy.read(file)) for file in files], described.genres)

    _check_ratings(raw.ratings, described.rating_range)
    _check_movies(raw.movies)
    _check_users(raw.users)
    # Before the files are compared: a broken u.item is better told as that than as missing movies.
    for rows in (raw.ratings, raw.movies, raw.users):
        rows.check_share()
    repairs = [
        *raw.repairs,
        *_complete(raw.ratings, raw.movies, Col.MOVIE, {Col.TITLE: "", Col.YEAR: 0}),
        *_complete(raw.ratings, raw.users, Col.USER, {Col.AGE: 0}),
    ]
    raw.ratings.check_share()
    return Dataset(
        name=name,
        source=f"{described.title}, {layout.title}",
        ratings=raw.ratings.table.reset_index(drop=True),
        movies=raw.movies.table.reset_index(drop=True),
        users=raw.users.table.reset_index(drop=True),
        genres=described.genres,
        rating_range=described.rating_range,
        rejected={
            f"{rows.file}: {reason}": count
            for rows in (raw.ratings, raw.movies, raw.users)
            for reason, count in rows.rejected.items()
        },
        repairs=(*repairs, *repeated_titles(raw.movies.table)),
    )


def _find_layout(copy: LocalCopy, name: str) -> tuple[Layout, tuple[PurePosixPath, ...]]:
    """The complete set of files nearest to the top; RecBole's stem may say which is meant."""
    present = set(copy.names)
    complete = []
    incomplete = []
    for order, layout in enumerate(LAYOUTS):
        for candidate in copy.names:
            files = layout.files_beside(candidate)
            if files is None:
                continue
            missing = [str(file) for file in files if file not in present]
            if missing:
                incomplete.append(f"{candidate} is there but {', '.join(missing)} is missing")
            else:
                rank = (len(candidate.parts), order, candidate.stem not in {"u", name})
                complete.append((rank, candidate, layout, files))
    if not complete:
        wanted = "u.data, u.item and u.user, or RecBole's .inter, .item and .user files"
        found = "; ".join(incomplete) or "none of them is there"
        raise DataError(f"{copy.path}: {name} needs {wanted}: {found}")
    complete.sort(key=lambda found: found[:2])
    rank, first, layout, files = complete[0]
    if len(complete) > 1 and complete[1][0] == rank:
        raise DataError(f"{copy.path}: both {first} and {complete[1][1]} could be meant; keep one")
    return layout, files


def _check_ratings(rows: Rows, rating_range: tuple[float, float]) -> None:
    reject_bad_ids(rows, Col.USER)
    reject_bad_ids(rows, Col.MOVIE)
    low, high = rating_range
    rating = pd.to_numeric(rows.table[Col.RATING], errors="coerce")
    rows.reject("a rating that is no number", rating.isna())
    inside = rating.dropna().between(low, high)
    rows.reject(f"a rating outside {low:g}..{high:g}", ~inside)
    seconds = pd.to_numeric(rows.table[Col.TIME], errors="coerce")
    whole = seconds.between(0, _END_OF_TIME, inclusive="left")
    rows.reject("a timestamp that is no time in seconds since 1970", ~whole)
    # Not the file's fault: somebody rated a movie again.
    rows.drop(
        "an older rating of the same movie by the same user (the last row counts)",
        rows.table.duplicated([Col.USER, Col.MOVIE], keep="last"),
    )
    kept = rows.table.index
    rows.table = pd.DataFrame(
        {
            Col.USER: rows.table[Col.USER],
            Col.MOVIE: rows.table[Col.MOVIE],
            Col.RATING: rating.loc[kept].astype("float32"),
            Col.TIME: seconds.loc[kept].astype("int64"),
        }
    )


def _check_movies(rows: Rows) -> None:
    reject_bad_ids(rows, Col.MOVIE)
    again = rows.table.duplicated(Col.MOVIE, keep="last")
    rows.reject("a movie_id that a later row repeats", again)


def _check_users(rows: Rows) -> None:
    reject_bad_ids(rows, Col.USER)
    again = rows.table.duplicated(Col.USER, keep="last")
    rows.reject("a user_id that a later row repeats", again)
    known = ("M", "F", "")
    rows.reject("a gender other than M, F or nothing", ~rows.table[Col.GENDER].isin(known))
    text = rows.table[Col.AGE]
    age = pd.to_numeric(text.mask(text == "", "0"), errors="coerce")
    good = age.between(0, MAX_AGE) & (age % 1 == 0)
    rows.reject(f"an age that is no whole number in 0..{MAX_AGE}", ~good)
    rows.table = rows.table.assign(**{Col.AGE: age[good].astype("int64")})


def _complete(ratings: Rows, described: Rows, key: str, unknown: dict[str, str | int]) -> list[str]:
    """Adds a row for every rated movie (or user) that lacks one, in order of first rating."""
    absent = ~ratings.table[key].isin(described.table[key])
    if not absent.any():
        return []
    ratings.suspect(f"a {key} that {described.file} lacks", absent)
    ids = ratings.table.loc[absent, key].unique()
    rows = pd.DataFrame({key: ids}).assign(
        **{column: unknown.get(column, "") for column in described.table.columns if column != key}
    )
    if Col.GENRES in rows:
        rows[Col.GENRES] = pd.Series([()] * len(ids), dtype=object)
    described.table = pd.concat([described.table, rows], ignore_index=True)
    return [f"{len(ids)} rated {key}s have no row in {described.file}; added as unknown."]
