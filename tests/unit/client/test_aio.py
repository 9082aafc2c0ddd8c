"""What only the awaited client can do: many calls at once, cancelling, closing meanwhile."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any

import grpc
import pytest

from client import AsyncRecommenderClient, CallCancelledError, ClientClosedError
from client.testing import FakeRecommender
from protos.recommender.v1 import recommender_pb2 as pb

WAIT_S = 30


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(main, 2 * WAIT_S))


class Held:
    """An answer that arrives when a test lets it, and notices when its call ends."""

    def __init__(self) -> None:
        self.started = threading.Event()
        self.ended = threading.Event()

    def __call__(self, _: Any, context: grpc.ServicerContext) -> pb.GetMovieResponse:
        context.add_callback(self.ended.set)
        self.started.set()
        self.ended.wait(WAIT_S)
        return pb.GetMovieResponse()

    async def wait_started(self) -> None:
        assert await asyncio.to_thread(self.started.wait, WAIT_S)


def test_calls_run_at_the_same_time(target: str, service: Any) -> None:
    """Two calls that wait for each other in the service both return."""
    together = threading.Barrier(2, timeout=WAIT_S)

    def meet(*_: Any) -> pb.GetMovieResponse:
        together.wait()
        return pb.GetMovieResponse()

    async def main() -> None:
        async with AsyncRecommenderClient(target, timeout=WAIT_S) as client:
            await asyncio.gather(client.get_movie("1"), client.get_movie("2"))

    service.answers["GetMovie"] = meet
    run(main())
    assert {request.movie_id for request in service.requests} == {"1", "2"}


def test_a_client_can_be_made_outside_of_a_loop(target: str, service: Any) -> None:
    """The constructor needs no event loop: the first call's is taken."""
    client = AsyncRecommenderClient(target, timeout=WAIT_S)

    async def main() -> None:
        async with client:
            await client.get_movie("1")

    service.answers["GetMovie"] = pb.GetMovieResponse()
    run(main())


def test_cancelling_a_task_cancels_its_call(target: str, service: Any) -> None:
    """The awaiting task is cancelled, not failed, and the service learns of it."""
    held = Held()

    async def main() -> None:
        async with AsyncRecommenderClient(target, timeout=600) as client:
            task = asyncio.create_task(client.get_movie("1"))
            await held.wait_started()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await asyncio.to_thread(held.ended.wait, WAIT_S)

    service.answers["GetMovie"] = held
    run(main())


def test_closing_ends_calls_in_progress(target: str, service: Any) -> None:
    """A task that awaits a call gets CallCancelledError: it was not cancelled itself."""
    held = Held()

    async def main() -> None:
        client = AsyncRecommenderClient(target, timeout=600)
        task = asyncio.create_task(client.get_movie("1"))
        await held.wait_started()
        await client.close()
        with pytest.raises(CallCancelledError, match="closed during the call") as raised:
            await task
        assert raised.value.request_id
        assert raised.value.code is grpc.StatusCode.CANCELLED
        with pytest.raises(ClientClosedError):
            await client.get_movie("1")
        await client.close()

    service.answers["GetMovie"] = held
    run(main())


def test_closing_ends_a_wait(unused_target: str) -> None:
    """Who waits for the connection of a client that is closed learns that."""

    async def main() -> None:
        client = AsyncRecommenderClient(unused_target)
        waiting = asyncio.create_task(client.wait_ready(600))
        await asyncio.sleep(0)  # no delay: the task runs until it waits
        await client.close()
        with pytest.raises(ClientClosedError):
            await waiting

    run(main())


def test_pages_come_one_by_one() -> None:
    """A page is asked for when the one before was taken, and not earlier."""

    async def main() -> None:
        with FakeRecommender() as fake:
            async with fake.async_client(timeout=WAIT_S) as client:
                pages = client.recommend_user_pages("42", page_size=15)
                asked = [(len(page), len(fake.received)) async for page in pages]
                assert asked == [(15, 1), (15, 2), (6, 3)]

    run(main())
