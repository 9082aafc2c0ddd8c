"""Delimited text as columns of strings, with every bad row counted by its reason."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from pyarrow import csv as arrow_csv

from trainer.datasets.dataset import DataError

MAX_BAD_SHARE: Final = 0.01
"""A file with a larger share of bad rows is not the file that we think it is."""

MAX_ID_BYTES: Final = 256
"""The public API takes no longer id."""

TEXT: Final = pd.StringDtype("pyarrow", na_value=np.nan)
"""How every column of strings is stored: a 10 M-row table would not fit as Python objects."""


@dataclass
class Rows:
    """The rows of one file that are still good, and why the others are not."""

    file: str
    table: pd.DataFrame
    """Strings; the index is the line number in the file, from 1."""
    total: int
    """Rows that the file has, bad ones included."""
    rejected: dict[str, int] = field(default_factory=dict)
    """Reason -> rows taken out."""
    _bad: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Reason -> (rows, line of the first), of those that count against MAX_BAD_SHARE."""

    def reject(self, reason: str, bad: pd.Series | npt.NDArray[np.bool_]) -> None:
        """Takes out the rows where `bad` holds and counts them."""
        self.suspect(reason, bad)
        self.drop(reason, bad)

    def drop(self, reason: str, mask: pd.Series | npt.NDArray[np.bool_]) -> None:
        """Takes out rows that are no error of the file's."""
        mask = np.asarray(mask, dtype=bool)
        if mask.any():
            self.rejected[reason] = self.rejected.get(reason, 0) + int(mask.sum())
            self.table = self.table[~mask]

    def suspect(self, reason: str, bad: pd.Series | npt.NDArray[np.bool_]) -> None:
        """Counts rows against MAX_BAD_SHARE and keeps them."""
        self._count(reason, self.table.index[np.asarray(bad, dtype=bool)])

    def lost(self, reason: str, lines: Sequence[int]) -> None:
        """Counts rows that could not be read at all."""
        if lines:
            self._count(reason, lines)
            self.rejected[reason] = self.rejected.get(reason, 0) + len(lines)

    def _count(self, reason: str, lines: Sequence[int] | pd.Index) -> None:
        if len(lines):
            count, first = self._bad.get(reason, (0, lines[0]))
            self._bad[reason] = (count + len(lines), min(int(first), int(lines[0])))

    def check_share(self) -> None:
        """Stops the run when the file has too many bad rows, or none that is good.

        Raises:
          DataError: with every reason, its count and an example's line.
        """
        bad = sum(count for count, _ in self._bad.values())
        if bad > MAX_BAD_SHARE * self.total:
            reasons = "; ".join(
                f"{count} with {reason} (first at line {line})"
                for reason, (count, line) in self._bad.items()
            )
            raise DataError(
                f"{self.file}: {bad} of {self.total} rows are bad, "
                f"more than {MAX_BAD_SHARE:.0%}: {reasons}"
            )
        if self.table.empty:
            raise DataError(f"{self.file}: no rows")


def utf8(file: str, data: bytes, fallback: str | None = None) -> bytes:
    """A text file's bytes as UTF-8 without a byte order mark and with lines that end in LF.

    Args:
      file: name for messages.
      data: the whole file.
      fallback: the encoding of files that are no UTF-8.

    Raises:
      DataError: no UTF-8 and no fallback; the message names the line.
    """
    if not data.isascii():
        try:
            data.decode("utf-8")
        except UnicodeDecodeError as error:
            if fallback is None:
                line = data.count(b"\n", 0, error.start) + 1
                raise DataError(f"{file}: line {line} is not UTF-8") from error
            data = data.decode(fallback).encode()
    return data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n")


def read_rows(
    file: str,
    data: bytes,
    separator: str,
    columns: Sequence[str] = (),
    quoted: bool = False,
    may_be_empty: bool = False,
) -> Rows:
    """Splits text into string columns; rows with a wrong number of columns are rejected.

    Args:
      file: name for messages.
      data: as `utf8` returns it.
      separator: one ASCII character.
      columns: names in file order; without them the first line names the columns.
      quoted: a value may stand in double quotes and then hold separators, line breaks and
        doubled quotes; else a quote is a character like any other.
      may_be_empty: a file without rows is an empty table.

    Raises:
      DataError: the file has no rows and needs some, its header names a column twice, or a value
        never ends.
    """
    data = data.rstrip(b"\n")
    first_line = 1
    if not columns:
        header, _, data = data.partition(b"\n")
        columns = _header(file, header.decode(), separator, quoted)
        first_line = 2
    if not data and may_be_empty:
        return Rows(file, pd.DataFrame(columns=list(columns), dtype=TEXT), 0)
    if not data:
        raise DataError(f"{file}: no rows")

    reason = f"other than {len(columns)} columns"
    lost: list[int] = []

    def skip(row: arrow_csv.InvalidRow) -> str:
        lost.append(first_line - 1 + row.number)
        return "skip"

    try:
        table = arrow_csv.read_csv(
            pa.py_buffer(data),
            # Only the reader without threads knows a bad row's number.
            arrow_csv.ReadOptions(use_threads=False, column_names=list(columns)),
            arrow_csv.ParseOptions(
                delimiter=separator,
                quote_char='"' if quoted else False,
                newlines_in_values=quoted,
                ignore_empty_lines=False,
                invalid_row_handler=skip,
            ),
            arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(columns, pa.large_string()), strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid as error:
        # Arrow reads block by block and says so in its own words.
        raise DataError(
            f"{file}: a value is over a megabyte long or its quote is never closed ({error})"
        ) from error
    frame = table.to_pandas(types_mapper={pa.large_string(): TEXT}.get)
    read, n_lines = len(frame) + len(lost), data.count(b"\n") + 1
    frame.index = _line_numbers(first_line, read, lost)
    rows = Rows(file, frame, n_lines)
    rows.lost(reason, lost)
    # Arrow reads an empty line as a row of empty values.
    rows.reject(reason, _empty_rows(rows.table))
    if read < n_lines:
        # A few are long texts; many are one quote that is never closed.
        rows.lost("a line inside a quoted value", [*lost, first_line][:1] * (n_lines - read))
    return rows


def _line_numbers(first: int, count: int, without: list[int]) -> pd.Index:
    lines = pd.RangeIndex(first, first + count)
    return lines.delete(np.array(without, np.int64) - first) if without else lines


def _header(file: str, line: str, separator: str, quoted: bool) -> list[str]:
    columns = next(csv.reader([line], delimiter=separator)) if quoted else line.split(separator)
    twice = {name for name in columns if columns.count(name) > 1}
    if twice:
        raise DataError(f"{file}: the header names {', '.join(sorted(twice))} more than once")
    return columns


def _empty_rows(table: pd.DataFrame) -> npt.NDArray[np.bool_]:
    empty = np.ones(len(table), bool)
    for column in table:
        empty &= (table[column] == "").to_numpy(bool)
        if not empty.any():
            break
    return empty


def numbers(column: pd.Series) -> pd.Series:
    """A column as float64, NaN where a text is no number."""
    if pd.api.types.is_numeric_dtype(column):
        return column.astype("float64")
    try:
        # Ten times as fast as pandas, but it stops at the first text that is no number.
        values = pa.array(column).cast(pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        return pd.to_numeric(column, errors="coerce").astype("float64")
    return pd.Series(values, index=column.index)


def reject_bad_ids(rows: Rows, column: str) -> None:
    """Takes out the rows whose id the public API could never name."""
    ids = rows.table[column]
    distinct = pd.Series(ids.unique(), dtype=TEXT)
    too_long = distinct.map(lambda text: len(text.encode()) > MAX_ID_BYTES).astype(bool)
    bad = distinct[(distinct == "") | too_long | distinct.str.contains(r"[\x00-\x1f\x7f]")]
    if bad.empty:
        return
    rows.reject(
        f"a {column} that is empty, over {MAX_ID_BYTES} bytes or has control characters",
        ids.isin(bad),
    )
