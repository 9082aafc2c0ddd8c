"""The feature store in Redis: one server, or a Cluster, shared by any number of gateways.

A release's users are spread over the Cluster's nodes by their ids. What callers record shares one
hash tag and so one node: only there can a request with many users be written whole. Redis must run
with `appendonly yes` and `appendfsync always`, or an acknowledged write may be lost.
"""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from types import TracebackType
from typing import Any, Final

from redis import Redis
from redis.backoff import NoBackoff
from redis.cluster import RedisCluster
from redis.exceptions import ConnectionError as LostConnection
from redis.exceptions import RedisError, ResponseError
from redis.retry import Retry

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
from server.features.recorded import added_movie, movie_content, with_recorded
from server.features.store import Receipt, StoreCounts, StoreError
from server.logs import fields

_USERS_PER_BATCH: Final = 1000

_LOAD: Final = "recserve:load:"
_USER: Final = "recserve:user:"
_EVENTS: Final = "recserve:{recorded}:events:"
_RECEIPTS: Final = "recserve:{recorded}:receipts"
_LOG: Final = "recserve:{recorded}:log"
_MOVIES: Final = "recserve:{recorded}:movies"
_MOVIE_ORDER: Final = "recserve:{recorded}:movie_order"
_SECRETS: Final = "recserve:{recorded}:secrets"

_EARLIER = """
if ARGV[1] ~= '' then
  local earlier = redis.call('HGET', KEYS[1], ARGV[1])
  if earlier then return earlier end
end
"""
_KEEP = """
if ARGV[1] ~= '' then redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) end
return ARGV[2]
"""
_RECORD = f"""
{_EARLIER}
for i = 3, #KEYS do
  local user, movie, content = ARGV[3 * i - 6], ARGV[3 * i - 5], ARGV[3 * i - 4]
  local seq = redis.call('XADD', KEYS[2], '*', 'user', user, 'movie', movie, 'content', content)
  redis.call('HSET', KEYS[i], movie, seq .. ' ' .. content)
end
{_KEEP}
"""
_ADD_MOVIES = f"""
{_EARLIER}
for i = 3, #ARGV, 2 do
  local there = redis.call('HGET', KEYS[2], ARGV[i])
  if there and there ~= ARGV[i + 1] then return {{ARGV[i]}} end
end
for i = 3, #ARGV, 2 do
  if redis.call('HSETNX', KEYS[2], ARGV[i], ARGV[i + 1]) == 1 then
    redis.call('RPUSH', KEYS[3], ARGV[i])
  end
end
{_KEEP}
"""

_log = logging.getLogger(__name__)


class RedisStore:
    """A FeatureStore in Redis.

    Args:
      url: redis://, rediss:// or unix://, as redis-py reads it.
      cluster: whether it is a node of a Redis Cluster.
      timeout_s: the longest wait for one answer.
      drop_after_s: how long the users of a release stay that this gateway has left: another one
        may answer from it for a while.

    Raises:
      StoreError: it cannot be reached.
    """

    def __init__(
        self,
        url: str,
        *,
        cluster: bool = False,
        timeout_s: float,
        drop_after_s: int = 24 * 3600,
    ) -> None:
        self._drop_after_s = drop_after_s
        # Once more on a connection that went stale; a server that hangs is not asked twice.
        options: dict[str, Any] = {
            "socket_timeout": timeout_s,
            "socket_connect_timeout": timeout_s,
            "retry": Retry(NoBackoff(), 1, supported_errors=(LostConnection,)),
        }
        with _failures():
            self._redis: Any = (RedisCluster if cluster else Redis).from_url(url, **options)
            self._redis.ping()
        self._record = self._redis.register_script(_RECORD)
        self._add_movies = self._redis.register_script(_ADD_MOVIES)
        self._tell_durability()

    def __enter__(self) -> RedisStore:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        self._redis.close()

    def read(self, version: Version, user_id: UserId) -> StoredUser | None:
        with _failures():
            pipeline = self._redis.pipeline(transaction=False)
            pipeline.get(_user_key(version, user_id))
            pipeline.hgetall(_EVENTS + user_id)
            stored, latest = pipeline.execute()
        return with_recorded(None if stored is None else _decode(stored), _events(user_id, latest))

    def record(self, events: Sequence[RatingEvent], request_id: str, receipt: Receipt) -> Receipt:
        keys = [_RECEIPTS, _LOG, *(_EVENTS + event.user_id for event in events)]
        values = [
            value
            for event in events
            for value in (event.user_id, event.movie_id, json.dumps([event.rating, event.rated_at]))
        ]
        with _failures():
            kept = self._record(keys=keys, args=[request_id, _to_text(receipt), *values])
        return _receipt(kept)

    def add_movies(
        self, movies: Sequence[AddedMovie], request_id: str, receipt: Receipt
    ) -> Receipt:
        keys = [_RECEIPTS, _MOVIES, _MOVIE_ORDER]
        values = [value for movie in movies for value in (movie.movie_id, movie_content(movie))]
        with _failures():
            kept = self._add_movies(keys=keys, args=[request_id, _to_text(receipt), *values])
        if isinstance(kept, list):
            raise MovieExists(kept[0].decode())
        return _receipt(kept)

    def added_movies(self) -> list[AddedMovie]:
        with _failures():
            pipeline = self._redis.pipeline(transaction=False)
            pipeline.lrange(_MOVIE_ORDER, 0, -1)
            pipeline.hgetall(_MOVIES)
            order, contents = pipeline.execute()
        # One added between the two commands is not in the order yet.
        return [added_movie(movie_id.decode(), contents[movie_id].decode()) for movie_id in order]

    def n_added_movies(self) -> int:
        with _failures():
            return int(self._redis.llen(_MOVIE_ORDER))

    def secret(self, name: str) -> bytes:
        with _failures():
            self._redis.hsetnx(_SECRETS, name, secrets.token_bytes(32))
            return bytes(self._redis.hget(_SECRETS, name))

    def is_loaded(self, version: Version, fingerprint: str) -> bool:
        load = self._load(version)
        return load.get(b"fingerprint") == fingerprint.encode() and b"completed" in load

    def load(
        self, version: Version, fingerprint: str, users: Iterable[tuple[UserId, StoredUser]]
    ) -> None:
        load = self._load(version)
        if load.get(b"fingerprint") != fingerprint.encode():
            self._drop(version, after_s=0)
            load = {}
        if b"completed" in load:
            return
        n_users, n_ratings = int(load.get(b"users", 0)), int(load.get(b"ratings", 0))
        remaining = islice(users, n_users, None)
        while batch := list(islice(remaining, _USERS_PER_BATCH)):
            with _failures():
                pipeline = self._redis.pipeline(transaction=False)
                for user_id, user in batch:
                    pipeline.set(_user_key(version, user_id), _encode(user))
                pipeline.execute()
            n_users += len(batch)
            n_ratings += sum(len(user.history) for _, user in batch)
            # Whole counts: two gateways that load the same release do not add up.
            self._note(version, fingerprint=fingerprint, users=n_users, ratings=n_ratings)
        self._note(version, fingerprint=fingerprint, users=n_users, ratings=n_ratings, completed=1)

    def keep_only(self, versions: Collection[Version]) -> None:
        with _failures():
            held = [int(key[len(_LOAD) :]) for key in self._redis.scan_iter(match=f"{_LOAD}*")]
        for version in set(held) - set(versions):
            self._drop(Version(version), after_s=self._drop_after_s)

    def counts(self, version: Version) -> StoreCounts:
        load = self._load(version)
        if b"completed" not in load:
            return StoreCounts(0, 0)
        return StoreCounts(int(load[b"users"]), int(load[b"ratings"]))

    def state(self) -> str:
        try:
            with _failures():
                self._redis.ping()
        except StoreError as error:
            return f"redis: {error}"
        return "redis: ready"

    def events(self) -> Iterator[RatingEvent]:
        """Every recorded rating in the order of recording, a thousand at a time."""
        start = "-"
        while True:
            with _failures():
                rows = self._redis.xrange(_LOG, min=start, count=1000)
            for _, row in rows:
                rating, rated_at = json.loads(row[b"content"])
                yield RatingEvent(
                    UserId(row[b"user"].decode()), MovieId(row[b"movie"].decode()), rating, rated_at
                )
            if not rows:
                return
            start = f"({rows[-1][0].decode()}"

    def _load(self, version: Version) -> dict[bytes, bytes]:
        with _failures():
            load: dict[bytes, bytes] = self._redis.hgetall(f"{_LOAD}{version}")
            return load

    def _note(self, version: Version, **load: str | int) -> None:
        with _failures():
            self._redis.hset(f"{_LOAD}{version}", mapping=load)

    def _drop(self, version: Version, *, after_s: int) -> None:
        """Forgets that a release is loaded, and its users once nobody can need them."""
        with _failures():
            self._redis.delete(f"{_LOAD}{version}")
            keys = self._redis.scan_iter(match=f"{_USER}{version}:*", count=_USERS_PER_BATCH)
            while batch := list(islice(keys, _USERS_PER_BATCH)):
                pipeline = self._redis.pipeline(transaction=False)
                for key in batch:
                    pipeline.expire(key, after_s)
                pipeline.execute()

    def _tell_durability(self) -> None:
        try:
            with _failures():
                found = self._redis.config_get("append*")
        except StoreError as error:
            if not isinstance(error.__cause__, ResponseError):
                raise
            _log.info("Redis does not tell its durability", extra=fields(why=str(error)))
            return
        if (found.get("appendonly"), found.get("appendfsync")) != ("yes", "always"):
            _log.warning(
                "recorded ratings may be lost: Redis needs appendonly yes, appendfsync always",
                extra=fields(
                    appendonly=found.get("appendonly"), appendfsync=found.get("appendfsync")
                ),
            )


@contextmanager
def _failures() -> Iterator[None]:
    """What redis-py raises, as the store's own error; it names no key and no user."""
    try:
        yield
    except RedisError as error:
        raise StoreError(f"Redis fails: {type(error).__name__}: {error}") from error


def _user_key(version: Version, user_id: UserId) -> str:
    return f"{_USER}{version}:{user_id}"


def _to_text(receipt: Receipt) -> str:
    return json.dumps([receipt.digest, receipt.answer])


def _receipt(text: bytes) -> Receipt:
    return Receipt(*json.loads(text))


def _events(user_id: UserId, latest: dict[bytes, bytes]) -> list[RatingEvent]:
    """The last event of each movie in the order of recording, which stream ids tell."""
    found = []
    for movie_id, value in latest.items():
        sequence, _, content = value.decode().partition(" ")
        rating, rated_at = json.loads(content)
        time, _, count = sequence.partition("-")
        event = RatingEvent(user_id, MovieId(movie_id.decode()), rating, rated_at)
        found.append((int(time), int(count), event))
    return [event for *_, event in sorted(found, key=lambda row: row[:2])]


def _encode(user: StoredUser) -> str:
    profile, history = user.profile, user.history
    columns = (history.movie_ids, history.ratings, history.rated_at)
    return json.dumps([profile.age, profile.gender, profile.occupation, *columns])


def _decode(text: bytes) -> StoredUser:
    age, gender, occupation, movie_ids, ratings, rated_at = json.loads(text)
    return StoredUser(
        Profile(age, gender, occupation),
        History(tuple(movie_ids), tuple(ratings), tuple(rated_at)),
    )
