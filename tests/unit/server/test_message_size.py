"""--max-message-mb bounds what callers and the model server may send."""

from __future__ import annotations

import grpc
import numpy as np
import pytest

from protos.recommender.v1 import recommender_pb2 as pb
from protos.recommender.v1.recommender_pb2_grpc import RecommenderServiceStub
from server.app import gateway
from server.deadline import Budget
from server.errors import UpstreamUnavailable
from server.prediction import PredictionClient, ServableCall
from server.settings import Settings
from tests.fake_model_server import FakeModelServer, floats

MEGABYTE = 2**20
DIM = 400_000
"""Floats: one and a half megabytes."""


@pytest.mark.parametrize(
    ("max_message_mb", "code"),
    [(1, grpc.StatusCode.RESOURCE_EXHAUSTED), (4, grpc.StatusCode.INVALID_ARGUMENT)],
)
def test_a_caller_is_held_to_the_setting(
    settings: Settings, max_message_mb: int, code: grpc.StatusCode
) -> None:
    """2 MB are not read beyond it; within it they reach the check that names the field."""
    limited = settings.model_copy(update={"max_message_mb": max_message_mb})
    with gateway(limited) as running, grpc.insecure_channel(running.target) as channel:
        with pytest.raises(grpc.RpcError) as caught:
            RecommenderServiceStub(channel).RecommendUser(
                pb.RecommendUserRequest(user_id="x" * 2 * MEGABYTE), timeout=20
            )
        assert caught.value.code() is code


@pytest.mark.parametrize("max_message_mb", [1, 4])
def test_the_model_server_is_held_to_the_setting(
    model_server: FakeModelServer, max_message_mb: int
) -> None:
    """An answer of 1.5 MB is refused by a limit of 1 and read, whole, with a limit of 4."""
    model_server.functions["content", "embed_user"] = lambda _inputs, _version: {
        "user_vector": floats([0.5] * DIM)
    }
    with PredictionClient(
        model_server.target,
        timeout_s=20,
        reserve_s=0,
        retry_s=1,
        max_message_mb=max_message_mb,
    ) as client:

        def embed() -> np.ndarray:
            return client.predict(
                ServableCall("content", "embed_user", 1),
                {"profile": np.array([[""]])},
                ["user_vector"],
                Budget.unhurried(),
                {"B": 1, "D": DIM},
            )["user_vector"]

        if max_message_mb == 1:
            with pytest.raises(UpstreamUnavailable, match="RESOURCE_EXHAUSTED"):
                embed()
        else:
            assert embed().shape == (1, DIM)
