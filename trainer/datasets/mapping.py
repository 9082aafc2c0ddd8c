"""The TOML file that says which columns of somebody's own files are which of ours.

docs/data.md has the schema and an example.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from trainer.datasets.dataset import Col, DataError

_REQUIRED: Final = {
    "ratings": (Col.USER, Col.MOVIE, Col.RATING),
    "movies": (Col.MOVIE,),
    "users": (Col.USER,),
}
_OPTIONAL: Final = {
    "ratings": (Col.TIME,),
    "movies": (Col.TITLE, Col.YEAR, Col.GENRES, Col.TAGS),
    "users": (Col.AGE, Col.GENDER, Col.OCCUPATION, Col.ZIP),
}
_SETTINGS: Final[Mapping[str, Mapping[str, str]]] = {
    "ratings": {"timestamp_unit": "s"},
    "movies": {"genre_separator": "|", "tag_separator": "|"},
    "users": {},
}
_FILE_SETTINGS: Final = {"encoding": "utf-8", "separator": ""}

TIME_UNITS: Final = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9, "iso": None}
"""Units in a second; "iso" is text such as 2024-05-01T12:00:00Z."""


@dataclass(frozen=True)
class TableMapping:
    """One file, and which of its columns are which of ours."""

    role: str
    """ratings, movies or users."""
    file: str
    """Relative to the folder or zip with the data."""
    columns: Mapping[str, str]
    """Our column -> theirs."""
    settings: Mapping[str, str]


@dataclass(frozen=True)
class ColumnMapping:
    """A whole data set of the user's own."""

    name: str
    rating_range: tuple[float, float] | None
    """None = the lowest and highest rating that occur."""
    ratings: TableMapping
    movies: TableMapping | None
    users: TableMapping | None


def read_mapping(path: Path) -> ColumnMapping:
    """Reads and checks a mapping file.

    Raises:
      DataError: the file is unreadable, or lacks or misspells a key; the message names it.
    """
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DataError(f"{path}: cannot be read as TOML: {error}") from error
    _only(path, "", document, {"name", "rating_range", *_REQUIRED})
    if "ratings" not in document:
        raise DataError(f"{path}: the table [ratings] is missing")
    name = document.get("name", path.stem)
    if not isinstance(name, str) or not name:
        raise DataError(f"{path}: name is to be a text")
    tables = {
        role: _table(path, role, document[role]) if role in document else None for role in _REQUIRED
    }
    ratings = tables["ratings"]
    assert ratings is not None  # noqa: S101 checked above, for the type
    rating_range = _range(path, document.get("rating_range"))
    return ColumnMapping(name, rating_range, ratings, tables["movies"], tables["users"])


def _table(path: Path, role: str, table: Any) -> TableMapping:
    if not isinstance(table, dict) or not all(isinstance(v, str) for v in table.values()):
        raise DataError(f"{path}: [{role}] is to be a table of texts")
    required, optional = _REQUIRED[role], _OPTIONAL[role]
    settings = {**_FILE_SETTINGS, **_SETTINGS[role]}
    _only(path, role, table, {"file", *required, *optional, *settings})
    missing = [key for key in ("file", *required) if not table.get(key)]
    if missing:
        raise DataError(f"{path}: [{role}] lacks {', '.join(missing)}")
    unit = table.get("timestamp_unit", "s")
    if unit not in TIME_UNITS:
        raise DataError(
            f"{path}: [{role}] timestamp_unit {unit!r} is none of {', '.join(TIME_UNITS)}"
        )
    chosen = {key: table.get(key, default) for key, default in settings.items()}
    if len(chosen["separator"]) > 1:
        raise DataError(f"{path}: [{role}] separator is to be one character")
    columns = {key: table[key] for key in (*required, *optional) if key in table}
    return TableMapping(role, table["file"], columns, chosen)


def _only(path: Path, role: str, table: Mapping[str, Any], known: set[str]) -> None:
    unknown = sorted(table.keys() - known)
    if unknown:
        where = f"[{role}] " if role else ""
        raise DataError(
            f"{path}: {where}{', '.join(unknown)} is unknown; known: {', '.join(sorted(known))}"
        )


def _range(path: Path, value: Any) -> tuple[float, float] | None:
    if value is None:
        return None
    numbers = isinstance(value, list) and [
        v for v in value if isinstance(v, int | float) and not isinstance(v, bool)
    ]
    if not numbers or len(value) != 2 or len(numbers) != 2 or not value[0] < value[1]:
        raise DataError(f"{path}: rating_range is to be two numbers, the lower one first")
    return float(value[0]), float(value[1])
