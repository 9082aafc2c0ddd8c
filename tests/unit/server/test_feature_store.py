"""What every feature store does, asked of each engine."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis import Redis

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
from server.features.redis import RedisStore
from server.features.sqlite import SqliteStore
from server.features.store import FeatureStore, Receipt, StoreCounts
from tests.redis_server import RedisServer

V1, V2 = Version(1), Version(2)

Reopen = Callable[[], FeatureStore]


def user(*movie_ids: str, age: int = 0) -> StoredUser:
    ids = tuple(map(MovieId, movie_ids))
    return StoredUser(
        Profile(age, "F", "student"), History(ids, (2.5,) * len(ids), (7,) * len(ids))
    )


def crowd(n_users: int, age: int = 0) -> Iterator[tuple[UserId, StoredUser]]:
    for n in range(n_users):
        yield UserId(f"u{n}"), user("m1", age=age)


def event(user_id: str, movie_id: str, rating: float | None, rated_at: int = 10) -> RatingEvent:
    return RatingEvent(UserId(user_id), MovieId(movie_id), rating, rated_at)


RECEIPT = Receipt("digest", "answer")


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(params=["sqlite", "redis"])
def reopen(
    request: pytest.FixtureRequest, tmp_path: Path, redis_server: RedisServer
) -> Iterator[Reopen]:
    """Opens the store, closing what was open before: what a restart of the gateway does."""
    opened: list[SqliteStore | RedisStore] = []
    if request.param == "redis":
        with Redis.from_url(redis_server.url) as client:
            client.flushall()

    def again() -> FeatureStore:
        while opened:
            opened.pop().close()
        if request.param == "sqlite":
            opened.append(SqliteStore(tmp_path / "sub" / "store.sqlite3"))
        else:
            opened.append(RedisStore(redis_server.url, timeout_s=10, drop_after_s=0))
        return opened[0]

    yield again
    for store in opened:
        store.close()


@pytest.fixture
def store(reopen: Reopen) -> FeatureStore:
    return reopen()


def test_a_user_comes_back_whole(store: FeatureStore) -> None:
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


def test_a_load_that_broke_off_is_not_loaded_and_resumes(store: FeatureStore) -> None:
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


def test_a_load_again_changes_nothing(store: FeatureStore) -> None:
    """The same release is not read twice; another content under its version replaces it."""
    store.load(V1, "a", crowd(3))

    store.load(V1, "a", crowd(5, age=50))
    assert store.counts(V1) == StoreCounts(3, 3)

    store.load(V1, "b", crowd(2, age=60))
    assert not store.is_loaded(V1, "a")
    assert store.read(V1, UserId("u0")).profile.age == 60  # type: ignore[union-attr]
    assert store.read(V1, UserId("u2")) is None


def test_releases_stand_side_by_side_until_dropped(store: FeatureStore) -> None:
    """keep_only drops every other release and nothing of those named."""
    store.load(V1, "a", crowd(2, age=1))
    store.load(V2, "b", crowd(2, age=2))
    assert store.read(V1, UserId("u0")).profile.age == 1  # type: ignore[union-attr]
    assert store.read(V2, UserId("u0")).profile.age == 2  # type: ignore[union-attr]

    store.keep_only({V2})

    assert store.read(V1, UserId("u0")) is None
    assert not store.is_loaded(V1, "a")
    assert store.read(V2, UserId("u0")) is not None


def test_a_store_survives_its_process(reopen: Reopen) -> None:
    """A loaded release and what was recorded are there when the store is opened again."""
    first = reopen()
    first.load(V1, "a", crowd(2))
    first.record([event("u1", "m9", 4.0)], "r", RECEIPT)

    second = reopen()

    assert second.is_loaded(V1, "a")
    assert second.read(V1, UserId("u1")) == StoredUser(
        Profile(0, "F", "student"), History((MovieId("m1"), MovieId("m9")), (2.5, 4.0), (7, 10))
    )
    assert second.record([event("u1", "m8", 1.0)], "r", Receipt("x", "y")) == RECEIPT


def test_recorded_ratings_are_part_of_every_release(store: FeatureStore) -> None:
    """New, re-rated and taken back: the next read shows it, whatever version it asks for."""
    store.load(V1, "a", [(UserId("7"), user("m1", "m2", "m3"))])
    store.load(V2, "b", [(UserId("7"), user("m3"))])

    store.record(
        [event("7", "m1", 5.0), event("7", "m2", None), event("7", "m4", 1.0)], "", RECEIPT
    )

    profile = Profile(0, "F", "student")
    assert store.read(V1, UserId("7")) == StoredUser(
        profile, History(("m3", "m1", "m4"), (2.5, 5.0, 1.0), (7, 10, 10))
    )
    assert store.read(V2, UserId("7")) == StoredUser(
        profile, History(("m3", "m1", "m4"), (2.5, 5.0, 1.0), (7, 10, 10))
    )


def test_the_last_event_of_a_movie_counts(store: FeatureStore) -> None:
    """Rated, re-rated, taken back, rated once more: in the order of recording, not of time."""
    store.record([event("7", "m1", 5.0, 50), event("7", "m1", 4.0, 40)], "", RECEIPT)
    assert store.read(V1, UserId("7")).history == History(("m1",), (4.0,), (40,))  # type: ignore[union-attr]

    store.record([event("7", "m1", None, 60)], "", RECEIPT)
    assert store.read(V1, UserId("7")).history == History()  # type: ignore[union-attr]

    store.record([event("7", "m1", 2.0, 30)], "", RECEIPT)
    assert store.read(V1, UserId("7")).history == History(("m1",), (2.0,), (30,))  # type: ignore[union-attr]


def test_a_read_never_lags_behind_a_write(store: FeatureStore) -> None:
    """Who was read before reads anew after a rating, a load, a drop; others do not change."""
    store.load(V1, "a", crowd(2))
    one, other = UserId("u0"), UserId("u1")
    assert [store.read(V1, who) for who in (one, other)] == [user("m1")] * 2

    store.record([event("u0", "m2", 4.0)], "", RECEIPT)
    changed = store.read(V1, one)
    assert changed
    assert changed.history.movie_ids == ("m1", "m2")
    assert store.read(V1, other) == user("m1")

    store.load(V2, "b", crowd(2, age=30))
    assert store.read(V2, other) == user("m1", age=30)
    assert store.read(V1, other) == user("m1")
    store.load(V2, "c", crowd(1, age=40))
    assert store.read(V2, other) is None
    store.keep_only([V2])
    assert store.read(V1, other) is None


def test_a_request_id_stores_once(store: FeatureStore) -> None:
    """The second write under an id appends nothing and gives the first one's receipt."""
    first = store.record([event("7", "m1", 5.0)], "id", RECEIPT)
    again = store.record([event("7", "m2", 5.0)], "id", Receipt("other", "other"))
    other = store.record([event("7", "m3", 5.0)], "id 2", Receipt("third", "3"))

    assert (first, again, other) == (RECEIPT, RECEIPT, Receipt("third", "3"))
    assert store.read(V1, UserId("7")).history.movie_ids == ("m1", "m3")  # type: ignore[union-attr]


def test_no_request_id_stores_every_time(store: FeatureStore) -> None:
    """Without an id two writes are two writes."""
    store.record([event("7", "m1", 5.0)], "", RECEIPT)
    store.record([event("7", "m2", 5.0)], "", RECEIPT)

    assert store.read(V1, UserId("7")).history.movie_ids == ("m1", "m2")  # type: ignore[union-attr]


def test_dropping_releases_keeps_what_was_recorded(store: FeatureStore) -> None:
    """keep_only forgets snapshots, never events: they survive every switch."""
    store.load(V1, "a", [(UserId("7"), user("m1"))])
    store.record([event("7", "m2", 5.0), event("8", "m1", 3.0)], "", RECEIPT)

    store.keep_only({V2})

    assert store.read(V1, UserId("7")).history.movie_ids == ("m2",)  # type: ignore[union-attr]
    assert store.read(V2, UserId("8")).history.ratings == (3.0,)  # type: ignore[union-attr]
    assert store.read(V2, UserId("9")) is None


def movie(movie_id: str, title: str = "Ünseen", *tags: str) -> AddedMovie:
    return AddedMovie(MovieId(movie_id), title, 2027, ("Drama", "Sci-Fi"), tags)


def test_added_movies_come_back_in_order(reopen: Reopen) -> None:
    """Whole, after a restart too; the same movie again changes nothing."""
    first = reopen()
    assert (first.n_added_movies(), list(first.added_movies())) == (0, [])
    first.add_movies([movie("z", "One", "t1", "t2"), movie("a")], "r", RECEIPT)
    first.add_movies([movie("a"), movie("m")], "", RECEIPT)

    second = reopen()

    assert list(second.added_movies()) == [movie("z", "One", "t1", "t2"), movie("a"), movie("m")]
    assert second.n_added_movies() == 3


def test_an_added_movie_is_never_another_one(store: FeatureStore) -> None:
    """Other content under a known id adds nothing at all, and the request id stays free."""
    store.add_movies([movie("a")], "", RECEIPT)

    with pytest.raises(MovieExists):
        store.add_movies([movie("b"), movie("a", "Other")], "r", RECEIPT)

    assert list(store.added_movies()) == [movie("a")]
    assert store.add_movies([movie("c")], "r", Receipt("new", "1")) == Receipt("new", "1")


def test_request_ids_of_ratings_and_movies_are_one_space(store: FeatureStore) -> None:
    """A request id that recorded ratings adds no movies: the first receipt comes back."""
    store.record([event("7", "m1", 5.0)], "r", RECEIPT)

    assert store.add_movies([movie("a")], "r", Receipt("x", "y")) == RECEIPT
    assert store.n_added_movies() == 0


def test_a_secret_is_made_once(reopen: Reopen) -> None:
    """32 random bytes, the same after a restart, another one for another name."""
    first = reopen()
    made, other = first.secret("a"), first.secret("b")

    assert len(made) == len(other) == 32
    assert made != other
    assert reopen().secret("a") == made


def test_writers_do_not_lose_each_others_ratings(store: FeatureStore) -> None:
    """Eight threads record fifty ratings each; two of them race for one request id."""
    receipts: list[Receipt] = []

    def write(writer: int) -> None:
        for n in range(50):
            store.record([event(f"u{writer}", f"m{n}", 3.0)], f"{writer} {n}", RECEIPT)
        receipts.append(
            store.record([event("all", f"m{writer}", 3.0)], "r", Receipt("", str(writer)))
        )

    threads = [threading.Thread(target=write, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    lengths = [len(store.read(V1, UserId(f"u{n}")).history) for n in range(8)]  # type: ignore[union-attr]
    assert lengths == [50] * 8
    assert len(set(receipts)) == 1
    assert store.read(V1, UserId("all")).history.movie_ids == (f"m{receipts[0].answer}",)  # type: ignore[union-attr]


def test_a_store_that_works_says_so(store: FeatureStore) -> None:
    """The state names the engine."""
    assert store.state().endswith(": ready")
