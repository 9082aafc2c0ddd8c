"""Parquet files as the strings that the same table would be in a CSV file."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
from pyarrow import compute, parquet

from trainer.datasets.dataset import Col, DataError
from trainer.datasets.mapping import TableMapping
from trainer.datasets.rows import TEXT, Rows


def read_parquet(file: str, data: bytes, table: TableMapping) -> Rows:
    """Reads the mapped columns that the file has.

    Null is "", a whole number has no decimal point whatever its type, and the items of a list are
    joined by the mapping's separator. Timestamps alone stay numbers: seconds since 1970, or NaN.

    Raises:
      DataError: no Parquet file, or a column whose type has no text.
    """
    try:
        source = parquet.ParquetFile(pa.BufferReader(data))
        present = source.schema_arrow.names
        wanted = [name for name in dict.fromkeys(table.columns.values()) if name in present]
        read = source.read(columns=wanted)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{file}: cannot be read as Parquet: {error}") from error
    separators = {
        table.columns.get(Col.GENRES): table.settings.get("genre_separator"),
        table.columns.get(Col.TAGS): table.settings.get("tag_separator"),
    }
    lines = pd.RangeIndex(1, read.num_rows + 1)
    columns = {}
    for name in wanted:
        try:
            column = _series(read[name], separators.get(name))
        except pa.ArrowException as error:
            kind = read[name].type
            raise DataError(f"{file}: column {name} of type {kind} cannot be used") from error
        columns[name] = column.set_axis(lines)
    return Rows(file, pd.DataFrame(columns, index=lines), read.num_rows)


def _series(column: pa.ChunkedArray, separator: str | None) -> pd.Series:
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        seconds = column.cast(pa.timestamp("s"), safe=False).cast(pa.int64())
        return seconds.cast(pa.float64()).to_pandas()
    if (pa.types.is_list(kind) or pa.types.is_large_list(kind)) and separator:
        column = compute.binary_join(column, separator)
    elif pa.types.is_floating(kind):
        column = _whole(column)
    text = column.cast(pa.large_string()).fill_null("")
    return text.to_pandas(types_mapper={pa.large_string(): TEXT}.get)


def _whole(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Ids with gaps are often saved as floats: 1.0 is the id 1."""
    column = compute.if_else(compute.is_nan(column), None, column)
    try:
        return column.cast(pa.int64())
    except pa.ArrowInvalid:
        return column
