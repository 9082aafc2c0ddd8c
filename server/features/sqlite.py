"""The embedded feature store: one SQLite file, a row for each user of a release.

Beside them stands what callers recorded: it belongs to no release and outlives them all.
"""

from __future__ import annotations

import secrets
import sqlite3
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from server.domain import (
    AddedMovie,
    History,
    MovieId,
    Profile,
    RatingEvent,
    StoredUser,
    UserId,
    Version,
)
from server.errors import MovieExists
from server.features.kept import Kept
from server.features.recorded import added_movie, movie_content, with_recorded
from server.features.sqlite_file import SqliteFile, opened_read_only
from server.features.store import Receipt, StoreCounts, StoreError

_USERS_PER_TRANSACTION = 1000

RATINGS_KEPT = 300_000
"""Of users that are not read anew; about 15 MB."""

_ID_SEPARATOR = "\n"
"""Ids have no control characters: a history's ids are one text."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS loads (
  version INTEGER PRIMARY KEY,
  fingerprint TEXT NOT NULL,
  users INTEGER NOT NULL,      -- rows written so far
  ratings INTEGER NOT NULL,
  completed INTEGER NOT NULL   -- 1 = the release counts as loaded
);
CREATE TABLE IF NOT EXISTS users (
  version INTEGER NOT NULL,
  user_id TEXT NOT NULL,
  age INTEGER NOT NULL,
  gender TEXT NOT NULL,
  occupation TEXT NOT NULL,
  movie_ids TEXT NOT NULL,     -- oldest first
  ratings BLOB NOT NULL,       -- float32
  rated_at BLOB NOT NULL,      -- int64
  PRIMARY KEY (version, user_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS events (
  seq INTEGER PRIMARY KEY,     -- the order of recording
  user_id TEXT NOT NULL,
  movie_id TEXT NOT NULL,
  rating REAL,                 -- NULL = taken back
  rated_at INTEGER NOT NULL    -- seconds since 1970
);
CREATE INDEX IF NOT EXISTS events_of_user ON events (user_id, movie_id, seq);
CREATE TABLE IF NOT EXISTS receipts (
  request_id TEXT PRIMARY KEY,
  digest TEXT NOT NULL,
  answer TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS added_movies (
  seq INTEGER PRIMARY KEY,     -- the order of adding
  movie_id TEXT NOT NULL UNIQUE,
  content TEXT NOT NULL        -- [title, year, genres, tags] as JSON
);
CREATE TABLE IF NOT EXISTS secrets (
  name TEXT PRIMARY KEY,
  value BLOB NOT NULL
) WITHOUT ROWID;
"""

_READ = (
    "SELECT age, gender, occupation, movie_ids, ratings, rated_at FROM users"
    " WHERE version = ? AND user_id = ?"
)
_WRITE = "INSERT OR REPLACE INTO users VALUES (?, ?, ?, ?, ?, ?, ?, ?)"

_READ_EVENTS = (
    # Of each movie the row of its last event: SQLite takes bare columns from the row of max().
    "SELECT user_id, movie_id, rating, rated_at, max(seq) AS last FROM events"
    " WHERE user_id = ? GROUP BY movie_id ORDER BY last"
)
_WRITE_EVENT = "INSERT INTO events (user_id, movie_id, rating, rated_at) VALUES (?, ?, ?, ?)"
_ADD_MOVIE = "INSERT OR IGNORE INTO added_movies (movie_id, content) VALUES (?, ?)"
_CONTENT = "SELECT content FROM added_movies WHERE movie_id = ?"
_ALL_EVENTS = "SELECT user_id, movie_id, rating, rated_at FROM events ORDER BY seq"


class SqliteStore:
    """A FeatureStore in one file, held by one gateway.

    Raises:
      StoreError: the file cannot be opened as a database, or another gateway holds it.
    """

    def __init__(self, path: Path) -> None:
        self._file = SqliteFile(path, _SCHEMA)
        # Nobody else writes to the file: what this process knows of it stays true.
        self._has_events = self._file.first_row("SELECT 1 FROM events LIMIT 1") is not None
        self._kept: Kept[UserId, tuple[Version, StoredUser]] = Kept(
            RATINGS_KEPT, lambda kept: kept[1].weight
        )

    def __enter__(self) -> SqliteStore:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file; no thread may use the store any more."""
        self._file.close()

    def read(self, version: Version, user_id: UserId) -> StoredUser | None:
        """The same object as the last time, where nothing was written since."""
        kept = self._kept.get(user_id)
        if kept is not None and kept[0] == version:
            return kept[1]
        generation = self._kept.generation
        stored = self._read(version, user_id)
        if stored is not None:
            self._kept.put(user_id, (version, stored), generation)
        return stored

    def _read(self, version: Version, user_id: UserId) -> StoredUser | None:
        row = self._file.first_row(_READ, version, user_id)
        stored = None if row is None else _decode(row)
        if not self._has_events:
            return stored
        return with_recorded(stored, [_event(e) for e in self._file.rows(_READ_EVENTS, user_id)])

    def record(self, events: Sequence[RatingEvent], request_id: str, receipt: Receipt) -> Receipt:
        try:
            with self._file.transaction() as connection:
                if earlier := _kept(connection, request_id, receipt):
                    return earlier
                # Before the commit, after which every read must look.
                self._has_events = True
                connection.executemany(
                    _WRITE_EVENT,
                    ((e.user_id, e.movie_id, e.rating, e.rated_at) for e in events),
                )
        finally:
            # Whatever became of the commit: who is read anew is right in any case.
            self._kept.forget({event.user_id for event in events})
        return receipt

    def add_movies(
        self, movies: Sequence[AddedMovie], request_id: str, receipt: Receipt
    ) -> Receipt:
        with self._file.transaction() as connection:
            if earlier := _kept(connection, request_id, receipt):
                return earlier
            for movie in movies:
                row = (movie.movie_id, movie_content(movie))
                connection.execute(_ADD_MOVIE, row)
                (content,) = connection.execute(_CONTENT, (movie.movie_id,)).fetchone()
                if content != row[1]:
                    raise MovieExists(movie.movie_id)
        return receipt

    def added_movies(self) -> list[AddedMovie]:
        rows = self._file.rows("SELECT movie_id, content FROM added_movies ORDER BY seq")
        return [added_movie(*row) for row in rows]

    def n_added_movies(self) -> int:
        (row,) = self._file.rows("SELECT count(*) FROM added_movies")
        return int(row[0])

    def secret(self, name: str) -> bytes:
        with self._file.transaction() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO secrets VALUES (?, ?)", (name, secrets.token_bytes(32))
            )
            (value,) = connection.execute(
                "SELECT value FROM secrets WHERE name = ?", (name,)
            ).fetchone()
        return bytes(value)

    def is_loaded(self, version: Version, fingerprint: str) -> bool:
        row = self._file.first_row(
            "SELECT fingerprint, completed FROM loads WHERE version = ?", version
        )
        return bool(row == (fingerprint, 1))

    def load(
        self, version: Version, fingerprint: str, users: Iterable[tuple[UserId, StoredUser]]
    ) -> None:
        if self.is_loaded(version, fingerprint):
            return
        remaining = islice(users, self._begin(version, fingerprint), None)
        self._kept.forget_all()
        while batch := list(islice(remaining, _USERS_PER_TRANSACTION)):
            with self._file.transaction() as connection:
                connection.executemany(_WRITE, (_encode(version, *entry) for entry in batch))
                connection.execute(
                    "UPDATE loads SET users = users + ?, ratings = ratings + ? WHERE version = ?",
                    (len(batch), sum(len(user.history) for _, user in batch), version),
                )
        with self._file.transaction() as connection:
            connection.execute("UPDATE loads SET completed = 1 WHERE version = ?", (version,))
        # Whoever was read while the rows were written.
        self._kept.forget_all()

    def keep_only(self, versions: Collection[Version]) -> None:
        with self._file.transaction() as connection:
            held = [row[0] for row in connection.execute("SELECT version FROM loads")]
            for version in set(held) - set(versions):
                connection.execute("DELETE FROM users WHERE version = ?", (version,))
                connection.execute("DELETE FROM loads WHERE version = ?", (version,))
        self._kept.forget_all()

    def counts(self, version: Version) -> StoreCounts:
        row = self._file.first_row(
            "SELECT users, ratings FROM loads WHERE version = ? AND completed", version
        )
        return StoreCounts(*(row or (0, 0)))

    def state(self) -> str:
        try:
            self._file.first_row("SELECT 1 FROM loads LIMIT 1")
        except StoreError as error:
            return f"sqlite: {error}"
        return "sqlite: ready"

    def _begin(self, version: Version, fingerprint: str) -> int:
        """Starts or resumes a load; returns the users that are there already."""
        with self._file.transaction() as connection:
            row = connection.execute(
                "SELECT fingerprint, users FROM loads WHERE version = ?", (version,)
            ).fetchone()
            if row is not None and row[0] == fingerprint:
                return int(row[1])
            connection.execute("DELETE FROM users WHERE version = ?", (version,))
            connection.execute(
                "INSERT OR REPLACE INTO loads VALUES (?, ?, 0, 0, 0)", (version, fingerprint)
            )
            return 0


def read_events(path: Path) -> Iterator[RatingEvent]:
    """Every recorded rating in the order of recording, as of one moment; a gateway may be running.

    Raises:
      StoreError: the file is missing or is no feature store.
    """
    with opened_read_only(path) as connection:
        yield from map(_event, connection.execute(_ALL_EVENTS))


def _kept(connection: sqlite3.Connection, request_id: str, receipt: Receipt) -> Receipt | None:
    """The receipt that is there under a request id; where none is, this one is from now on."""
    if not request_id:
        return None
    earlier = connection.execute(
        "SELECT digest, answer FROM receipts WHERE request_id = ?", (request_id,)
    ).fetchone()
    if earlier is not None:
        return Receipt(*earlier)
    connection.execute(
        "INSERT INTO receipts VALUES (?, ?, ?)", (request_id, receipt.digest, receipt.answer)
    )
    return None


def _event(row: Sequence[Any]) -> RatingEvent:
    user_id, movie_id, rating, rated_at = row[:4]
    return RatingEvent(UserId(user_id), MovieId(movie_id), rating, rated_at)


def _encode(version: Version, user_id: UserId, user: StoredUser) -> tuple[object, ...]:
    history, profile = user.history, user.profile
    return (
        version,
        user_id,
        profile.age,
        profile.gender,
        profile.occupation,
        _ID_SEPARATOR.join(history.movie_ids),
        np.asarray(history.ratings, "<f4").tobytes(),
        np.asarray(history.rated_at, "<i8").tobytes(),
    )


def _decode(row: tuple[Any, ...]) -> StoredUser:
    age, gender, occupation, movie_ids, ratings, rated_at = row
    ids = movie_ids.split(_ID_SEPARATOR) if movie_ids else []
    history = History(
        # Of each id one string, whoever's history it is in.
        tuple(map(MovieId, map(sys.intern, ids))),
        tuple(np.frombuffer(ratings, "<f4").tolist()),
        tuple(np.frombuffer(rated_at, "<i8").tolist()),
    )
    return StoredUser(Profile(age, gender, occupation), history)
