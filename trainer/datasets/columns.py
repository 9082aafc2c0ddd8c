"""Columns found by the names in a file's header, however those are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from trainer.datasets.dataset import Col, DataError
from trainer.datasets.rows import Rows

RATING_COLUMNS: Final = (Col.USER, Col.MOVIE, Col.RATING, Col.TIME)
USER_COLUMNS: Final = (Col.USER, Col.AGE, Col.GENDER, Col.OCCUPATION, Col.ZIP)
TAG_COLUMNS: Final = (Col.USER, Col.MOVIE, Col.TAG)

_OTHER_NAMES: Final[Mapping[str, Sequence[str]]] = {
    Col.USER: ("user",),
    Col.MOVIE: ("movie", "item id", "item"),
    Col.TITLE: ("movie title",),
    Col.YEAR: ("release year",),
    Col.GENRES: ("genre", "class"),
    Col.ZIP: ("zip",),
}
"""What the publishers call our columns."""


def pick_columns(rows: Rows, wanted: Sequence[str], optional: Sequence[str] = ()) -> None:
    """Keeps the wanted columns under our names, in our order.

    Case, spaces, "_", "-" and RecBole's type behind a colon make no difference: userId, USER_ID and
    user_id:token are one name.

    Raises:
      DataError: a column that is not optional is missing.
    """
    present = {_plain(name): name for name in reversed(rows.table.columns)}
    theirs = {}
    for column in wanted:
        names = (_plain(name) for name in (column, *_OTHER_NAMES.get(column, ())))
        found = next((present[name] for name in names if name in present), None)
        if found is not None:
            theirs[column] = found
    missing = [column for column in wanted if column not in theirs and column not in optional]
    if missing:
        raise DataError(f"{rows.file}: column {', '.join(missing)} missing in the header")
    rows.table = rows.table[list(theirs.values())].set_axis(list(theirs), axis="columns")
    for column in wanted:
        if column not in theirs:
            rows.table = rows.table.assign(**{column: ""})
    rows.table = rows.table[list(wanted)]


def _plain(name: str) -> str:
    name = name.partition(":")[0].strip().lower()
    return name.replace("_", "").replace(" ", "").replace("-", "")
