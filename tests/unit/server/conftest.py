"""One gateway and one fake model server, in this process, for a module's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from protos.recommender.v1 import recommender_pb2_grpc
from server.app import gateway
from server.settings import Settings
from tests.fake_model_server import FakeModelServer, world_models
from tests.releases import activate, write_release


@pytest.fixture
def model_server() -> Iterator[FakeModelServer]:
    with FakeModelServer(world_models()) as server:
        yield server


@pytest.fixture
def models_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    write_release(folder, 1)
    activate(folder, 1)
    return folder


@pytest.fixture
def settings(tmp_path: Path, models_dir: Path, model_server: FakeModelServer) -> Settings:
    return Settings(
        port=0,
        models_dir=models_dir,
        model_server=model_server.target,
        store_path=tmp_path / "store.sqlite3",
        poll_interval_s=0.02,
        shutdown_grace_s=0,
    )


@pytest.fixture
def channel(settings: Settings) -> Iterator[grpc.Channel]:
    with (
        gateway(settings) as running,
        grpc.insecure_channel(f"127.0.0.1:{running.port}") as opened,
    ):
        yield opened


@pytest.fixture
def stub(channel: grpc.Channel) -> recommender_pb2_grpc.RecommenderServiceStub:
    return recommender_pb2_grpc.RecommenderServiceStub(channel)
