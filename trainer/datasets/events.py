"""Ratings that callers recorded, as `python -m server export-events` writes them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import pandas as pd

from trainer.datasets.dataset import Col, DataError, Dataset

COLUMNS: Final = (Col.USER, Col.MOVIE, Col.RATING, Col.TIME)


@dataclass(frozen=True)
class Merged:
    """A data set with the events in it, and what became of them."""

    dataset: Dataset
    n_events: int
    n_rated: int
    """Ratings of the data set that are new or another one by these events."""
    n_taken_back: int
    """Ratings of the data set that are there no longer."""
    n_unknown: int
    """Events about movies that the data set does not have; they are left out."""
    n_new_users: int

    def sentence(self) -> str:
        """What to tell whoever trains."""
        return (
            f"events: {self.n_events:,}, of which {self.n_rated:,} ratings new or changed, "
            f"{self.n_taken_back:,} taken back, {self.n_unknown:,} about unknown movies left out; "
            f"{self.n_new_users:,} new users"
        )


def with_events(dataset: Dataset, path: Path) -> Merged:
    """Puts recorded ratings into a data set: of one user and movie the last row counts.

    A rating that came by an event stands behind all others, as it is the newest to arrive. New
    users are added with nothing known about them.

    Args:
      path: CSV with a header and the columns user_id, movie_id, rating, timestamp in seconds; an
        empty rating takes the user's rating of that movie back.

    Raises:
      DataError: the file is unreadable, lacks a column, or has a row that is no event.
    """
    events = _read(path, dataset.rating_range)
    known = events[Col.MOVIE].isin(dataset.movies[Col.MOVIE])
    last = events[known].drop_duplicates([Col.USER, Col.MOVIE], keep="last")
    rated = last[last[Col.RATING].notna()]
    before = dataset.ratings
    # Pairs of a large table take memory: only those of the events' users are looked at.
    candidates = before[before[Col.USER].isin(last[Col.USER])]
    again = candidates[_pairs(candidates).isin(_pairs(last))]
    unchanged = _pairs(rated).isin(_pairs(again)) & _same(rated, again)
    new_users = pd.Index(rated[Col.USER].unique()).difference(dataset.users[Col.USER])
    ratings = pd.concat([before.drop(again.index), rated.astype(before.dtypes.to_dict())])
    return Merged(
        dataset=replace(
            dataset,
            source=f"{dataset.source}, with {path.name}",
            ratings=ratings.reset_index(drop=True),
            users=_with_users(dataset.users, new_users),
        ),
        n_events=len(events),
        n_rated=int((~unchanged).sum()),
        n_taken_back=int(_pairs(again).isin(_pairs(last[last[Col.RATING].isna()])).sum()),
        n_unknown=int((~known).sum()),
        n_new_users=len(new_users),
    )


def _read(path: Path, rating_range: tuple[float, float]) -> pd.DataFrame:
    """The events as typed columns, by line number; a rating that is taken back is NaN."""
    try:
        with warnings.catch_warnings():
            # pandas only warns where it cuts off the surplus fields of a row.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = pd.read_csv(path, dtype=str, na_filter=False, index_col=False)
    except (
        OSError,
        UnicodeDecodeError,
        pd.errors.ParserError,
        pd.errors.ParserWarning,
        pd.errors.EmptyDataError,
    ) as error:
        raise DataError(f"{path}: cannot be read as CSV: {error}") from error
    missing = [column for column in COLUMNS if column not in table]
    if missing:
        raise DataError(
            f"{path}: column {', '.join(missing)} missing; needed: {', '.join(COLUMNS)}"
        )
    table = table[list(COLUMNS)].set_axis(range(2, len(table) + 2), axis="index")
    rating = pd.to_numeric(table[Col.RATING], errors="coerce")
    seconds = pd.to_numeric(table[Col.TIME], errors="coerce")
    low, high = rating_range
    _refuse(
        path, (table[Col.USER] == "") | (table[Col.MOVIE] == ""), "user_id or movie_id is empty"
    )
    wrong = (table[Col.RATING] != "") & ~rating.between(low, high)
    _refuse(path, wrong, f"rating is not empty and not in {low:g}..{high:g}")
    _refuse(path, ~(seconds >= 0), "timestamp is no time in seconds since 1970")
    return table.assign(**{Col.RATING: rating, Col.TIME: seconds.astype("int64")})


def _refuse(path: Path, bad: pd.Series, what: str) -> None:
    """One bad row is enough: a program wrote the file, so something is wrong with it."""
    if bad.any():
        raise DataError(f"{path}: line {bad.idxmax()}: {what}; {int(bad.sum())} such rows")


def _pairs(ratings: pd.DataFrame) -> pd.MultiIndex:
    return pd.MultiIndex.from_arrays(
        [ratings[Col.USER].astype(str), ratings[Col.MOVIE].astype(str)]
    )


def _same(rated: pd.DataFrame, before: pd.DataFrame) -> pd.Series:
    """Whether each event says what the data set said already."""
    earlier = before[Col.RATING].astype("float64").set_axis(_pairs(before))
    return rated[Col.RATING].eq(pd.Series(earlier.reindex(_pairs(rated)).to_numpy(), rated.index))


def _with_users(users: pd.DataFrame, new: pd.Index) -> pd.DataFrame:
    unknown = pd.DataFrame(dict.fromkeys(users, ""), index=range(len(new)))
    unknown = unknown.assign(**{Col.USER: list(new), Col.AGE: 0})
    return pd.concat([users, unknown.astype(users.dtypes.to_dict())], ignore_index=True)
