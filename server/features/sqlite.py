"""The embedded feature store: one SQLite file in WAL mode, a row for each user of a release."""

from __future__ import annotations

import fcntl
import sqlite3
import threading
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np

from server.domain import History, MovieId, Profile, StoredUser, UserId, Version
from server.features.store import StoreCounts, StoreError

_USERS_PER_TRANSACTION = 1000
_BUSY_TIMEOUT_S = 5.0

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
"""

_READ = (
    "SELECT age, gender, occupation, movie_ids, ratings, rated_at FROM users"
    " WHERE version = ? AND user_id = ?"
)
_WRITE = "INSERT OR REPLACE INTO users VALUES (?, ?, ?, ?, ?, ?, ?, ?)"


class SqliteStore:
    """A FeatureStore in one file, held by one gateway; a connection for each thread.

    Raises:
      StoreError: the file cannot be opened as a database, or another gateway holds it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()
        self._lock = threading.Lock()
        self._connections: list[sqlite3.Connection] = []
        self._claim: IO[str] | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._claim = _claimed(path)
            self._connection().executescript(_SCHEMA)
            self._check()
        except (OSError, sqlite3.Error) as error:
            self.close()
            raise StoreError(f"the feature store {path} cannot be opened: {error}") from error
        except StoreError:
            self.close()
            raise

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
        """Closes the connections of all threads; none may use the store any more."""
        with self._lock:
            while self._connections:
                self._connections.pop().close()
        if self._claim is not None:
            self._claim.close()

    def read(self, version: Version, user_id: UserId) -> StoredUser | None:
        row = self._first_row(_READ, version, user_id)
        return None if row is None else _decode(row)

    def is_loaded(self, version: Version, fingerprint: str) -> bool:
        row = self._first_row("SELECT fingerprint, completed FROM loads WHERE version = ?", version)
        return bool(row == (fingerprint, 1))

    def load(
        self, version: Version, fingerprint: str, users: Iterable[tuple[UserId, StoredUser]]
    ) -> None:
        if self.is_loaded(version, fingerprint):
            return
        remaining = islice(users, self._begin(version, fingerprint), None)
        while batch := list(islice(remaining, _USERS_PER_TRANSACTION)):
            with self._transaction() as connection:
                connection.executemany(_WRITE, (_encode(version, *entry) for entry in batch))
                connection.execute(
                    "UPDATE loads SET users = users + ?, ratings = ratings + ? WHERE version = ?",
                    (len(batch), sum(len(user.history) for _, user in batch), version),
                )
        with self._transaction() as connection:
            connection.execute("UPDATE loads SET completed = 1 WHERE version = ?", (version,))

    def keep_only(self, versions: Collection[Version]) -> None:
        with self._transaction() as connection:
            held = [row[0] for row in connection.execute("SELECT version FROM loads")]
            for version in set(held) - set(versions):
                connection.execute("DELETE FROM users WHERE version = ?", (version,))
                connection.execute("DELETE FROM loads WHERE version = ?", (version,))

    def counts(self, version: Version) -> StoreCounts:
        row = self._first_row(
            "SELECT users, ratings FROM loads WHERE version = ? AND completed", version
        )
        return StoreCounts(*(row or (0, 0)))

    def state(self) -> str:
        try:
            self._first_row("SELECT 1 FROM loads LIMIT 1")
        except StoreError as error:
            return f"sqlite: {error}"
        return "sqlite: ready"

    def _check(self) -> None:
        """Looks at every page now: a user's request is no time to find out."""
        (found,) = self._connection().execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise StoreError(
                f"the feature store {self._path} is damaged: {' '.join(found.split())};"
                " remove it and the release's users are filled in again"
            )

    def _first_row(self, query: str, *parameters: object) -> tuple[Any, ...] | None:
        try:
            row: tuple[Any, ...] | None = self._connection().execute(query, parameters).fetchone()
        except sqlite3.Error as error:
            raise self._failure(error) from error
        return row

    def _begin(self, version: Version, fingerprint: str) -> int:
        """Starts or resumes a load; returns the users that are there already."""
        with self._transaction() as connection:
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

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            connection = self._connection()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise self._failure(error) from error

    def _failure(self, error: sqlite3.Error) -> StoreError:
        return StoreError(f"the feature store {self._path}: {error}")

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(
                self._path,
                timeout=_BUSY_TIMEOUT_S,
                isolation_level=None,
                # Used by its own thread only, but closed by the one that shuts down.
                check_same_thread=False,
            )
            with self._lock:
                self._connections.append(connection)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            # A user is one row: a page cache for each thread would only cost memory.
            connection.execute("PRAGMA cache_size = -512")
            self._local.connection = connection
        return connection


def _claimed(path: Path) -> IO[str]:
    """A file that holds the store for this process until it is closed or the process ends.

    A release belongs to the gateway that loaded it: another one, perhaps of another models folder,
    would replace it under the same version, or drop it while it answers.

    Raises:
      StoreError: another gateway holds it.
    """
    claim = path.with_name(f"{path.name}.lock").open("w", encoding="utf-8")
    try:
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        claim.close()
        raise StoreError(
            f"the feature store {path} is in use by another gateway; give this one its own"
            " with --store-path"
        ) from error
    return claim


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
        tuple(map(MovieId, ids)),
        tuple(np.frombuffer(ratings, "<f4").tolist()),
        tuple(np.frombuffer(rated_at, "<i8").tolist()),
    )
    return StoredUser(Profile(age, gender, occupation), history)
