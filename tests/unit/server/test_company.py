"""Calls that one worker answers ask the models together; who waits for another store asks alone."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import grpc
import pytest

from protos.recommender.v1 import recommender_pb2 as pb
from protos.recommender.v1.recommender_pb2_grpc import RecommenderServiceStub
from server.app import _company, gateway
from server.engine.models import EngineModels
from server.settings import Settings
from server.workers import Workers
from tests.fake_model_server import FakeModelServer, Inputs, Output
from tests.fault.waiting import eventually

BY_ID = ("recommend", "serving_default")


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> list[Workers]:
    """Those of the gateways that start after this."""
    made: list[Workers] = []

    def remembered(n_threads: int) -> Workers:
        made.append(Workers(n_threads))
        return made[-1]

    monkeypatch.setattr("server.app.Workers", remembered)
    return made


def hold(model_server: FakeModelServer) -> tuple[threading.Event, threading.Event]:
    """Has `recommend` tell when it is asked, and wait until it may answer."""
    entered, leave = threading.Event(), threading.Event()
    recommend = model_server.functions[BY_ID]

    def held(inputs: Inputs, version: int) -> Mapping[str, Output]:
        entered.set()
        assert leave.wait(30)
        return recommend(inputs, version)

    model_server.functions[BY_ID] = held
    return entered, leave


def test_the_calls_of_one_worker_are_one_predict(
    settings: Settings, model_server: FakeModelServer, workers: list[Workers]
) -> None:
    """While the only worker waits for the first call's reply five come; one names a bad field.

    The others get what each would get alone. Those without a history travel by themselves.
    """
    users = ["hot", "", "nobody", "hot"]
    requests = [pb.RecommendUserRequest(user_id=user, page_size=3) for user in users]
    narrow = settings.model_copy(update={"workers": 1})
    with gateway(narrow) as running, grpc.insecure_channel(running.target) as channel:
        stub = RecommenderServiceStub(channel)
        alone = [list(stub.RecommendUser(one, timeout=30).recommendations) for one in requests]
        model_server.calls.clear()
        workers[0]._seconds = 0
        entered, leave = hold(model_server)
        first = stub.RecommendUser.future(requests[0], timeout=30)
        assert entered.wait(30)
        futures = [stub.RecommendUser.future(one, timeout=30) for one in requests]
        bad = stub.RecommendUser.future(
            pb.RecommendUserRequest(user_id="hot", page_size=-1), timeout=30
        )
        eventually(lambda: workers[0].in_flight == 6)
        leave.set()

        together: list[Any] = [list(one.result(30).recommendations) for one in (first, *futures)]
        refused = bad.exception(30)

    assert together == [alone[0], *alone]
    assert refused.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert [len(call.inputs["history_numbers"]) for call in model_server.calls] == [1, 2, 2]


def test_who_cannot_wait_for_the_models_twice_asks_alone(
    settings: Settings, model_server: FakeModelServer, workers: list[Workers]
) -> None:
    """By default 2 s in the queue, 2 s away and 0.05 s for the rest: 3.9 s are not enough."""
    entered, leave = hold(model_server)
    request = pb.RecommendUserRequest(user_id="hot", page_size=3)
    narrow = settings.model_copy(update={"workers": 1})
    with gateway(narrow) as running, grpc.insecure_channel(running.target) as channel:
        stub = RecommenderServiceStub(channel)
        workers[0]._seconds = 0
        calls = [stub.RecommendUser.future(request, timeout=30)]
        assert entered.wait(30)
        for timeout_s in (30, None, 3.9, 30):
            calls.append(stub.RecommendUser.future(request, timeout=timeout_s))
            eventually(lambda: workers[0].in_flight == len(calls))
        leave.set()
        for call in calls:
            assert not call.result(30).answer.degraded

    assert [len(call.inputs["history_numbers"]) for call in model_server.calls] == [1, 2, 1, 1]


def test_who_waits_for_redis_has_no_company(settings: Settings) -> None:
    """Each call waits for it by itself; with a store of its own the gateway has one."""

    class Answering:
        models = EngineModels()

    servicer: Any = SimpleNamespace(recommended=None, PredictRating=None, SimilarMovies=None)
    for engine in ("local", "predict"):
        local = settings.model_copy(update={"engine": engine})
        shared = local.model_copy(update={"redis_url": "redis://127.0.0.1:1"})
        assert _company(shared, servicer, Answering()) is None  # type: ignore[arg-type]
        company = _company(local, servicer, Answering())  # type: ignore[arg-type]
        assert company is not None
        assert ("PredictRating" in company.members) is (engine == "local")
