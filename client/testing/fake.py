"""FakeRecommender: a gRPC server in this process with a fake's answers behind it."""

from __future__ import annotations

import threading
import uuid
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

import grpc
from google.protobuf.message import Message
from grpc_status import rpc_status  # type: ignore[import-untyped]  # the wheel has no py.typed

from client import arguments
from client.aio import AsyncRecommenderClient
from client.client import RecommenderClient
from client.errors import ERROR_CLASSES, REQUEST_ID_HEADER, RecommenderError
from client.models import AddedMovie, Profile, RatingEvent
from client.testing.checks import RefusedError
from client.testing.sample import SAMPLE_MOVIES, SAMPLE_PROFILES, SAMPLE_RATINGS
from client.testing.service import Service
from client.testing.state import initial_state
from protos.recommender.v1 import recommender_pb2 as pb
from protos.recommender.v1 import recommender_pb2_grpc

RPCS: Final = tuple(
    method.name for method in pb.DESCRIPTOR.services_by_name["RecommenderService"].methods
)
_WORKERS: Final = 4


@dataclass(frozen=True, slots=True)
class Received:
    """One call as it arrived; a retry is a call of its own, with the same request id."""

    rpc: str
    """The name in the service, such as "RecommendUser"."""
    request: Message
    request_id: str
    metadata: Mapping[str, str]


class FakeRecommender:
    """The whole service, for tests of code that uses it; start it by `with`.

    Every RPC works and obeys the API's rules; what is recorded and added is kept in memory until
    the fake ends. Answers are deterministic, recommendation ids and page tokens aside.
    """

    def __init__(
        self,
        movies: Iterable[AddedMovie] = SAMPLE_MOVIES,
        ratings: Iterable[RatingEvent] = SAMPLE_RATINGS,
        profiles: Mapping[str, Profile] = SAMPLE_PROFILES,
    ) -> None:
        """Listens from the moment that the `with` block is entered.

        Args:
          movies: the catalogue.
          ratings: the stored ratings, 1..5; they count in `rating_count` and `mean_rating`.
          profiles: {user_id: what is stored about the user}.

        Raises:
          ValueError: a rating names a movie that is not in the catalogue.
        """
        self.target = ""
        """Its address while it runs, "host:port", for any client."""
        self.received: list[Received] = []
        """Every call so far, oldest first; clear it as you like."""
        self._service = Service(initial_state(movies, ratings, profiles))
        self._failures: defaultdict[str, deque[RefusedError]] = defaultdict(deque)
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._server: grpc.Server | None = None

    def __enter__(self) -> Self:
        self._pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="fake-recommender")
        self._server = grpc.server(self._pool)
        recommender_pb2_grpc.add_RecommenderServiceServicer_to_server(  # type: ignore[no-untyped-call]
            _Servicer(self._answer), self._server
        )
        self.target = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.stop(None).wait()
        if self._pool is not None:
            self._pool.shutdown()

    def client(self, **options: Any) -> RecommenderClient:
        """A blocking client of this fake; `options` are those of RecommenderClient."""
        return RecommenderClient(self.target, **options)

    def async_client(self, **options: Any) -> AsyncRecommenderClient:
        """An awaited client of this fake; `options` are those of AsyncRecommenderClient."""
        return AsyncRecommenderClient(self.target, **options)

    def fail(self, rpc: str, error: RecommenderError, times: int = 1) -> None:
        """Makes the next calls of an RPC end with an error; after them it answers again.

        Args:
          rpc: its name in the service, such as "RecommendUser".
          error: what the client shall raise, such as UnavailableError("going down"); reason, field
            violations and retry_after_s travel as well.
          times: how many calls; retries count.

        Raises:
          ValueError: there is no such RPC, or no status stands for such an error.
        """
        if rpc not in RPCS:
            raise ValueError(f"rpc is {rpc!r}, allowed are {', '.join(RPCS)}")
        codes = [code for code, kind in ERROR_CLASSES.items() if kind is type(error)]
        code = error.code or next(iter(codes), None)
        if code is None:
            raise ValueError(f"no gRPC status stands for {type(error).__name__}")
        violations = [
            (violation.field, violation.description) for violation in error.field_violations
        ]
        refusal = RefusedError(code, error.reason, str(error), violations, error.retry_after_s)
        with self._lock:
            self._failures[rpc].extend([refusal] * arguments.between("times", times, 1, 1_000))

    def degrade(self, *reasons: str) -> None:
        """Marks the answers from now on as degraded for these reasons; none = whole again."""
        with self._lock:
            self._service.degraded_reasons = tuple(arguments.texts("reasons", reasons))

    def _answer(self, rpc: str, request: Message, context: grpc.ServicerContext) -> Any:
        metadata = {key: str(value) for key, value in context.invocation_metadata()}
        request_id = metadata.get(REQUEST_ID_HEADER) or uuid.uuid4().hex
        with self._lock:
            self.received.append(Received(rpc, request, request_id, metadata))
            try:
                if self._failures[rpc]:
                    raise self._failures[rpc].popleft()
                return getattr(self._service, rpc)(request)
            except RefusedError as error:
                refusal = rpc_status.to_status(error.status(request_id))
        return context.abort_with_status(refusal)  # raises, always


class _Servicer(recommender_pb2_grpc.RecommenderServiceServicer):
    """Hands every RPC to one function."""

    def __init__(self, answer: Callable[[str, Message, grpc.ServicerContext], Any]) -> None:
        for rpc in RPCS:
            setattr(self, rpc, _handler(rpc, answer))


def _handler(
    rpc: str, answer: Callable[[str, Message, grpc.ServicerContext], Any]
) -> Callable[[Message, grpc.ServicerContext], Any]:
    return lambda request, context: answer(rpc, request, context)
