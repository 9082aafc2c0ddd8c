"""What is SQLite's own about the embedded feature store: the file, its durability, its damage."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.domain import (
    History,
    MovieId,
    Profile,
    RatingEvent,
    StoredUser,
    UserId,
    Version,
)
from server.features.sqlite import SqliteStore
from server.features.store import Receipt, StoreError

V1, V2 = Version(1), Version(2)


def user(*movie_ids: str, age: int = 0) -> StoredUser:
    ids = tuple(map(MovieId, movie_ids))
    return StoredUser(
        Profile(age, "F", "student"), History(ids, (2.5,) * len(ids), (7,) * len(ids))
    )


def crowd(n_users: int, age: int = 0) -> Iterator[tuple[UserId, StoredUser]]:
    for n in range(n_users):
        yield UserId(f"u{n}"), user("m1", age=age)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    with SqliteStore(tmp_path / "sub" / "store.sqlite3") as opened:
        yield opened


def test_durability_settings(store: SqliteStore) -> None:
    """The journal is WAL and synchronous is FULL (2), on every thread's connection."""
    seen: list[tuple[str, int]] = []

    def look() -> None:
        connection = store._file.connection()
        seen.append(
            (
                connection.execute("PRAGMA journal_mode").fetchone()[0],
                connection.execute("PRAGMA synchronous").fetchone()[0],
            )
        )

    look()
    thread = threading.Thread(target=look)
    thread.start()
    thread.join()

    assert seen == [("wal", 2)] * 2


def test_a_user_is_read_once_until_something_changes(store: SqliteStore) -> None:
    """The same object for the same release, whatever became of the table; another after a write."""
    store.load(V1, "a", crowd(2))
    first = store.read(V1, UserId("u0"))
    store._file.connection().execute("UPDATE users SET age = 99")

    assert store.read(V1, UserId("u0")) is first
    rated = RatingEvent(UserId("u0"), MovieId("m9"), 3.0, 8)
    store.record([rated], "", Receipt("digest", "answer"))
    changed = store.read(V1, UserId("u0"))
    assert changed
    assert changed.profile.age == 99


def test_closing_closes_the_connections_of_all_threads(tmp_path: Path) -> None:
    """After close no connection answers, whichever thread opened it."""
    store = SqliteStore(tmp_path / "s")
    opened: list[sqlite3.Connection] = []
    thread = threading.Thread(target=lambda: opened.append(store._file.connection()))
    thread.start()
    thread.join()

    store.close()

    with pytest.raises(sqlite3.ProgrammingError):
        opened[0].execute("SELECT 1")


def test_a_file_that_is_no_database_is_refused_with_its_name(tmp_path: Path) -> None:
    """A corrupt file is a StoreError that names it."""
    (tmp_path / "s").write_bytes(b"no database" * 100)

    with pytest.raises(StoreError, match="cannot be opened"):
        SqliteStore(tmp_path / "s")


def test_a_damaged_file_is_refused_with_the_remedy(tmp_path: Path) -> None:
    """Rows that are overwritten are found when the store is opened, not when a user asks."""
    path = tmp_path / "s"
    with SqliteStore(path) as store:
        store.load(V1, "a", crowd(2000))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] + b"x" * (len(whole) - len(whole) // 2))

    with pytest.raises(StoreError, match=r"/s is damaged.*remove it"):
        SqliteStore(path)


def test_a_file_that_another_gateway_uses_is_refused(tmp_path: Path) -> None:
    """Two gateways would drop each other's releases: the second is told, until the first ends."""
    with (
        SqliteStore(tmp_path / "s"),
        pytest.raises(StoreError, match=r"another gateway.*--store-path"),
    ):
        SqliteStore(tmp_path / "s")

    with SqliteStore(tmp_path / "s") as heir:
        assert heir.state() == "sqlite: ready"


def test_a_link_to_a_file_in_use_is_that_file(tmp_path: Path) -> None:
    """Under another name, or in another folder, it is the same store."""
    (tmp_path / "linked").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "other").symlink_to(tmp_path / "s")
    with SqliteStore(tmp_path / "s"):
        for path in (tmp_path / "other", tmp_path / "linked" / "s"):
            with pytest.raises(StoreError, match="another gateway"):
                SqliteStore(path)


def test_a_database_that_breaks_later_is_a_store_error(tmp_path: Path) -> None:
    """Reading and filling name the file and what SQLite says."""
    with SqliteStore(tmp_path / "s") as store:
        store._file.connection().execute("DROP TABLE users")

        with pytest.raises(StoreError, match=r"the feature store .*/s: no such table: users"):
            store.read(V1, UserId("u0"))
        with pytest.raises(StoreError, match="no such table"):
            store.load(V1, "a", crowd(1))
