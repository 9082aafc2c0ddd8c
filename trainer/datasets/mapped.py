"""A data set of the user's own: CSV, TSV and Parquet files read through a column mapping."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Final

import pandas as pd

from trainer.datasets.assemble import assemble
from trainer.datasets.catalogue import Known
from trainer.datasets.columns import USER_COLUMNS
from trainer.datasets.dataset import Col, DataError, Dataset
from trainer.datasets.files import LocalCopy
from trainer.datasets.genres import split_genres
from trainer.datasets.layouts.layout import RawTables, movie_table
from trainer.datasets.mapping import TIME_UNITS, TableMapping, read_mapping
from trainer.datasets.parquet import read_parquet
from trainer.datasets.rows import Rows, numbers, read_rows, utf8
from trainer.datasets.titles import split_release_years, split_titles

_SEPARATORS: Final = {".csv": ",", ".tsv": "\t"}
_MISSING_USER: Final = ""
"""Who gave a tag that stands in the movies' file."""


def load_mapped(mapping: Path, data_dir: Path | None = None) -> Dataset:
    """Reads the files that a mapping names.

    Args:
      mapping: a TOML file, see docs/data.md.
      data_dir: the folder or zip with the files; None = the mapping's own folder.

    Raises:
      DataError: the mapping is wrong, a file or column is missing, or more than 1 % of a file's
        rows are bad.
    """
    columns = read_mapping(mapping)
    copy = LocalCopy.open(data_dir if data_dir is not None else mapping.parent)
    repairs: list[str] = []
    ratings = _read(copy, columns.ratings)
    _read_times(ratings, columns.ratings, repairs)
    movies, tags = _read_movies(copy, columns.movies, repairs)
    users = None
    if columns.users is not None:
        users = _read(copy, columns.users)
        _add_missing(users, USER_COLUMNS)
    known = Known(columns.name, columns.rating_range or _occurring(ratings, repairs))
    raw = RawTables(ratings, movies, users, tags, repairs)
    return assemble(columns.name, f"{columns.name}, columns by {mapping.name}", raw, known)


def _read(copy: LocalCopy, table: TableMapping) -> Rows:
    """The mapped columns of one file, under our names."""
    file = PurePosixPath(table.file)
    if file not in copy.names:
        raise DataError(f"{copy.path}: [{table.role}] file {table.file} is not there")
    data = copy.read(file)
    if file.suffix == ".parquet":
        rows = read_parquet(file.name, data, table)
    else:
        separator = table.settings["separator"] or _SEPARATORS.get(file.suffix, "")
        if not separator:
            raise DataError(
                f"{file.name}: [{table.role}] needs a separator: the name ends in none of "
                f"{', '.join((*_SEPARATORS, '.parquet'))}"
            )
        text = _decoded(file.name, data, table.settings["encoding"])
        rows = read_rows(file.name, text, separator, quoted=True)
    missing = [name for name in table.columns.values() if name not in rows.table]
    if missing:
        raise DataError(
            f"{file.name}: column {', '.join(missing)} missing; "
            f"the file has {', '.join(rows.table.columns)}"
        )
    theirs = rows.table
    rows.table = pd.DataFrame({ours: theirs[name] for ours, name in table.columns.items()})
    return rows


def _decoded(file: str, data: bytes, encoding: str) -> bytes:
    try:
        return utf8(file, data.decode(encoding).encode())
    except (UnicodeDecodeError, LookupError) as error:
        raise DataError(f"{file}: cannot be read as {encoding}: {error}") from error


def _add_missing(rows: Rows, columns: Sequence[str]) -> None:
    absent = [column for column in columns if column not in rows.table]
    rows.table = rows.table.assign(**dict.fromkeys(absent, ""))


def _read_times(ratings: Rows, table: TableMapping, repairs: list[str]) -> None:
    """Turns the timestamps into seconds since 1970; what is none stays NaN and is rejected."""
    if Col.TIME not in ratings.table:
        ratings.table = ratings.table.assign(**{Col.TIME: 0})
        repairs.append("There are no timestamps: rows count as being in order of time.")
        return
    text = ratings.table[Col.TIME]
    units = TIME_UNITS[table.settings["timestamp_unit"]]
    if pd.api.types.is_numeric_dtype(text):
        seconds = text  # Parquet's own timestamps, read as seconds
    elif units is None:
        moments = pd.to_datetime(text, format="ISO8601", utc=True, errors="coerce")
        seconds = (moments - pd.Timestamp(0, tz="UTC")).dt.total_seconds() // 1
    else:
        seconds = numbers(text) // units
    ratings.table = ratings.table.assign(**{Col.TIME: seconds})


def _read_movies(
    copy: LocalCopy, table: TableMapping | None, repairs: list[str]
) -> tuple[Rows | None, Rows | None]:
    """The movies, and their tags as if one unknown user had given each."""
    if table is None:
        return None, None
    rows = _read(copy, table)
    has_titles = Col.TITLE in rows.table
    _add_missing(rows, (Col.TITLE, Col.GENRES))
    named = split_genres(rows, table.settings["genre_separator"], None)
    ids = rows.table[Col.MOVIE]
    if Col.YEAR in rows.table:
        titles, sentences = split_release_years(rows.table[Col.TITLE], rows.table[Col.YEAR], ids)
    else:
        titles, sentences = split_titles(rows.table[Col.TITLE], ids)
    repairs += sentences if has_titles else []
    tags = None
    if Col.TAGS in rows.table:
        given = rows.table[[Col.MOVIE, Col.TAGS]].rename(columns={Col.TAGS: Col.TAG})
        given[Col.TAG] = given[Col.TAG].str.split(table.settings["tag_separator"])
        exploded = given.explode(Col.TAG, ignore_index=True)
        exploded = exploded[exploded[Col.TAG] != ""].assign(**{Col.USER: _MISSING_USER})
        tags = Rows(rows.file, exploded, len(exploded))
    rows.table = movie_table(ids, titles, named)
    return rows, tags


def _occurring(ratings: Rows, repairs: list[str]) -> tuple[float, float]:
    values = numbers(ratings.table[Col.RATING])
    low, high = float(values.min()), float(values.max())
    if not low < high:
        raise DataError(
            f"{ratings.file}: all ratings are {low:g}; name the rating_range in the mapping"
        )
    repairs.append(f"No rating_range is given: {low:g}..{high:g} is what occurs.")
    return low, high
