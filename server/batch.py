"""BatchRecommend: many users at once, a result or a status for each."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Final

from google.rpc import status_pb2  # type: ignore[import-untyped] # no stubs

from protos.recommender.v1 import recommender_pb2 as pb
from server.checks import FieldChecks
from server.errors import FieldViolation, InvalidRequest, ServiceError, status_of, visible
from server.logs import REQUEST_ID, fields

MAX_REQUESTS: Final = 100
MAX_EXCLUDED_IN_ALL: Final = 20_000

_log = logging.getLogger(__name__)


def batch_recommend(
    request: pb.BatchRecommendRequest,
    answer: Callable[[pb.RecommendUserRequest], bytes],
    pool: Executor,
    request_id: str,
) -> pb.BatchRecommendResponse:
    """What `answer` says to each request, in their order; one that fails leaves the others alone.

    Args:
      request: the batch.
      answer: the RecommendUserResponse of one request, as it is written; all from one release.
      pool: where the requests are answered side by side.
      request_id: of the batch, for the statuses and the log.

    Raises:
      InvalidRequest: too many requests, or too many excluded movies in all.
    """
    _check(request.requests)
    results = pool.map(lambda one: _result(one, answer, request_id), request.requests)
    return pb.BatchRecommendResponse(results=results)


def _check(requests: Sequence[pb.RecommendUserRequest]) -> None:
    checks = FieldChecks()
    checks.count("requests", len(requests), 0, MAX_REQUESTS)
    n_excluded = sum(len(one.exclude_movie_ids) for one in requests)
    if n_excluded > MAX_EXCLUDED_IN_ALL:
        checks.refuse(
            "requests.exclude_movie_ids",
            f"has {n_excluded} entries in all, allowed 0..{MAX_EXCLUDED_IN_ALL}",
        )
    checks.done()


def _result(
    request: pb.RecommendUserRequest,
    answer: Callable[[pb.RecommendUserRequest], bytes],
    request_id: str,
) -> pb.BatchRecommendResponse.Result:
    # The pool's thread does not know whose call this is.
    REQUEST_ID.set(request_id)
    try:
        if request.page_token:
            fault = FieldViolation("page_token", "is set, allowed is none in a batch")
            raise InvalidRequest([fault])  # noqa: TRY301 - one way out for every fault
        response = pb.RecommendUserResponse.FromString(answer(request))
        return pb.BatchRecommendResponse.Result(response=response)
    except Exception as error:  # noqa: BLE001 - everything becomes this request's status
        error = visible(error)
        status: status_pb2.Status = status_of(error, request_id)
        if not isinstance(error, ServiceError):
            _log.exception("a request of a batch failed", extra=fields(request_id=request_id))
        return pb.BatchRecommendResponse.Result(error=status)
