"""One SQLite database: a connection for each thread, transactions, a claim on the file."""

from __future__ import annotations

import fcntl
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from server.features.store import StoreError

_BUSY_TIMEOUT_S = 5.0


class SqliteFile:
    """A database in WAL mode, held by one gateway; shared by its threads.

    Raises:
      StoreError: the file cannot be opened as a database, is damaged, or another gateway holds it.
    """

    def __init__(self, path: Path, schema: str) -> None:
        self._path = path
        self._local = threading.local()
        self._lock = threading.Lock()
        # SQLite lets one writer in and makes the others try again: a queue is fairer and faster.
        self._writing = threading.Lock()
        self._connections: list[sqlite3.Connection] = []
        self._claim: IO[str] | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._claim = _claimed(path)
            self.connection().executescript(schema)
            self._check()
        except (OSError, sqlite3.Error) as error:
            self.close()
            raise StoreError(f"the feature store {path} cannot be opened: {error}") from error
        except StoreError:
            self.close()
            raise

    def close(self) -> None:
        """Closes the connections of all threads; none may use the file any more."""
        with self._lock:
            while self._connections:
                self._connections.pop().close()
        if self._claim is not None:
            self._claim.close()

    def rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """What a query finds.

        Raises:
          StoreError: SQLite fails.
        """
        try:
            return self.connection().execute(query, parameters).fetchall()
        except sqlite3.Error as error:
            raise self._failure(error) from error

    def first_row(self, query: str, *parameters: object) -> tuple[Any, ...] | None:
        """The first row that a query finds.

        Raises:
          StoreError: SQLite fails.
        """
        return next(iter(self.rows(query, *parameters)), None)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A writing transaction: whole and on the disk when the block has ended, or not at all.

        Raises:
          StoreError: SQLite fails.
        """
        try:
            connection = self.connection()
            with self._writing:
                connection.execute("BEGIN IMMEDIATE")
                try:
                    yield connection
                except BaseException:
                    connection.execute("ROLLBACK")
                    raise
                connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise self._failure(error) from error

    def connection(self) -> sqlite3.Connection:
        """This thread's own connection."""
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

    def _check(self) -> None:
        """Looks at every page now: a user's request is no time to find out."""
        (found,) = self.connection().execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise StoreError(
                f"the feature store {self._path} is damaged: {' '.join(found.split())}; restore a"
                " backup, or save what was recorded with `python -m server export-events` and"
                " remove it: the release's users are filled in again"
            )

    def _failure(self, error: sqlite3.Error) -> StoreError:
        return StoreError(f"the feature store {self._path}: {error}")


@contextmanager
def opened_read_only(path: Path) -> Iterator[sqlite3.Connection]:
    """The database as it is at this moment, beside a gateway that may be writing to it.

    Raises:
      StoreError: the file is missing or cannot be read as a database.
    """
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            # All reads of one transaction see the same moment.
            connection.execute("BEGIN")
            yield connection
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise StoreError(f"the feature store {path} cannot be read: {error}") from error


def _claimed(path: Path) -> IO[str]:
    """A file that holds the store for this process until it is closed or the process ends.

    A release belongs to the gateway that loaded it: another one, perhaps of another models folder,
    would replace it under the same version, or drop it while it answers. And each keeps users in
    memory, whom the other would change. A symbolic link to a file is the same file.

    Raises:
      StoreError: another gateway holds it.
    """
    file = path.resolve()
    claim = file.with_name(f"{file.name}.lock").open("w", encoding="utf-8")
    try:
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        claim.close()
        raise StoreError(
            f"the feature store {path} is in use by another gateway; give this one its own"
            " with --store-path"
        ) from error
    return claim
