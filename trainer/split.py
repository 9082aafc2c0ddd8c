"""Which ratings are learnt from, chosen on and tested on; the leakage rule lives here.

The rule: models are fitted on `train`, choices are made on `validation`, and nothing but the
final evaluation ever sees a row of `test`. A served user's history is `history`, never more.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from trainer.datasets import Col, DataError

PARTS: Final = ("train", "validation", "test")
MIN_ROWS_TO_HOLD_OUT: Final = 5
"""A user with fewer ratings keeps all of them for training."""

_FILE_COLUMNS: Final = (Col.USER, Col.MOVIE, Col.RATING, Col.TIME, Col.PART)


@dataclass(frozen=True, eq=False)
class Split:
    """Ratings in three disjoint parts, each in file order with the index of `ratings`."""

    name: str
    parameters: Mapping[str, Any]
    """What makes the split again, for the manifest."""
    train: pd.DataFrame
    validation: pd.DataFrame
    test: pd.DataFrame
    unassigned: int = 0
    """Ratings that belong to no part."""

    @property
    def history(self) -> pd.DataFrame:
        """Train and validation: all that may be known of a user when test rows are asked for."""
        return pd.concat([self.train, self.validation]).sort_index()

    def counts(self) -> dict[str, int]:
        """Rows by part."""
        return {part: len(getattr(self, part)) for part in PARTS}


def per_user_temporal(ratings: pd.DataFrame, test: float = 0.1, validation: float = 0.1) -> Split:
    """Holds out each user's newest ratings, by (timestamp, file order).

    Of a user with n ratings the last floor(test * n) are test and the floor(validation * n)
    before them validation, each at least 1 where n >= 5 and 0 where n < 5. A fraction of 0
    means an empty part. Every user keeps at least one rating in train.

    Args:
      ratings: the whole table of a `Dataset`.
      test: 0 <= test, and test + validation < 1.
      validation: 0 <= validation.

    Raises:
      DataError: a fraction is out of range.
    """
    if not (test >= 0 and validation >= 0 and test + validation < 1):
        raise DataError(
            f"split fractions test={test}, validation={validation}: "
            "each must be at least 0 and their sum below 1"
        )
    by_time = ratings.sort_values(Col.TIME, kind="stable").groupby(Col.USER, sort=False)
    from_the_end = by_time.cumcount(ascending=False).reindex(ratings.index).to_numpy()
    n_rows = ratings.groupby(Col.USER, sort=False)[Col.MOVIE].transform("size").to_numpy()
    n_test = _held_out(n_rows, test)
    n_validation = np.minimum(_held_out(n_rows, validation), n_rows - n_test - 1)
    part = np.select(
        [from_the_end < n_test, from_the_end < n_test + n_validation],
        [PARTS.index("test"), PARTS.index("validation")],
        PARTS.index("train"),
    )
    return _split("per-user-temporal", {"test": test, "validation": validation}, ratings, part)


def split_file(path: Path, ratings: pd.DataFrame) -> Split:
    """Parts as a file lists them: user_id, movie_id, rating, timestamp, part (CSV or TSV).

    Ratings that the file does not list belong to no part and are counted in `unassigned`.

    Raises:
      DataError: the file is unreadable, lacks a column, names an unknown part, lists a row
        twice or one that the data set does not have, or leaves train empty.
    """
    listed = _read_split_file(path)
    _check_rows(path, ~listed[Col.PART].isin(PARTS), listed, f"part is not {', '.join(PARTS)}")
    again = listed.duplicated([Col.USER, Col.MOVIE])
    _check_rows(path, again, listed, "the (user_id, movie_id) pair stands above already")

    pairs = pd.MultiIndex.from_frame(listed[[Col.USER, Col.MOVIE]])
    known = pd.MultiIndex.from_frame(ratings[[Col.USER, Col.MOVIE]])
    position = known.get_indexer(pairs)
    _check_rows(path, position < 0, listed, "the data set has no rating of this user and movie")
    actual = ratings.iloc[position]
    numbers = listed[[Col.RATING, Col.TIME]].apply(pd.to_numeric, errors="coerce")
    other = ~np.isclose(numbers[Col.RATING], actual[Col.RATING]) | (
        numbers[Col.TIME].to_numpy() != actual[Col.TIME].to_numpy()
    )
    _check_rows(path, other, listed, "rating or timestamp is another one in the data set")

    part = np.full(len(ratings), -1)
    part[position] = listed[Col.PART].map(PARTS.index).to_numpy()
    if not (part == PARTS.index("train")).any():
        raise DataError(f"{path}: no row has the part train")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return _split("split-file", {"file": path.name, "sha256": digest}, ratings, part)


def _held_out(n_rows: npt.NDArray[np.int64], fraction: float) -> npt.NDArray[np.int64]:
    if fraction == 0:
        return np.zeros_like(n_rows)
    # 0.29 * 100 is 28.999...: a product that is whole on paper must not be floored below it.
    floors = np.floor(fraction * n_rows + 1e-9).astype(np.int64)
    return np.where(n_rows >= MIN_ROWS_TO_HOLD_OUT, np.maximum(floors, 1), 0)


def _split(
    name: str, parameters: dict[str, Any], ratings: pd.DataFrame, part: npt.NDArray[np.int64]
) -> Split:
    tables = {label: ratings[part == code] for code, label in enumerate(PARTS)}
    return Split(name, parameters, **tables, unassigned=int((part < 0).sum()))


def _read_split_file(path: Path) -> pd.DataFrame:
    """The file as strings, indexed by line number."""
    try:
        with path.open(encoding="utf-8-sig") as stream:
            header = stream.readline()
        separator = "\t" if "\t" in header else ","
        with warnings.catch_warnings():
            # pandas only warns where it cuts off the surplus fields of a row.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = pd.read_csv(
                path,
                sep=separator,
                dtype=str,
                na_filter=False,
                encoding="utf-8-sig",
                index_col=False,
            )
    except (
        OSError,
        UnicodeDecodeError,
        pd.errors.ParserError,
        pd.errors.ParserWarning,
        pd.errors.EmptyDataError,
    ) as error:
        raise DataError(f"{path}: cannot be read as CSV or TSV: {error}") from error
    table.columns = table.columns.str.strip()
    missing = [column for column in _FILE_COLUMNS if column not in table]
    if missing:
        raise DataError(
            f"{path}: column {', '.join(missing)} missing; needed: {', '.join(_FILE_COLUMNS)}"
        )
    return table[list(_FILE_COLUMNS)].set_axis(range(2, len(table) + 2), axis="index")


def _check_rows(
    path: Path, bad: pd.Series | npt.NDArray[np.bool_], listed: pd.DataFrame, what: str
) -> None:
    bad = np.asarray(bad, dtype=bool)
    if bad.any():
        row = listed[bad].iloc[0]
        raise DataError(
            f"{path}: line {row.name}: {what} (user_id {row[Col.USER]}, movie_id "
            f"{row[Col.MOVIE]}, part {row[Col.PART]}); {int(bad.sum())} such rows"
        )
