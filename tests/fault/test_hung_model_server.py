"""A model server that takes calls and never answers must not hold every worker."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc

from protos.recommender.v1 import recommender_pb2 as pb
from protos.recommender.v1.recommender_pb2_grpc import RecommenderServiceStub
from server.app import gateway
from server.settings import Settings
from tests.fake_model_server import FakeModelServer, Output, Refused
from tests.fault.waiting import eventually

HOT = pb.RecommendUserRequest(user_id="hot", page_size=2)
RECOMMEND = ("recommend", "serving_default")
BY_NUMBER = ("recommend", "by_number")


@contextmanager
def hung(model_server: FakeModelServer) -> Iterator[None]:
    """Within the block `recommend` never answers."""
    leave, well = threading.Event(), model_server.functions[RECOMMEND]

    def stuck(inputs: object, version: int) -> dict[str, Output]:
        leave.wait(60)
        raise Refused(grpc.StatusCode.CANCELLED)

    model_server.functions[RECOMMEND] = stuck
    try:
        yield
    finally:
        model_server.functions[RECOMMEND] = well
        leave.set()


@contextmanager
def served(settings: Settings, **changes: object) -> Iterator[RecommenderServiceStub]:
    changed = settings.model_copy(update=changes)
    with gateway(changed) as running, grpc.insecure_channel(running.target) as channel:
        yield RecommenderServiceStub(channel)


def test_after_three_timeouts_nobody_waits(
    settings: Settings, model_server: FakeModelServer
) -> None:
    """Of ten calls three reach the server; the others are answered from popularity at once."""
    patient = {"predict_timeout_s": 0.1, "model_server_retry_s": 3600.0}
    with served(settings, **patient) as stub, hung(model_server):
        answers = [stub.RecommendUser(HOT, timeout=30) for _ in range(10)]

    assert model_server.called() == [BY_NUMBER] * 3
    assert {tuple(a.answer.degraded_reasons) for a in answers} == {("model_server_timeout",)}
    assert all(len(a.recommendations) == 2 for a in answers)


def test_a_crowd_is_answered_though_every_worker_waits_once(
    settings: Settings, model_server: FakeModelServer
) -> None:
    """Sixty calls on four workers: each worker waits for one of its calls, or none at all.

    Those that wait behind the first one tell as much as if they had been sent.
    """
    patient = {"predict_timeout_s": 0.3, "model_server_retry_s": 3600.0, "workers": 4}
    with (
        served(settings, **patient) as stub,
        hung(model_server),
        ThreadPoolExecutor(60) as crowd,
    ):
        answers = list(crowd.map(lambda _: stub.RecommendUser(HOT, timeout=60), range(60)))

    assert len(answers) == 60
    assert 1 <= len(model_server.called()) <= 3 + 4


def test_a_server_that_wakes_up_is_used_again(
    settings: Settings, model_server: FakeModelServer
) -> None:
    """The next try finds it well, and everybody is answered by the models again."""
    with served(settings, predict_timeout_s=0.1, model_server_retry_s=0.05) as stub:
        with hung(model_server):
            for _ in range(5):
                assert stub.RecommendUser(HOT, timeout=30).answer.degraded

        eventually(lambda: not stub.RecommendUser(HOT, timeout=30).answer.degraded)
        assert not any(stub.RecommendUser(HOT, timeout=30).answer.degraded for _ in range(5))


def test_hurried_callers_do_not_open_it(settings: Settings, model_server: FakeModelServer) -> None:
    """Deadlines shorter than the cap say nothing about the server: it is asked on."""
    with served(settings, predict_timeout_s=60.0, fallback_reserve_s=19.7) as stub:
        with hung(model_server):
            for _ in range(6):
                assert stub.RecommendUser(HOT, timeout=20).answer.degraded
        assert len(model_server.called()) > 3
