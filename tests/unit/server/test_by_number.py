"""Releases that speak movie numbers, those from before that do not, and calls that meet."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

from protos.recommender.v1 import recommender_pb2 as pb
from protos.recommender.v1.recommender_pb2_grpc import RecommenderServiceStub
from server.app import gateway
from server.merged_calls import MergedCalls
from server.settings import Settings
from tests.fake_model_server import FakeModelServer, Inputs, Output
from tests.fault.waiting import eventually
from tests.releases import activate, write_release

HOT = pb.RecommendUserRequest(user_id="hot", page_size=4)
BY_ID = ("recommend", "serving_default")
BY_NUMBER = ("recommend", "by_number")


@pytest.fixture
def old_stub(tmp_path: Path, settings: Settings) -> Iterator[RecommenderServiceStub]:
    """A gateway on a release of contract 1."""
    folder = tmp_path / "old"
    write_release(folder, 1, contract_version=1)
    activate(folder, 1)
    store = tmp_path / "old.sqlite3"
    changed = settings.model_copy(update={"models_dir": folder, "store_path": store})
    with gateway(changed) as running, grpc.insecure_channel(running.target) as channel:
        yield RecommenderServiceStub(channel)


@pytest.fixture
def merged(monkeypatch: pytest.MonkeyPatch) -> list[MergedCalls[Any]]:
    """Those of the gateways that start after this."""
    made: list[MergedCalls[Any]] = []

    def remembered(*arguments: Any) -> MergedCalls[Any]:
        made.append(MergedCalls(*arguments))
        return made[-1]

    monkeypatch.setattr("server.servables.MergedCalls", remembered)
    return made


def shown(response: pb.RecommendUserResponse) -> list[object]:
    """All that a user sees."""
    assert not response.answer.degraded
    return list(response.recommendations)


def test_an_earlier_release_is_asked_by_ids_and_answers_the_same(
    old_stub: RecommenderServiceStub, stub: RecommenderServiceStub, model_server: FakeModelServer
) -> None:
    """Contract 1 has no `by_number`: strings go out and come back, and the list is the same."""
    old = shown(old_stub.RecommendUser(HOT, timeout=10))
    new = shown(stub.RecommendUser(HOT, timeout=10))

    assert model_server.called() == [BY_ID, BY_NUMBER]
    inputs = model_server.calls[0].inputs
    assert inputs["history_ids"] == [["", "m1", "m2", "m3"]]
    assert inputs["exclude_ids"] == [["", "m1", "m2", "m3"]]
    assert old == new
    # m3 is the newest of the history, which pulls everything up most.
    assert [r.because_of_movie.movie.movie_id for r in new[0].reasons[:2]] == ["m3", "m2"]


def test_a_movie_that_training_did_not_see_has_no_number(
    stub: RecommenderServiceStub, model_server: FakeModelServer
) -> None:
    """An added movie in the history is padding for the graph, and is left out of the list."""
    added = pb.AddMoviesRequest.AddedMovie(movie_id="new", title="New", year=9500)
    stub.AddMovies(pb.AddMoviesRequest(movies=[added]), timeout=10)
    model_server.calls.clear()
    request = pb.RecommendUserRequest(
        user_id="hot", page_size=50, history=[pb.RatedMovie(movie_id="new", rating=4)]
    )
    response = stub.RecommendUser(request, timeout=10)

    (call,) = model_server.calls
    assert call.inputs["history_numbers"] == [[0, 1, 2, 3, 0]]
    assert call.inputs["history_ratings"][0][-1] == 4
    assert "new" not in [entry.movie.movie_id for entry in response.recommendations]
    cited = response.recommendations[0].reasons
    assert [reason.because_of_movie.movie.movie_id for reason in cited[:2]] == ["m3", "m2"]


def test_callers_that_meet_get_their_own_lists(
    merged: list[MergedCalls[Any]], settings: Settings, model_server: FakeModelServer
) -> None:
    """While one call is away five queue up: they arrive as one, and nobody's list is another's."""
    arrived, may_go = threading.Event(), threading.Event()
    well = model_server.functions[BY_ID]

    def held(inputs: Inputs, version: int) -> Mapping[str, Output]:
        arrived.set()
        assert may_go.wait(20)
        return well(inputs, version)

    model_server.functions[BY_ID] = held
    requests = [
        pb.RecommendUserRequest(
            user_id=user, page_size=12, exclude_movie_ids=[f"m{n}"], exclude_seen=False
        )
        for n, user in enumerate(["hot", "hot", "keen", "keen", "hot", "hot"], 1)
    ]
    patient = settings.model_copy(update={"predict_timeout_s": 30.0})
    with (
        gateway(patient) as running,
        grpc.insecure_channel(running.target) as channel,
        ThreadPoolExecutor(len(requests)) as pool,
    ):
        stub = RecommenderServiceStub(channel)
        try:
            calls = [pool.submit(stub.RecommendUser, requests[0], timeout=60)]
            assert arrived.wait(20)
            calls += [pool.submit(stub.RecommendUser, each, timeout=60) for each in requests[1:]]
            eventually(lambda: merged[0].n_waiting == len(requests) - 1)
        finally:
            may_go.set()
        responses = [call.result(60) for call in calls]

    assert [len(call.inputs["user_id"][0]) for call in model_server.calls] == [1, 5]
    expected = [f"m{n}" for n in range(12, 0, -1)]
    for number, response in enumerate(responses, 1):
        listed = [entry.movie.movie_id for entry in response.recommendations]
        assert listed == [movie for movie in expected if movie != f"m{number}"]
        assert not response.answer.degraded
