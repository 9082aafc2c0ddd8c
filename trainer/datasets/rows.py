"""Delimited text as columns of strings, with every bad row counted by its reason."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from trainer.datasets.dataset import DataError

MAX_BAD_SHARE: Final = 0.01
"""A file with a larger share of bad rows is not the file that we think it is."""

MAX_ID_BYTES: Final = 256
"""The public API takes no longer id."""


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
        lines = self.table.index[np.asarray(bad, dtype=bool)]
        if len(lines):
            self._bad[reason] = (len(lines), int(lines[0]))

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


def read_rows(file: str, text: str, separator: str, columns: Sequence[str] = ()) -> Rows:
    """Splits text into string columns without quoting; wrong column counts are rejected.

    Args:
      file: name for messages.
      text: the whole file; lines end in LF or CRLF.
      separator: one ASCII character.
      columns: names in file order; without them the first line names the columns.

    Raises:
      DataError: the file is empty.
    """
    data = text.removeprefix("\ufeff").replace("\r\n", "\n").rstrip("\n")
    first_line = 1
    if not columns:
        header, _, data = data.partition("\n")
        columns = header.split(separator)
        first_line = 2
    if not data:
        raise DataError(f"{file}: no rows")

    raw = np.frombuffer((data + "\n").encode(), dtype=np.uint8)
    line_ends = np.flatnonzero(raw == ord("\n"))
    separators = np.flatnonzero(raw == ord(separator))
    separators_in_line = np.diff(np.searchsorted(separators, line_ends), prepend=0)
    well_formed = separators_in_line == len(columns) - 1
    kept = raw[np.repeat(well_formed, np.diff(line_ends, prepend=-1))]

    lines = np.arange(first_line, first_line + len(line_ends))
    rows = Rows(file, pd.DataFrame(index=lines), len(lines))
    rows.reject(f"other than {len(columns)} columns", ~well_formed)
    if kept.size:
        rows.table = pd.read_csv(
            io.BytesIO(kept.tobytes()),
            sep=separator,
            names=list(columns),
            header=None,
            dtype=str,
            na_filter=False,
            quoting=csv.QUOTE_NONE,
            lineterminator="\n",
            skip_blank_lines=False,
        ).set_axis(rows.table.index, axis="index")
    else:
        rows.table = pd.DataFrame(columns=list(columns), index=rows.table.index, dtype=str)
    return rows


def reject_bad_ids(rows: Rows, column: str) -> None:
    """Takes out the rows whose id the public API could never name."""
    ids = rows.table[column]
    distinct = pd.Series(ids.unique(), dtype=str)
    too_long = distinct.map(lambda text: len(text.encode()) > MAX_ID_BYTES)
    bad = distinct[(distinct == "") | too_long | distinct.str.contains(r"[\x00-\x1f\x7f]")]
    rows.reject(
        f"a {column} that is empty, over {MAX_ID_BYTES} bytes or has control characters",
        ids.isin(bad),
    )
