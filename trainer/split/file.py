"""A split that somebody wrote down: user_id, movie_id, rating, timestamp and part of each row."""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from trainer.datasets import Col, DataError
from trainer.split.parts import PARTS, Split, cut

_FILE_COLUMNS: Final = (Col.USER, Col.MOVIE, Col.RATING, Col.TIME, Col.PART)


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
    return cut("split-file", {"file": path.name, "sha256": digest}, ratings, part)


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
