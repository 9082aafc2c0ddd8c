"""When a call is made again, and when not."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from client import (
    AddedMovie,
    ClientClosedError,
    NotFoundError,
    OverloadedError,
    RatingEvent,
    RecommenderClient,
    UnavailableError,
)
from client.retries import Attempts
from client.testing import FakeRecommender
from protos.recommender.v1 import recommender_pb2 as pb

AWAY = UnavailableError("going down")


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def attempts(timeout: float, n: int, random_part: float = 0.0) -> tuple[Attempts, Clock]:
    clock = Clock()
    return Attempts(timeout, n, clock=clock, random_part=lambda: random_part), clock


@pytest.mark.parametrize(
    ("random_part", "pauses"),
    [
        (0.0, [0.1, 0.2, 0.4, 0.8, 1.0, 1.0, None]),
        (1.0, [0.05, 0.1, 0.2, 0.4, 0.5, 0.5, None]),
    ],
)
def test_pauses_double_up_to_a_second(random_part: float, pauses: list[float | None]) -> None:
    """0.1 s, doubling to 1 s, shortened by up to half at random; seven attempts have six pauses."""
    tried, _ = attempts(60, 7, random_part)
    assert [tried.pause_after(AWAY) for _ in pauses] == [
        pause if pause is None else pytest.approx(pause) for pause in pauses
    ]


def test_a_pause_that_does_not_fit_ends_the_call() -> None:
    """With 0.15 s left, 0.1 s still fits and 0.2 s does not."""
    tried, clock = attempts(1.0, 10)
    clock.now += 0.85
    assert tried.time_left() == pytest.approx(0.15)
    assert tried.pause_after(AWAY) == pytest.approx(0.1)
    assert tried.pause_after(AWAY) is None


@pytest.mark.parametrize("error", [NotFoundError("x"), OverloadedError("x", retry_after_s=0.1)])
def test_only_unavailable_is_tried_again(error: Any) -> None:
    """The service did answer: asking again would be a new question."""
    tried, _ = attempts(60, 7)
    assert tried.pause_after(error) is None


def test_the_service_may_ask_for_a_longer_pause() -> None:
    """retry_after_s lengthens a pause and never shortens it; where it does not fit, it ends."""
    tried, _ = attempts(5, 10)
    assert tried.pause_after(UnavailableError("x", retry_after_s=3.0)) == pytest.approx(3.0)
    assert tried.pause_after(UnavailableError("x", retry_after_s=0.01)) == pytest.approx(0.2)
    assert tried.pause_after(UnavailableError("x", retry_after_s=6.0)) is None


def test_a_service_that_comes_back_is_not_noticed(connect: Any) -> None:
    """Two refusals, then the answer; the three attempts carry one request id."""
    with FakeRecommender() as fake, connect(fake.target, timeout=30) as client:
        fake.fail("RecommendUser", AWAY, times=2)
        assert len(client.recommend_user("42")) == 10
        assert len(fake.received) == 3
        assert len({call.request_id for call in fake.received}) == 1


def test_writes_are_tried_again_under_one_request_id(connect: Any) -> None:
    """A write that may have been stored already is sent again with the id that makes it one."""
    with FakeRecommender() as fake, connect(fake.target, timeout=30) as client:
        fake.fail("RecordRatings", AWAY)
        fake.fail("AddMovies", AWAY)
        client.record_ratings([RatingEvent("new", "7", 4.0)])
        client.add_movies([AddedMovie("n1", "Metropolis", 1927)])
        ids = [getattr(call.request, "request_id") for call in fake.received]  # noqa: B009
        assert [call.rpc for call in fake.received] == ["RecordRatings"] * 2 + ["AddMovies"] * 2
        assert ids[0] == ids[1] != ids[2] == ids[3]
        assert all(ids)


def test_a_write_without_an_id_is_refused(client: RecommenderClient, service: Any) -> None:
    """An empty request_id could not be sent again safely."""
    with pytest.raises(ValueError, match="request_id must not be empty"):
        client.record_ratings([RatingEvent("1", "2", 3.0)], request_id="")
    assert service.requests == []


def test_every_rpc_that_changes_something_has_a_request_id() -> None:
    """What is retried must be idempotent: a new RPC that writes needs an id as well."""
    rpcs = pb.DESCRIPTOR.services_by_name["RecommenderService"].methods
    with_id = {rpc.name for rpc in rpcs if "request_id" in rpc.input_type.fields_by_name}
    reads = {rpc.name for rpc in rpcs if rpc.name.startswith(("Get", "Search", "Popular"))}
    reads |= {"RecommendUser", "PredictRating", "SimilarMovies", "BatchRecommend"}
    assert with_id == {rpc.name for rpc in rpcs} - reads == {"RecordRatings", "AddMovies"}


def test_attempts_can_be_limited(connect: Any) -> None:
    """max_attempts=2 means one retry; the last error is raised with its words."""
    with FakeRecommender() as fake, connect(fake.target, timeout=30, max_attempts=2) as client:
        fake.fail("GetUser", AWAY, times=9)
        with pytest.raises(UnavailableError, match="going down"):
            client.get_user("42")
        assert len(fake.received) == 2


def test_the_deadline_is_not_what_the_caller_is_told(connect: Any) -> None:
    """When no pause fits any more, the service's own sentence arrives, not DEADLINE_EXCEEDED."""
    with FakeRecommender() as fake, connect(fake.target, timeout=30) as client:
        fake.fail("GetUser", UnavailableError("no release is active", retry_after_s=1000), times=9)
        with pytest.raises(UnavailableError, match="no release is active"):
            client.get_user("42")
        assert len(fake.received) == 1


def test_closing_ends_a_pause() -> None:
    """A thread that waits 500 s for its next attempt learns at once that the client was closed."""
    pausing = threading.Event()

    class Watched(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            pausing.set()
            return super().wait(timeout)

    with FakeRecommender() as fake, ThreadPoolExecutor(1) as pool:
        client = fake.client(timeout=600)
        client._closing = Watched()
        fake.fail("GetUser", UnavailableError("away", retry_after_s=500))
        asking = pool.submit(client.get_user, "42")
        assert pausing.wait(30)
        client.close()
        with pytest.raises(ClientClosedError):
            asking.result(30)
