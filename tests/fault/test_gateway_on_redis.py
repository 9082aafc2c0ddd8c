"""A gateway whose feature store is Redis: the same answers, and what happens when Redis dies."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from protos.recommender.v1 import recommender_pb2 as pb
from protos.recommender.v1.recommender_pb2_grpc import RecommenderServiceStub
from server.app import gateway
from server.features.redis import RedisStore
from server.features.store import StoreError
from server.settings import Settings
from tests.fault.waiting import eventually
from tests.redis_server import RedisServer

HOT = pb.RecommendUserRequest(user_id="hot", page_size=2)


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path / "redis") as server:
        yield server


@pytest.fixture
def settings(settings: Settings, redis_server: RedisServer) -> Settings:
    return settings.model_copy(update={"redis_url": redis_server.url, "store_timeout_s": 10.0})


def record(stub: RecommenderServiceStub, movie_id: str, request_id: str = "") -> int:
    event = pb.RecordRatingsRequest.RatingEvent(user_id="hot", movie_id=movie_id, rating=4)
    request = pb.RecordRatingsRequest(ratings=[event], request_id=request_id)
    return stub.RecordRatings(request, timeout=20).recorded


def rated(stub: RecommenderServiceStub) -> list[str]:
    response = stub.GetUser(pb.GetUserRequest(user_id="hot"), timeout=20)
    return [entry.movie_id for entry in response.ratings]


def test_a_gateway_answers_from_redis(settings: Settings, stub: RecommenderServiceStub) -> None:
    """The release's users are filled in, ratings recorded, and no SQLite file is made."""
    response = stub.RecommendUser(HOT, timeout=20)
    status = stub.GetServingStatus(pb.GetServingStatusRequest(), timeout=20)
    record(stub, "m9")

    assert [e.movie.movie_id for e in response.recommendations] == ["m12", "m11"]
    assert not response.answer.degraded
    assert status.store_state == "redis: ready"
    assert (status.counts.users, status.counts.ratings) == (3, 5)
    assert rated(stub) == ["m1", "m2", "m3", "m9"]
    assert not settings.store_path.exists()


def test_two_gateways_share_one_redis(settings: Settings, stub: RecommenderServiceStub) -> None:
    """What one gateway records or adds, the other one knows; each opens the other's page tokens."""
    with gateway(settings) as other, grpc.insecure_channel(other.target) as channel:
        second = RecommenderServiceStub(channel)
        record(stub, "m9", request_id="r")
        movie = pb.AddMoviesRequest.AddedMovie(movie_id="new", title="New")
        stub.AddMovies(pb.AddMoviesRequest(movies=[movie]), timeout=20)
        first_page = stub.RecommendUser(HOT, timeout=20)

        assert rated(second) == ["m1", "m2", "m3", "m9"]
        assert record(second, "m9", request_id="r") == 1
        search = pb.SearchMoviesRequest(query="new")
        eventually(lambda: bool(second.SearchMovies(search, timeout=20).movies))
        page = pb.RecommendUserRequest(
            user_id="hot", page_size=2, page_token=first_page.next_page_token
        )
        rest = second.RecommendUser(page, timeout=20)

    assert [e.movie.movie_id for e in rest.recommendations] == ["m10", "m8"]


def test_redis_killed_costs_quality_and_loses_nothing(
    redis_server: RedisServer, stub: RecommenderServiceStub
) -> None:
    """Kill -9: answers are degraded, writes UNAVAILABLE; back again, every rating is there."""
    for movie_id in ("m9", "m10"):
        record(stub, movie_id)

    redis_server.kill()
    degraded = stub.RecommendUser(HOT, timeout=20)
    with pytest.raises(grpc.RpcError) as caught:
        record(stub, "m11")
    status = stub.GetServingStatus(pb.GetServingStatusRequest(), timeout=20)
    redis_server.start()

    assert list(degraded.answer.degraded_reasons) == ["feature_store_unavailable"]
    assert len(degraded.recommendations) == 2
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert status.store_state.startswith("redis: Redis fails")
    eventually(lambda: not stub.RecommendUser(HOT, timeout=20).answer.degraded)
    assert rated(stub) == ["m1", "m2", "m3", "m9", "m10"]


def test_redis_that_hangs_costs_quality(settings: Settings, redis_server: RedisServer) -> None:
    """Stopped, not dead: after --store-timeout-s the answer goes on without it, and says so."""
    process = redis_server.process
    assert process is not None
    with (
        gateway(settings.model_copy(update={"store_timeout_s": 1.0})) as running,
        grpc.insecure_channel(running.target) as channel,
    ):
        stub = RecommenderServiceStub(channel)
        process.send_signal(signal.SIGSTOP)
        degraded = stub.RecommendUser(HOT, timeout=20)
        process.send_signal(signal.SIGCONT)
        eventually(lambda: not stub.RecommendUser(HOT, timeout=20).answer.degraded)

    assert list(degraded.answer.degraded_reasons) == ["feature_store_unavailable"]
    assert len(degraded.recommendations) == 2


def test_events_are_exported_from_redis(
    redis_server: RedisServer, stub: RecommenderServiceStub
) -> None:
    """Python -m server export-events --redis-url writes what was recorded, in its order."""
    for movie_id in ("m9", "m2"):
        record(stub, movie_id)

    done = subprocess.run(
        [sys.executable, "-m", "server", "export-events", f"--redis-url={redis_server.url}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    rows = [line.split(",") for line in done.stdout.splitlines()]
    assert rows[0] == ["user_id", "movie_id", "rating", "timestamp"]
    assert [row[:3] for row in rows[1:]] == [["hot", "m9", "4"], ["hot", "m2", "4"]]


def test_a_redis_that_is_not_there_is_told(tmp_path: Path) -> None:
    """A gateway that cannot reach it does not start, and says why."""
    with pytest.raises(StoreError, match="Redis fails"):
        RedisStore(f"unix://{tmp_path / 'none'}", timeout_s=1)


def test_a_redis_that_may_lose_ratings_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Without an append-only file that is always synced the log says what to set."""
    with (
        RedisServer(tmp_path / "careless", "--appendonly", "no") as careless,
        RedisStore(careless.url, timeout_s=10) as store,
    ):
        assert store.state() == "redis: ready"

    assert "appendfsync always" in caplog.text
