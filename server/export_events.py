"""python -m server export-events: what RecordRatings stored, for the trainer."""

from __future__ import annotations

import csv
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from server.domain import RatingEvent
from server.features.sqlite import read_events
from server.features.store import StoreError

COMMAND: Final = "export-events"
EXPORT_TIMEOUT_S: Final = 60.0
COLUMNS: Final = ("user_id", "movie_id", "rating", "timestamp")


class ExportSettings(BaseSettings):
    """Writes every recorded rating as CSV, oldest first, beside a running gateway or without one.

    An empty rating takes the one before it back; of one user and movie the last row counts.
    """

    model_config = SettingsConfigDict(
        env_prefix="REC_SERVER_",
        frozen=True,
        extra="ignore",
        cli_prog_name=f"python -m server {COMMAND}",
        cli_kebab_case=True,
        cli_implicit_flags=True,
        cli_hide_none_type=True,
        cli_avoid_json=True,
    )

    store_path: Path = Field(
        Path(".recserve/store.sqlite3"), description="SQLite file of the feature store."
    )
    redis_url: str = Field("", description="Redis as the feature store in place of SQLite.")
    redis_cluster: bool = Field(
        False, description="Whether --redis-url names a node of a Redis Cluster."
    )
    output: Path | None = Field(None, description="File to write; standard output if not set.")


def export_events(settings: ExportSettings) -> int:
    """Writes the events and returns how many there were.

    Raises:
      StoreError: the store cannot be read.
      OSError: the file cannot be written.
    """
    n_events = 0
    with _destination(settings.output) as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        for event in _events(settings):
            rating = "" if event.rating is None else f"{event.rating:g}"
            writer.writerow((event.user_id, event.movie_id, rating, event.rated_at))
            n_events += 1
    return n_events


def _events(settings: ExportSettings) -> Iterator[RatingEvent]:
    if not settings.redis_url:
        _require_file(settings.store_path)
        yield from read_events(settings.store_path)
        return
    # Who keeps to SQLite need not have redis-py.
    from server.features.redis import RedisStore  # noqa: PLC0415

    with RedisStore(
        settings.redis_url, cluster=settings.redis_cluster, timeout_s=EXPORT_TIMEOUT_S
    ) as store:
        yield from store.events()


def _require_file(path: Path) -> None:
    """SQLite says of either only that it is unable to open the file."""
    if path.is_dir():
        raise StoreError(
            f"the feature store {path} cannot be read: it is a folder, --store-path names a file"
        )
    if not path.exists():
        raise StoreError(
            f"the feature store {path} cannot be read: the file does not exist; a gateway makes it"
            " when it starts, or --store-path names another one"
        )


@contextmanager
def _destination(path: Path | None) -> Iterator[IO[str]]:
    """Standard output, or a file that is whole when it appears."""
    if path is None:
        yield sys.stdout
        return
    with tempfile.NamedTemporaryFile(
        "w", dir=path.parent, prefix=f".{path.name}.", encoding="utf-8", newline="", delete=False
    ) as stream:
        staged = Path(stream.name)
        try:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
            staged.replace(path)
        except BaseException:
            staged.unlink(missing_ok=True)
            raise
