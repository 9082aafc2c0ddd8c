"""Ten switches of the release while callers keep asking."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

from protos.recommender.v1 import recommender_pb2 as pb
from protos.recommender.v1.recommender_pb2_grpc import RecommenderServiceStub
from server import service
from server.app import gateway
from server.batch import batch_recommend
from server.settings import Settings
from tests.fake_model_server import FakeModelServer
from tests.fault.waiting import eventually
from tests.releases import World, WorldUser, activate, write_release

SWITCHES = 10
CALLERS = 4


def _world(version: int) -> World:
    """Everybody's history says which release it is of: m1 rated at second `version`."""
    return World(users=(WorldUser("hot", ratings=(("m1", 5.0, version),)),))


def _is_whole(response: pb.RecommendUserResponse) -> bool:
    """Version v adds (v - 1) / 100 to each score; m1 is seen in every release."""
    offset = (response.answer.release_version - 1) / 100
    expected = [n + offset for n in range(12, 1, -1)]
    scores = [entry.score for entry in response.recommendations]
    return (
        len(scores) == len(expected)
        and all(abs(a - b) < 1e-4 for a, b in zip(scores, expected, strict=True))
        and not response.answer.degraded
        and response.user_state == pb.USER_STATE_HOT
    )


def test_ten_switches_under_load_lose_and_mix_nothing(
    settings: Settings, models_dir: Path, model_server: FakeModelServer
) -> None:
    """No call fails, none is degraded, and each answer comes whole from one release."""
    for version in range(2, SWITCHES + 2):
        write_release(models_dir, version, _world(version))
        model_server.load(version)
    ended = threading.Event()
    with gateway(settings) as live:

        def ask() -> tuple[set[int], list[pb.RecommendUserResponse], int]:
            seen: set[int] = set()
            broken: list[pb.RecommendUserResponse] = []
            mixed_users = 0
            with grpc.insecure_channel(live.target) as channel:
                stub = RecommenderServiceStub(channel)
                while not ended.is_set():
                    # An error of any call ends the test.
                    response = stub.RecommendUser(
                        pb.RecommendUserRequest(user_id="hot", page_size=12), timeout=30
                    )
                    seen.add(response.answer.release_version)
                    # Release 1 knows three ratings of this user.
                    if response.answer.release_version > 1 and not _is_whole(response):
                        broken.append(response)
                    user = stub.GetUser(pb.GetUserRequest(user_id="hot"), timeout=30)
                    if user.answer.release_version > 1:
                        stored = user.ratings[0].rated_at.seconds
                        mixed_users += stored != user.answer.release_version
            return seen, broken, mixed_users

        with (
            grpc.insecure_channel(live.target) as channel,
            ThreadPoolExecutor(CALLERS) as callers,
        ):
            status = RecommenderServiceStub(channel)
            asked = [callers.submit(ask) for _ in range(CALLERS)]
            try:
                for version in range(2, SWITCHES + 2):
                    activate(models_dir, version)
                    eventually(
                        lambda version=version: (
                            status.GetServingStatus(
                                pb.GetServingStatusRequest(), timeout=10
                            ).releases.active
                            == version
                        )
                    )
            finally:
                ended.set()
            found = [future.result(timeout=60) for future in asked]

    assert [broken for _, broken, _ in found if broken] == []
    assert sum(mixed for _, _, mixed in found) == 0
    assert len(set().union(*(seen for seen, _, _ in found))) > SWITCHES // 2


def test_a_batch_is_answered_from_one_release(
    settings: Settings,
    models_dir: Path,
    model_server: FakeModelServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A switch between the arrival of a batch and its first request changes nothing of it."""
    write_release(models_dir, 2)
    model_server.load(2)
    requests = [pb.RecommendUserRequest(user_id=f"user {n}") for n in range(5)]
    with gateway(settings) as live, grpc.insecure_channel(live.target) as channel:
        stub = RecommenderServiceStub(channel)

        def active() -> int:
            status = stub.GetServingStatus(pb.GetServingStatusRequest(), timeout=10)
            return status.releases.active

        def after_a_switch(*arguments: Any) -> pb.BatchRecommendResponse:
            activate(models_dir, 2)
            eventually(lambda: active() == 2)
            return batch_recommend(*arguments)

        monkeypatch.setattr(service, "batch_recommend", after_a_switch)
        results = stub.BatchRecommend(pb.BatchRecommendRequest(requests=requests), timeout=60)

    assert [r.response.answer.release_version for r in results.results] == [1] * 5
