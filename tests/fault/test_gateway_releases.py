"""What the gateway does with models folders that are empty, corrupt, late or renewed."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from protos.recommender.v1 import recommender_pb2 as pb
from protos.recommender.v1.recommender_pb2_grpc import RecommenderServiceStub
from server.app import gateway
from server.features.sqlite import _SCHEMA
from server.settings import Settings
from serving.contract import GoldenRequest, ModelsDir
from tests.fake_model_server import AVAILABLE, LOADING, FakeModelServer
from tests.fault.waiting import eventually
from tests.releases import World, WorldUser, activate, write_release

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@contextmanager
def running(settings: Settings) -> Iterator[tuple[RecommenderServiceStub, grpc.Channel]]:
    with gateway(settings) as live, grpc.insecure_channel(f"127.0.0.1:{live.port}") as channel:
        yield RecommenderServiceStub(channel), channel


def health_of(channel: grpc.Channel) -> int:
    stub = health_pb2_grpc.HealthStub(channel)
    status: int = stub.Check(health_pb2.HealthCheckRequest(), timeout=10).status
    return status


def releases_of(stub: RecommenderServiceStub) -> pb.GetServingStatusResponse.Releases:
    return stub.GetServingStatus(pb.GetServingStatusRequest(), timeout=10).releases


def rank_golden(rating: float) -> GoldenRequest:
    """Movie m8 is rated 8 / 2 by the fake models."""
    return GoldenRequest(
        servable="ranking",
        signature="rank",
        inputs={
            "user_id": ["hot"],
            "history_ids": [[""]],
            "history_ratings": [[0.0]],
            "profile": [[""]],
            "movie_ids": [["", "m8"]],
        },
        outputs={"ratings": [[0.0, rating]]},
    )


def test_an_empty_folder_is_not_serving_until_a_release_appears(
    settings: Settings, tmp_path: Path
) -> None:
    """Nothing published: NOT_SERVING and UNAVAILABLE with the remedy; a publish is picked up."""
    folder = tmp_path / "later"
    with running(settings.model_copy(update={"models_dir": folder})) as (stub, channel):
        with pytest.raises(grpc.RpcError) as caught:
            stub.RecommendUser(pb.RecommendUserRequest(user_id="hot"), timeout=10)
        assert health_of(channel) == NOT_SERVING
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert "no release is active" in caught.value.details()
        assert "python -m trainer train --publish" in caught.value.details()
        assert (releases_of(stub).stable, releases_of(stub).active) == (0, 0)

        write_release(folder, 3)
        activate(folder, 3)

        eventually(lambda: health_of(channel) == SERVING)
        answer = stub.RecommendUser(pb.RecommendUserRequest(user_id="hot"), timeout=10).answer
        assert answer.release_version == 3


def _truncate_manifest(models: ModelsDir) -> None:
    models.manifest(1).write_text(models.manifest(1).read_text()[:100])


def _remove_manifest(models: ModelsDir) -> None:
    models.manifest(1).unlink()


def _other_contract(models: ModelsDir) -> None:
    content = json.loads(models.manifest(1).read_text())
    models.manifest(1).write_text(json.dumps({**content, "contract_version": 99}))


def _broken_field(models: ModelsDir) -> None:
    content = json.loads(models.manifest(1).read_text())
    models.manifest(1).write_text(json.dumps({**content, "rating_range": [1]}))


def _flip_snapshot_byte(models: ModelsDir) -> None:
    path = models.features(1) / "movies.json"
    path.write_bytes(path.read_bytes().replace(b"Movie 7", b"Movie 8"))


def _remove_snapshot_file(models: ModelsDir) -> None:
    (models.features(1) / "popular.npz").unlink()


def _corrupt_pointer(models: ModelsDir) -> None:
    models.active.write_text("{")


@pytest.mark.parametrize(
    ("corrupt", "why"),
    [
        (_truncate_manifest, "not readable as JSON"),
        (_remove_manifest, "1.json: missing"),
        (_other_contract, "contract_version is 99"),
        (_broken_field, "not a manifest"),
        (_flip_snapshot_byte, "movies.json: SHA-256 differs"),
        (_remove_snapshot_file, "popular.npz: missing"),
        (_corrupt_pointer, "active.json: not readable"),
    ],
)
def test_a_corrupt_folder_is_not_served_and_says_why(
    settings: Settings, models_dir: Path, corrupt, why: str
) -> None:
    """The process stays up, NOT_SERVING, and names the file; a good release heals it."""
    corrupt(ModelsDir(models_dir))

    with running(settings) as (stub, channel):
        assert health_of(channel) == NOT_SERVING
        assert why in releases_of(stub).why_not_switched
        with pytest.raises(grpc.RpcError) as caught:
            stub.GetMovie(pb.GetMovieRequest(movie_id="m1"), timeout=10)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert why in caught.value.details()

        write_release(models_dir, 2)
        activate(models_dir, 2)

        eventually(lambda: health_of(channel) == SERVING)
        assert releases_of(stub).active == 2


def test_a_switch_waits_for_the_model_server_and_golden_requests(
    settings: Settings, models_dir: Path, model_server: FakeModelServer
) -> None:
    """Release 2 answers only when its parts are AVAILABLE and its golden requests reproduce."""
    newcomer = WorldUser("late", ratings=(("m12", 5.0, 1),))
    with running(settings) as (stub, _):
        write_release(
            models_dir, 2, World(users=(newcomer,)), golden_requests=[rank_golden(4.00005)]
        )
        activate(models_dir, 2)
        eventually(lambda: "recommend is NOT_FOUND" in releases_of(stub).why_not_switched)
        assert (releases_of(stub).stable, releases_of(stub).active) == (2, 1)

        model_server.load(2, LOADING)
        eventually(lambda: "recommend is LOADING" in releases_of(stub).why_not_switched)
        assert releases_of(stub).active == 1

        model_server.load(2, AVAILABLE)
        eventually(lambda: releases_of(stub).active == 2)

        assert releases_of(stub).why_not_switched == ""
        response = stub.RecommendUser(
            pb.RecommendUserRequest(user_id="late", page_size=1), timeout=10
        )
        # m12 is seen; version 2 adds 0.01 to each score.
        assert [e.movie.movie_id for e in response.recommendations] == ["m11"]
        assert response.recommendations[0].score == pytest.approx(11.01)
        assert response.answer.release_version == 2
        old = stub.GetUser(pb.GetUserRequest(user_id="hot"), timeout=10)
        assert old.user_state == pb.USER_STATE_COLD


def test_golden_requests_that_do_not_reproduce_keep_the_old_release(
    settings: Settings, models_dir: Path, model_server: FakeModelServer
) -> None:
    """A model server that answers otherwise than the trainer's copy is not trusted."""
    model_server.load(2)
    with running(settings) as (stub, _):
        write_release(models_dir, 2, golden_requests=[rank_golden(4.0), rank_golden(3.9)])
        activate(models_dir, 2)

        eventually(lambda: "golden request 1" in releases_of(stub).why_not_switched)
        assert releases_of(stub).active == 1


def test_a_switch_needs_no_reserve(
    settings: Settings, models_dir: Path, model_server: FakeModelServer
) -> None:
    """Time kept back for callers is not kept back from golden requests: nobody waits for them."""
    model_server.load(2)
    cautious = settings.model_copy(update={"predict_timeout_s": 5.0, "fallback_reserve_s": 5.0})
    with running(cautious) as (stub, _):
        write_release(models_dir, 2, golden_requests=[rank_golden(4.0)])
        activate(models_dir, 2)

        eventually(lambda: releases_of(stub).active == 2)


def test_a_store_that_fails_is_told_once_and_heals(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """A store that cannot be filled: named in the status, one line in the log, no traceback."""
    with running(settings) as (_, channel):
        assert health_of(channel) == SERVING
    with contextlib.closing(sqlite3.connect(settings.store_path)) as database:
        database.executescript("DELETE FROM loads; DROP TABLE users; CREATE TABLE users (x);")

    with running(settings) as (stub, channel):
        assert health_of(channel) == NOT_SERVING
        assert f"the feature store {settings.store_path}" in releases_of(stub).why_not_switched
        with contextlib.closing(sqlite3.connect(settings.store_path)) as database:
            database.execute("DROP TABLE users")
            database.executescript(_SCHEMA)

        eventually(lambda: health_of(channel) == SERVING)

    told = [record for record in caplog.records if record.name == "server.follower"]
    assert [r.levelname for r in told if r.levelname != "INFO"] == ["WARNING"]
    assert not any(record.exc_info for record in told)


def test_the_status_tells_what_is_wrong_with_the_store(settings: Settings) -> None:
    """A store that breaks under a running gateway is named in the status, which still answers."""
    with running(settings) as (stub, _):
        with contextlib.closing(sqlite3.connect(settings.store_path)) as database:
            database.executescript("DROP TABLE loads;")

        status = stub.GetServingStatus(pb.GetServingStatusRequest(), timeout=10)

    assert "no such table: loads" in status.store_state
    assert (status.releases.active, status.counts.users) == (1, 0)


def test_a_corrupt_second_release_keeps_the_first(
    settings: Settings, models_dir: Path, model_server: FakeModelServer
) -> None:
    """A release that fails its checksums is never switched to, and the old one answers on."""
    model_server.load(2)
    with running(settings) as (stub, channel):
        write_release(models_dir, 2)
        (models_dir / "features" / "2" / "users.json").write_text("{}")
        activate(models_dir, 2)

        eventually(lambda: "users.json: SHA-256" in releases_of(stub).why_not_switched)
        answer = stub.RecommendUser(pb.RecommendUserRequest(user_id="hot"), timeout=10).answer
        assert answer.release_version == 1
        assert health_of(channel) == SERVING


def test_a_request_in_flight_ends_on_the_release_it_began_with(
    settings: Settings, models_dir: Path, model_server: FakeModelServer
) -> None:
    """A switch in the middle of a call changes nothing of that call."""
    entered, leave = threading.Event(), threading.Event()
    rank = model_server.functions["ranking", "rank"]

    def held(inputs, version):
        if not entered.is_set():
            entered.set()
            assert leave.wait(60)
        return rank(inputs, version)

    model_server.functions["ranking", "rank"] = held
    patient = settings.model_copy(update={"predict_timeout_s": 60.0})
    with running(patient) as (stub, _):
        future = stub.PredictRating.future(
            pb.PredictRatingRequest(user_id="hot", movie_ids=["m8"]), timeout=60
        )
        assert entered.wait(30)
        try:
            write_release(models_dir, 2)
            model_server.load(2)
            activate(models_dir, 2)
            eventually(lambda: releases_of(stub).active == 2)
        finally:
            leave.set()

        assert future.result().answer.release_version == 1
        assert model_server.calls[0].version == 1


def test_a_restart_starts_from_the_store_that_is_there(
    settings: Settings, models_dir: Path
) -> None:
    """A second process on the same store and release answers as the first did."""
    request = pb.GetUserRequest(user_id="hot")
    with running(settings) as (stub, _):
        first = stub.GetUser(request, timeout=10)

    with running(settings) as (stub, _):
        assert stub.GetUser(request, timeout=10) == first
        assert len(first.ratings) == 3


def test_health_is_latched_at_shutdown(settings: Settings) -> None:
    """A watcher sees NOT_SERVING before the gateway goes."""
    seen: list[int] = []
    with gateway(settings.model_copy(update={"shutdown_grace_s": 10.0})) as live:
        channel = grpc.insecure_channel(f"127.0.0.1:{live.port}")
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        seen.append(next(watch).status)
        watcher = threading.Thread(
            target=lambda: (seen.append(next(watch).status), watch.cancel()), daemon=True
        )
        watcher.start()
    watcher.join(30)
    channel.close()

    assert seen == [SERVING, NOT_SERVING]
