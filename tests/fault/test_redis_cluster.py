"""The feature store on a Redis Cluster of three nodes, each with a third of the slots."""

from __future__ import annotations

import random
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from redis import Redis
from redis.exceptions import RedisError

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
from server.features.store import Receipt, StoreCounts
from tests.fault.waiting import eventually
from tests.redis_server import redis_binary

V1 = Version(1)
N_SLOTS = 16384
BUS = 10_000
"""A node talks to the others on its port and this many above."""


def free_ports(n_ports: int) -> list[int]:
    """Ports that are free now, and whose buses are."""
    found: list[int] = []
    while len(found) < n_ports:
        port = random.randint(20_000, 50_000)  # noqa: S311 - no secret
        with ExitStack() as stack:
            try:
                for number in (port, port + BUS):
                    stack.enter_context(socket.create_server(("127.0.0.1", number)))
            except OSError:
                continue
        found.append(port)
    return found


def answers(port: int) -> bool:
    with Redis(port=port) as node:
        try:
            return bool(node.ping())
        except RedisError:
            return False


def agrees(port: int) -> bool:
    with Redis(port=port) as node:
        info = node.execute_command("CLUSTER INFO")
        return info["cluster_state"] == "ok" and int(info["cluster_known_nodes"]) == 3


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    ports = free_ports(3)
    with ExitStack() as stack:
        for port in ports:
            folder = tmp_path_factory.mktemp(f"node{port}")
            command = [redis_binary(), "--port", str(port), "--bind", "127.0.0.1"]
            command += ["--dir", str(folder), "--save", "", "--cluster-enabled", "yes"]
            command += ["--appendonly", "yes", "--appendfsync", "always"]
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
            stack.callback(process.wait)
            stack.callback(process.kill)
        for position, port in enumerate(ports):
            eventually(lambda p=port: answers(p))
            low, high = (N_SLOTS * position // 3, N_SLOTS * (position + 1) // 3)
            with Redis(port=port) as node:
                node.execute_command("CLUSTER ADDSLOTS", *range(low, high))
                node.execute_command("CLUSTER MEET", "127.0.0.1", str(ports[0]))
        for port in ports:
            eventually(lambda p=port: agrees(p))
        yield f"redis://127.0.0.1:{ports[0]}"


@pytest.fixture
def store(url: str) -> Iterator[RedisStore]:
    with RedisStore(url, cluster=True, timeout_s=10, drop_after_s=0) as opened:
        yield opened


def test_users_are_spread_and_read_whole(store: RedisStore, url: str) -> None:
    """Three thousand users lie on all nodes; each comes back, with what was recorded of it."""
    profile = Profile(30, "F", "student")
    users = [
        (UserId(f"u{n}"), StoredUser(profile, History((MovieId("m1"),), (n / 2,), (7,))))
        for n in range(3000)
    ]
    store.load(V1, "a", iter(users))
    events = [RatingEvent(user_id, MovieId("m2"), 4.0, 9) for user_id, _ in users[:100]]
    receipt = Receipt("d", "a")
    assert store.record(events, "r", receipt) == receipt
    assert store.record(events, "r", Receipt("x", "y")) == receipt

    assert store.is_loaded(V1, "a")
    assert store.counts(V1) == StoreCounts(3000, 3000)
    assert store.read(V1, users[2999][0]) == users[2999][1]
    assert store.read(V1, users[50][0]) == StoredUser(
        profile, History((MovieId("m1"), MovieId("m2")), (25.0, 4.0), (7, 9))
    )
    assert list(store.events()) == events
    with Redis.from_url(url) as node:
        assert 500 < node.dbsize() < 2000

    store.keep_only(set())
    assert not store.is_loaded(V1, "a")
    assert store.read(V1, users[2999][0]) is None


def test_movies_and_secrets_are_shared(store: RedisStore, url: str) -> None:
    """What belongs to no user lies on one node and is written whole."""
    movie = AddedMovie(MovieId("new"), "New", 2027, ("Drama",), ())
    store.add_movies([movie], "movies", Receipt("d", "1"))
    other = AddedMovie(MovieId("new"), "Other", 2027, (), ())
    innocent = AddedMovie(MovieId("b"), "B", 1, (), ())
    with pytest.raises(MovieExists):
        store.add_movies([innocent, other], "", Receipt("d", "2"))

    with RedisStore(url, cluster=True, timeout_s=10) as second:
        assert second.added_movies() == [movie]
        assert second.secret("key") == store.secret("key")
    assert store.state() == "redis: ready"
