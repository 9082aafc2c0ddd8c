"""The ScaNN flavour of `recommend`: asked where it pays, and never missed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from protos.recommender.v1 import recommender_pb2 as pb
from protos.recommender.v1.recommender_pb2_grpc import RecommenderServiceStub
from server.app import gateway
from server.settings import Settings
from tests.fake_model_server import AVAILABLE, FakeModelServer, world_models
from tests.fault.waiting import eventually
from tests.releases import activate, write_release

INDEX = ("recommend_scann", 1)


@pytest.fixture
def indexed_server() -> Iterator[FakeModelServer]:
    functions = world_models()
    functions["recommend_scann", "by_number"] = functions["recommend", "by_number"]
    with FakeModelServer(functions) as server:
        yield server


@pytest.fixture
def indexed(tmp_path: Path, indexed_server: FakeModelServer) -> Iterator[RecommenderServiceStub]:
    write_release(tmp_path / "models", 1, optional_parts=["recommend_scann"])
    activate(tmp_path / "models", 1)
    settings = Settings(
        port=0,
        models_dir=tmp_path / "models",
        model_server=indexed_server.target,
        store_path=tmp_path / "store.sqlite3",
        poll_interval_s=0.02,
        shutdown_grace_s=0,
    )
    with gateway(settings) as live, grpc.insecure_channel(f"127.0.0.1:{live.port}") as channel:
        yield RecommenderServiceStub(channel)


def asked(
    stub: RecommenderServiceStub, server: FakeModelServer, request: pb.RecommendUserRequest
) -> list[str]:
    """The servables of the Predict calls of one request, which must not be degraded."""
    before = len(server.calls)
    assert not stub.RecommendUser(request, timeout=10).answer.degraded
    return [call.servable for call in server.calls[before:]]


PLAIN = pb.RecommendUserRequest(user_id="hot")


def test_index_is_asked_once_it_is_available(indexed, indexed_server):
    """Exact search answers until the model server has the index, then the index does."""
    assert asked(indexed, indexed_server, PLAIN) == ["recommend"]

    indexed_server.states[INDEX] = AVAILABLE

    eventually(lambda: asked(indexed, indexed_server, PLAIN) == ["recommend_scann"])


def test_filters_and_many_exclusions_are_for_exact_search(indexed, indexed_server):
    """What the index would answer by searching exactly after all goes to `recommend`."""
    indexed_server.states[INDEX] = AVAILABLE
    eventually(lambda: asked(indexed, indexed_server, PLAIN) == ["recommend_scann"])
    filtered = pb.RecommendUserRequest(user_id="hot", filter=pb.MovieFilter(min_year=1900))

    assert asked(indexed, indexed_server, filtered) == ["recommend"]


def test_an_index_that_goes_away_costs_nothing_but_a_call(indexed, indexed_server):
    """Unloaded between two looks: the same request is answered by exact search, not degraded."""
    indexed_server.states[INDEX] = AVAILABLE
    eventually(lambda: asked(indexed, indexed_server, PLAIN) == ["recommend_scann"])

    del indexed_server.states[INDEX]

    assert asked(indexed, indexed_server, PLAIN)[-1] == "recommend"
    eventually(lambda: asked(indexed, indexed_server, PLAIN) == ["recommend"])
