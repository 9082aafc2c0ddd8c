"""BatchRecommend: the same answers as one by one, a status for each that fails."""

from __future__ import annotations

import grpc
import pytest
from google.rpc import error_details_pb2

from protos.recommender.v1 import recommender_pb2 as pb
from protos.recommender.v1.recommender_pb2_grpc import RecommenderServiceStub
from tests.fake_model_server import FakeModelServer, Inputs

Recommend = pb.RecommendUserRequest


def test_a_batch_answers_like_single_calls(stub: RecommenderServiceStub) -> None:
    """Results stand in the order of the requests and equal the single answers, ids aside."""
    requests = [
        Recommend(user_id="hot", page_size=4),
        Recommend(),
        Recommend(user_id="keen", filter=pb.MovieFilter(genres_any=["Drama"])),
        Recommend(user_id="hot", page_size=4),
    ]

    results = stub.BatchRecommend(pb.BatchRecommendRequest(requests=requests), timeout=20).results

    assert [r.WhichOneof("result") for r in results] == ["response"] * 4
    for request, result in zip(requests, results, strict=True):
        single = stub.RecommendUser(request, timeout=10)
        for answer in (single, result.response):
            answer.ClearField("recommendation_id")
            answer.ClearField("next_page_token")
        assert result.response == single


def test_a_bad_request_fails_alone(
    stub: RecommenderServiceStub, model_server: FakeModelServer
) -> None:
    """A wrong field, a page token and a fault of ours are statuses of their requests alone."""
    recommend = model_server.functions["recommend", "serving_default"]

    def wrong_for_keen(inputs: Inputs, version: int):  # type: ignore[no-untyped-def]
        outputs = dict(recommend(inputs, version))
        if inputs["user_id"][0][0] == "keen":
            del outputs["scores"]
        return outputs

    model_server.functions["recommend", "serving_default"] = wrong_for_keen
    requests = [
        Recommend(user_id="hot", page_size=101),
        Recommend(user_id="hot", page_token="x"),  # noqa: S106 - no password
        Recommend(user_id="keen"),
        Recommend(user_id="hot"),
    ]

    results = stub.BatchRecommend(pb.BatchRecommendRequest(requests=requests), timeout=20).results

    invalid = grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert [r.error.code for r in results[:2]] == [invalid, invalid]
    for result, field in zip(results[:2], ("page_size", "page_token"), strict=True):
        bad_request = error_details_pb2.BadRequest()
        assert result.error.details[1].Unpack(bad_request)
        assert bad_request.field_violations[0].field == field
    assert list(results[2].response.answer.degraded_reasons) == ["contract_violation"]
    assert not results[3].response.answer.degraded


@pytest.mark.parametrize(
    ("requests", "field"),
    [
        ([Recommend()] * 101, "requests"),
        ([Recommend(exclude_movie_ids=["m1"] * 6_667)] * 3, "requests.exclude_movie_ids"),
    ],
)
def test_a_batch_that_is_too_large_is_refused(
    stub: RecommenderServiceStub, requests: list[Recommend], field: str
) -> None:
    """More than 100 users, or more than 20,000 excluded movies in all, are INVALID_ARGUMENT."""
    with pytest.raises(grpc.RpcError, match=field) as caught:
        stub.BatchRecommend(pb.BatchRecommendRequest(requests=requests), timeout=20)

    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_an_empty_batch_is_an_empty_answer(stub: RecommenderServiceStub) -> None:
    """Nothing asked, nothing answered, no error."""
    assert not stub.BatchRecommend(pb.BatchRecommendRequest(), timeout=10).results
