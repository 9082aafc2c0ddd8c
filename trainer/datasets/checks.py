"""Strings become typed columns; what cannot be one is rejected, and the files are compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pandas as pd

from trainer.datasets.columns import RATING_COLUMNS, USER_COLUMNS
from trainer.datasets.dataset import Col
from trainer.datasets.rows import TEXT, Rows, numbers, reject_bad_ids

MAX_AGE: Final = 120
_END_OF_TIME: Final = 253_402_300_800
"""The year 10000 in seconds: larger timestamps are milliseconds or worse."""


def check_ratings(rows: Rows, rating_range: tuple[float, float]) -> None:
    """Types the ratings; of two for one (user, movie) the later row counts."""
    reject_bad_ids(rows, Col.USER)
    reject_bad_ids(rows, Col.MOVIE)
    low, high = rating_range
    rating = numbers(rows.table[Col.RATING])
    rows.reject("a rating that is no number", rating.isna())
    rating = rating.loc[rows.table.index]
    rows.reject(f"a rating outside {low:g}..{high:g}", ~rating.between(low, high))
    seconds = numbers(rows.table[Col.TIME])
    whole = seconds.between(0, _END_OF_TIME, inclusive="left")
    rows.reject("a timestamp that is no time in seconds since 1970", ~whole)
    # Not the file's fault: somebody rated a movie again.
    rows.drop(
        "an older rating of the same movie by the same user (the last row counts)",
        rows.table.duplicated([Col.USER, Col.MOVIE], keep="last"),
    )
    kept = rows.table.index
    rows.table = rows.table.assign(
        **{
            Col.RATING: rating.loc[kept].astype("float32"),
            Col.TIME: seconds.loc[kept].astype("int64"),
        }
    )[list(RATING_COLUMNS)]


def check_movies(rows: Rows) -> None:
    """A movie_id names one movie."""
    reject_bad_ids(rows, Col.MOVIE)
    again = rows.table.duplicated(Col.MOVIE, keep="last")
    rows.reject("a movie_id that a later row repeats", again)


def check_users(rows: Rows, occupations: Sequence[str] = ()) -> None:
    """Types the users.

    Args:
      rows: user_id, age, gender, occupation and zip_code as strings; "" = not stated.
      occupations: names that stand for the numbers 0, 1, ... of the column; () = it holds names.
    """
    reject_bad_ids(rows, Col.USER)
    again = rows.table.duplicated(Col.USER, keep="last")
    rows.reject("a user_id that a later row repeats", again)
    known = ("M", "F", "")
    rows.reject("a gender other than M, F or nothing", ~rows.table[Col.GENDER].isin(known))
    text = rows.table[Col.AGE]
    age = numbers(text.mask(text == "", "0"))
    good = age.between(0, MAX_AGE) & (age % 1 == 0)
    rows.reject(f"an age that is no whole number in 0..{MAX_AGE}", ~good)
    rows.table = rows.table.assign(**{Col.AGE: age[good].astype("int64")})
    if occupations:
        _name_occupations(rows, occupations)
    rows.table = rows.table[list(USER_COLUMNS)]


def _name_occupations(rows: Rows, occupations: Sequence[str]) -> None:
    names = {str(number): name for number, name in enumerate(occupations)} | {"": ""}
    text = rows.table[Col.OCCUPATION]
    rows.reject(
        f"an occupation other than 0..{len(occupations) - 1} or nothing", ~text.isin(list(names))
    )
    named = rows.table[Col.OCCUPATION].map(names).astype(TEXT)
    rows.table = rows.table.assign(**{Col.OCCUPATION: named})


def undescribed_movies() -> pd.DataFrame:
    """A movies table without a row, for a data set that has no movies' file."""
    return pd.DataFrame(
        {
            Col.MOVIE: pd.Series(dtype=TEXT),
            Col.TITLE: pd.Series(dtype=TEXT),
            Col.YEAR: pd.Series(dtype="int64"),
            Col.GENRES: pd.Series(dtype=object),
        }
    )


def undescribed_users() -> pd.DataFrame:
    """A users table without a row, for a data set that has no users' file."""
    columns: dict[str, pd.Series] = {name: pd.Series(dtype=TEXT) for name in USER_COLUMNS}
    return pd.DataFrame(columns | {Col.AGE: pd.Series(dtype="int64")})


def complete(ratings: Rows, described: pd.DataFrame, key: str, file: str | None) -> pd.DataFrame:
    """`described` with a row more for every rated movie (or user) that lacks one.

    The rows are added in order of first rating, with nothing known. Where a file should have
    described them, such ratings count against the share of bad rows.

    Args:
      ratings: checked.
      described: movies or users.
      key: movie_id or user_id.
      file: that `described` was read from; None = there is none.
    """
    absent = ~ratings.table[key].isin(described[key])
    if not absent.any():
        return described
    if file is not None:
        ratings.suspect(f"a {key} that {file} lacks", absent)
    ids = ratings.table.loc[absent, key].unique()
    unknown = {Col.YEAR: 0, Col.AGE: 0}
    rows = pd.DataFrame({key: pd.Series(ids, dtype=TEXT)}).assign(
        **{name: unknown.get(name, "") for name in described.columns if name != key}
    )
    if Col.GENRES in rows:
        rows[Col.GENRES] = pd.Series([()] * len(ids), dtype=object)
    rows = rows.astype({name: described[name].dtype for name in described.columns})
    return rows if described.empty else pd.concat([described, rows], ignore_index=True)
