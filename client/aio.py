"""AsyncRecommenderClient: the awaited client; its methods are documented at RecommenderClient."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from types import TracebackType
from typing import Any, Self, TypeVar

import grpc

from client import arguments, calls
from client.answers import (
    AddedMovies,
    BatchResults,
    CatalogueEntry,
    FoundMovies,
    PopularMovies,
    PredictedRatings,
    Recommendations,
    RecordedRatings,
    ServingStatus,
    SimilarMovies,
    User,
)
from client.calls import Call
from client.connection import CHANNEL_OPTIONS, Connection
from client.errors import CallCancelledError, ClientClosedError, UnavailableError
from client.models import (
    AddedMovie,
    MovieFilter,
    NewMovie,
    OrderBy,
    PopularList,
    Profile,
    RatedMovie,
    RatingEvent,
    RecommendQuery,
    SimilarityMode,
)
from client.retries import Attempts
from protos.recommender.v1 import recommender_pb2_grpc

AnswerT = TypeVar("AnswerT")


class AsyncRecommenderClient(Connection):
    """Asks one gateway from an event loop, the one of its first call; many calls may run at once.

    It has the methods of RecommenderClient with the same arguments, answers and errors. Cancelling
    a task that awaits a call cancels the call.

    ::

        async with AsyncRecommenderClient("127.0.0.1:50051") as client:
            for item in await client.recommend_user("42", page_size=5):
                print(item.movie, item.predicted_rating)
            async for page in client.recommend_user_pages("42", page_size=50):
                print(page.movie_ids)
    """

    _channel: grpc.aio.Channel | None = None

    async def close(self) -> None:
        """Ends the connection and cancels calls in progress; closing twice is fine."""
        self._closed = True
        if self._channel is not None:
            await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def wait_ready(self, timeout: float) -> None:
        """Returns once the connection to the gateway stands."""
        self._check_open()
        limit = arguments.seconds("timeout", timeout)
        try:
            await asyncio.wait_for(self._open().channel_ready(), limit)
        except TimeoutError as error:
            raise self._not_ready(limit) from error
        except grpc.aio.UsageError as error:
            # Closed by another task while this one waited.
            raise ClientClosedError("this client is closed") from error

    async def recommend_user(  # noqa: PLR0913  (keyword-only options of one question)
        self,
        user_id: str = "",
        *,
        page_size: int = 0,
        exclude_seen: bool = True,
        exclude_movie_ids: Iterable[str] = (),
        filter: MovieFilter | None = None,  # noqa: A002  (the API's word)
        history: Iterable[RatedMovie] = (),
        profile: Profile | None = None,
        diversity: float = 0.0,
        order_by: OrderBy = OrderBy.DEFAULT,
        page_token: str = "",
        timeout: float | None = None,
    ) -> Recommendations:
        """Movies for one user, best first."""
        call = calls.recommend_user(
            user_id,
            page_size,
            exclude_seen=exclude_seen,
            exclude_movie_ids=exclude_movie_ids,
            filter=filter,
            history=history,
            profile=profile,
            diversity=diversity,
            order_by=order_by,
            page_token=page_token,
        )
        return await self._ask(call, timeout)

    def recommend_user_pages(  # noqa: PLR0913  (keyword-only options of one question)
        self,
        user_id: str = "",
        *,
        page_size: int = 0,
        exclude_seen: bool = True,
        exclude_movie_ids: Iterable[str] = (),
        filter: MovieFilter | None = None,  # noqa: A002  (the API's word)
        history: Iterable[RatedMovie] = (),
        profile: Profile | None = None,
        diversity: float = 0.0,
        order_by: OrderBy = OrderBy.DEFAULT,
        timeout: float | None = None,
    ) -> AsyncIterator[Recommendations]:
        """The pages of one ranking, best first, each asked for when it is its turn."""
        call = calls.recommend_user(
            user_id,
            page_size,
            exclude_seen=exclude_seen,
            exclude_movie_ids=exclude_movie_ids,
            filter=filter,
            history=history,
            profile=profile,
            diversity=diversity,
            order_by=order_by,
        )
        return self._pages(call, timeout)

    async def predict_rating(
        self,
        user_id: str,
        movie_ids: Iterable[str],
        *,
        history: Iterable[RatedMovie] = (),
        profile: Profile | None = None,
        timeout: float | None = None,
    ) -> PredictedRatings:
        """The ratings that one user would give to 1..1000 movies, in the order given."""
        return await self._ask(calls.predict_rating(user_id, movie_ids, history, profile), timeout)

    async def similar_movies(
        self,
        movie: str | NewMovie,
        *,
        mode: SimilarityMode = SimilarityMode.HYBRID,
        page_size: int = 0,
        filter: MovieFilter | None = None,  # noqa: A002  (the API's word)
        timeout: float | None = None,
    ) -> SimilarMovies:
        """Movies like one movie, most similar first; never the movie itself."""
        return await self._ask(calls.similar_movies(movie, mode, page_size, filter), timeout)

    async def get_user(self, user_id: str, *, timeout: float | None = None) -> User:
        """What the service knows about a user; an unknown one is COLD and has no ratings."""
        return await self._ask(calls.get_user(user_id), timeout)

    async def get_movie(self, movie_id: str, *, timeout: float | None = None) -> CatalogueEntry:
        """One movie of the catalogue."""
        return await self._ask(calls.get_movie(movie_id), timeout)

    async def search_movies(
        self, query: str, *, page_size: int = 0, timeout: float | None = None
    ) -> FoundMovies:
        """Movies whose title resembles the query, best match first."""
        return await self._ask(calls.search_movies(query, page_size), timeout)

    async def popular_movies(
        self,
        ranking: PopularList = PopularList.POPULAR,
        *,
        min_rating_count: int = 0,
        min_mean_rating: float = 0.0,
        filter: MovieFilter | None = None,  # noqa: A002  (the API's word)
        page_size: int = 0,
        timeout: float | None = None,
    ) -> PopularMovies:
        """A ranking that is the same for everybody, best first."""
        return await self._ask(
            calls.popular_movies(ranking, min_rating_count, min_mean_rating, filter, page_size),
            timeout,
        )

    async def record_ratings(
        self,
        ratings: Iterable[RatingEvent],
        *,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> RecordedRatings:
        """Stores 1..1000 ratings, durably before it returns."""
        return await self._ask(calls.record_ratings(ratings, request_id), timeout)

    async def add_movies(
        self,
        movies: Iterable[AddedMovie],
        *,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> AddedMovies:
        """Adds 1..1000 movies to the catalogue without training, durably before it returns."""
        return await self._ask(calls.add_movies(movies, request_id), timeout)

    async def batch_recommend(
        self, queries: Iterable[RecommendQuery], *, timeout: float | None = None
    ) -> BatchResults:
        """Lists for up to 100 users in one call; each has its own list or its own error."""
        return await self._ask(calls.batch_recommend(queries), timeout)

    async def get_serving_status(self, *, timeout: float | None = None) -> ServingStatus:
        """Which release answers, and how its parts are."""
        return await self._ask(calls.get_serving_status(), timeout)

    async def _pages(
        self, first: Call[Recommendations], timeout: float | None
    ) -> AsyncIterator[Recommendations]:
        call: Call[Recommendations] | None = first
        while call is not None:
            page = await self._ask(call, timeout)
            yield page
            call = calls.next_page(call, page)

    async def _ask(self, call: Call[AnswerT], timeout: float | None) -> AnswerT:
        """Makes a call, again while that may help, and reads its reply."""
        request_id, attempts = self._start(timeout)
        while True:
            try:
                return call.read(await self._attempt(call, request_id, attempts))
            except UnavailableError as error:
                pause = attempts.pause_after(error)
                if pause is None:
                    raise
                await asyncio.sleep(pause)

    async def _attempt(self, call: Call[Any], request_id: str, attempts: Attempts) -> Any:
        """The one place where an RPC is called; every error of it becomes ours."""
        self._check_open()
        self._open()
        rpc = getattr(self._stub, call.rpc)
        try:
            return await rpc(
                call.request,
                timeout=attempts.time_left(),
                metadata=self._headers(request_id),
            )
        except grpc.RpcError as error:
            raise self._failed(error, call.rpc, request_id, attempts) from error
        except asyncio.CancelledError as error:
            # Closing the client cancels its calls; a task that was cancelled itself stays so.
            task = asyncio.current_task()
            if not self._closed or (task is not None and task.cancelling()):
                raise
            raise CallCancelledError(
                "the client was closed during the call",
                code=grpc.StatusCode.CANCELLED,
                request_id=request_id,
            ) from error
        except grpc.aio.UsageError as error:
            # Closed by another task between the look above and the call.
            raise ClientClosedError("this client is closed") from error

    def _open(self) -> grpc.aio.Channel:
        """The channel, made at the first call: it belongs to the event loop that runs then."""
        if self._channel is None:
            credentials = self._credentials()
            self._channel = (
                grpc.aio.insecure_channel(self.target, options=CHANNEL_OPTIONS)
                if credentials is None
                else grpc.aio.secure_channel(self.target, credentials, options=CHANNEL_OPTIONS)
            )
            # grpc's generator writes untyped code.
            self._stub = recommender_pb2_grpc.RecommenderServiceStub(self._channel)  # type: ignore[no-untyped-call]
        return self._channel
