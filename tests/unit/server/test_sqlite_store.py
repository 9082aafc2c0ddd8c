"""The embedded feature store: loads that can stop anywhere, releases side by side."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.domain import History, MovieId, Profile, StoredUser, UserId, Version
from server.features.sqlite import SqliteStore
from server.features.store import StoreCounts, StoreError

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


def test_a_user_comes_back_whole(store: SqliteStore) -> None:
    """One read gives profile and history as they were written; strangers are None."""
    expected = StoredUser(
        Profile(25, "F", "student"),
        History((MovieId("m2"), MovieId("ü 1")), (1.5, 4.0), (0, 2**40)),
    )

    store.load(V1, "a", [(UserId("7"), expected), (UserId("8"), user())])

    assert store.read(V1, UserId("7")) == expected
    assert store.read(V1, UserId("8")) == user()
    assert store.read(V1, UserId("9")) is None
    assert store.read(V2, UserId("7")) is None
    assert store.counts(V1) == StoreCounts(users=2, ratings=2)


def test_a_load_that_broke_off_is_not_loaded_and_resumes(store: SqliteStore) -> None:
    """What a broken load committed stays; the next one goes on behind it and completes."""

    def breaking() -> Iterator[tuple[UserId, StoredUser]]:
        for n, entry in enumerate(crowd(2500)):
            if n == 1700:
                raise OSError("the disk went away")
            yield entry

    with pytest.raises(OSError, match="disk"):
        store.load(V1, "a", breaking())
    assert not store.is_loaded(V1, "a")
    assert store.counts(V1) == StoreCounts(0, 0)
    assert store.read(V1, UserId("u999")) is not None

    # Ages tell the two runs apart: only users behind the first 1000 are written again.
    store.load(V1, "a", crowd(2500, age=50))

    assert store.is_loaded(V1, "a")
    assert store.counts(V1) == StoreCounts(2500, 2500)
    ages = [store.read(V1, UserId(f"u{n}")).profile.age for n in (0, 999, 1000, 2499)]  # type: ignore[union-attr]
    assert ages == [0, 0, 50, 50]


def test_a_load_again_changes_nothing(store: SqliteStore) -> None:
    """The same release is not read twice; another content under its version replaces it."""
    store.load(V1, "a", crowd(3))

    store.load(V1, "a", crowd(5, age=50))
    assert store.counts(V1) == StoreCounts(3, 3)

    store.load(V1, "b", crowd(2, age=60))
    assert not store.is_loaded(V1, "a")
    assert store.read(V1, UserId("u0")).profile.age == 60  # type: ignore[union-attr]
    assert store.read(V1, UserId("u2")) is None


def test_releases_stand_side_by_side_until_dropped(store: SqliteStore) -> None:
    """keep_only drops every other release and nothing of those named."""
    store.load(V1, "a", crowd(2, age=1))
    store.load(V2, "b", crowd(2, age=2))
    assert store.read(V1, UserId("u0")).profile.age == 1  # type: ignore[union-attr]
    assert store.read(V2, UserId("u0")).profile.age == 2  # type: ignore[union-attr]

    store.keep_only({V2})

    assert store.read(V1, UserId("u0")) is None
    assert not store.is_loaded(V1, "a")
    assert store.read(V2, UserId("u0")) is not None


def test_a_store_survives_its_process(tmp_path: Path) -> None:
    """A loaded release is there when the file is opened again."""
    with SqliteStore(tmp_path / "s") as first:
        first.load(V1, "a", crowd(2))

    with SqliteStore(tmp_path / "s") as second:
        assert second.is_loaded(V1, "a")
        assert second.read(V1, UserId("u1")) is not None


def test_durability_settings(store: SqliteStore) -> None:
    """The journal is WAL and synchronous is FULL (2), on every thread's connection."""
    seen: list[tuple[str, int]] = []

    def look() -> None:
        connection = store._connection()
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


def test_closing_closes_the_connections_of_all_threads(tmp_path: Path) -> None:
    """After close no connection answers, whichever thread opened it."""
    store = SqliteStore(tmp_path / "s")
    opened: list[sqlite3.Connection] = []
    thread = threading.Thread(target=lambda: opened.append(store._connection()))
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


def test_a_database_that_breaks_later_is_a_store_error(tmp_path: Path) -> None:
    """Reading and filling name the file and what SQLite says."""
    with SqliteStore(tmp_path / "s") as store:
        store._connection().execute("DROP TABLE users")

        with pytest.raises(StoreError, match=r"the feature store .*/s: no such table: users"):
            store.read(V1, UserId("u0"))
        with pytest.raises(StoreError, match="no such table"):
            store.load(V1, "a", crowd(1))
