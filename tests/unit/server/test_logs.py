"""What is logged while a call is answered names the call."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from protos.recommender.v1 import recommender_pb2 as pb
from protos.recommender.v1.recommender_pb2_grpc import RecommenderServiceStub
from server.logs import JsonFormatter
from tests.fake_model_server import FakeModelServer


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    stream, logger = io.StringIO(), logging.getLogger("server")
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel("INFO")
    yield stream
    logger.removeHandler(handler)
    logger.setLevel(level)


def test_every_event_of_a_call_has_its_request_id(
    stub: RecommenderServiceStub, model_server: FakeModelServer, written: io.StringIO
) -> None:
    """Both why an answer is degraded and the call's own event; in a batch as well."""
    model_server.stop()
    for request_id, ask in {
        "one": lambda **k: stub.RecommendUser(pb.RecommendUserRequest(), **k),
        "many": lambda **k: stub.BatchRecommend(
            pb.BatchRecommendRequest(requests=[pb.RecommendUserRequest()] * 2), **k
        ),
    }.items():
        ask(timeout=10, metadata=(("x-request-id", request_id),))

    events = [json.loads(line) for line in written.getvalue().splitlines()]
    named = {(event.get("request_id"), event["event"]) for event in events}
    for request_id in ("one", "many"):
        assert (request_id, "answer degraded") in named
        assert (request_id, "rpc") in named
    assert (None, "answer degraded") not in named
