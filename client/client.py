"""RecommenderClient: the blocking client, one method for each RPC; aio.py has the awaited one."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
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
from client.errors import ClientClosedError, UnavailableError
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
from client.settings import (
    DEFAULT_MAX_ATTEMPTS,
    DEFAULT_TARGET,
    DEFAULT_TIMEOUT_S,
    Tls,
)
from protos.recommender.v1 import recommender_pb2_grpc

AnswerT = TypeVar("AnswerT")


class RecommenderClient(Connection):
    """Asks one gateway; safe to share between threads, and to be closed after use.

    Every call takes `timeout` in seconds, the whole time that it may last with its retries, and
    raises a RecommenderError (errors.py has the tree). A call that nobody could answer
    (UNAVAILABLE) is made again within that time, `max_attempts` times in all; the writes carry a
    request_id, so making them again stores nothing twice. Wrong types of arguments raise TypeError
    before anything is sent; allowed ranges are the service's word, as InvalidRequestError.

    ::

        with RecommenderClient("127.0.0.1:50051") as client:
            for item in client.recommend_user("42", page_size=5):
                print(item.movie, item.predicted_rating)
    """

    def __init__(
        self,
        target: str = DEFAULT_TARGET,
        *,
        timeout: float = DEFAULT_TIMEOUT_S,
        max_attempts: int = DEFAULT_MAX_ATTEMPTS,
        tls: Tls | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(
            target, timeout=timeout, max_attempts=max_attempts, tls=tls, metadata=metadata
        )
        self._closing = threading.Event()
        credentials = self._credentials()
        self._channel = (
            grpc.insecure_channel(self.target, CHANNEL_OPTIONS)
            if credentials is None
            else grpc.secure_channel(self.target, credentials, CHANNEL_OPTIONS)
        )
        # grpc's generator writes untyped code.
        self._stub = recommender_pb2_grpc.RecommenderServiceStub(self._channel)  # type: ignore[no-untyped-call]

    def close(self) -> None:
        """Ends the connection and cancels calls in progress; closing twice is fine."""
        self._closed = True
        self._closing.set()
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def wait_ready(self, timeout: float) -> None:
        """Returns once the connection to the gateway stands.

        Whether a release is active there, and its models are, `get_serving_status().ready` tells.

        Args:
          timeout: seconds to wait at most.

        Raises:
          DeadlineExceededError: nobody accepted a connection in time.
        """
        self._check_open()
        limit = arguments.seconds("timeout", timeout)
        ready = grpc.channel_ready_future(self._channel)
        try:
            ready.result(timeout=limit)
        except grpc.FutureTimeoutError as error:
            ready.cancel()
            raise self._not_ready(limit) from error

    def recommend_user(  # noqa: PLR0913  (keyword-only options of one question)
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
        """Movies for one user, best first.

        Args:
          user_id: "" = a guest. An id that nobody knows is a guest as well, not an error.
          page_size: movies wanted, 1..100; 0 = 10.
          exclude_seen: leave out what the user has rated.
          exclude_movie_ids: never return these; at most 10,000.
          filter: which movies are wanted.
          history: ratings to take into account beside the stored ones, oldest first.
          profile: what the user says about himself or herself.
          diversity: 0..1; 0 = pure score order.
          order_by: how the list is ordered.
          page_token: `next_page_token` of the page before; the rest of the query unchanged.
          timeout: seconds; None = the client's.

        Raises:
          InvalidRequestError: a value is outside its range, a genre is unknown, or the token was
            changed or belongs to another query.
        """
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
        return self._ask(call, timeout)

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
    ) -> Iterator[Recommendations]:
        """The pages of one ranking, best first; each is asked for when the one before is used up.

        The pages continue the ranking of the first one, whatever is rated or published meanwhile.

        Args:
          user_id: this and the rest as in `recommend_user`.
          page_size: movies of a page, 1..100; 0 = 10. The last page may have fewer.
          exclude_seen: leave out what the user has rated.
          exclude_movie_ids: never return these; at most 10,000.
          filter: which movies are wanted.
          history: ratings to take into account beside the stored ones, oldest first.
          profile: what the user says about himself or herself.
          diversity: 0..1; 0 = pure score order.
          order_by: how the ranking is ordered.
          timeout: seconds that each page may take; None = the client's.
        """
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

    def predict_rating(
        self,
        user_id: str,
        movie_ids: Iterable[str],
        *,
        history: Iterable[RatedMovie] = (),
        profile: Profile | None = None,
        timeout: float | None = None,
    ) -> PredictedRatings:
        """The ratings that one user would give to 1..1000 movies, in the order given.

        Args:
          user_id: "" = a guest; an unknown id is a guest as well.
          movie_ids: those that the catalogue does not have are left out of the items and listed in
            `answer.unknown_movie_ids`.
          history: ratings to take into account beside the stored ones, oldest first.
          profile: what the user says about himself or herself.
          timeout: seconds; None = the client's.

        Raises:
          InvalidRequestError: no movie or too many, or a value outside its range.
        """
        return self._ask(calls.predict_rating(user_id, movie_ids, history, profile), timeout)

    def similar_movies(
        self,
        movie: str | NewMovie,
        *,
        mode: SimilarityMode = SimilarityMode.HYBRID,
        page_size: int = 0,
        filter: MovieFilter | None = None,  # noqa: A002  (the API's word)
        timeout: float | None = None,
    ) -> SimilarMovies:
        """Movies like one movie, most similar first; never the movie itself.

        Args:
          movie: the id of one of the catalogue, or a NewMovie that describes one outside of it.
          mode: what makes two movies alike. A new movie is placed by its content in every mode.
          page_size: movies wanted, 1..100; 0 = 10.
          filter: which movies are wanted.
          timeout: seconds; None = the client's.

        Raises:
          NotFoundError: the catalogue does not have this id.
        """
        return self._ask(calls.similar_movies(movie, mode, page_size, filter), timeout)

    def get_user(self, user_id: str, *, timeout: float | None = None) -> User:
        """What the service knows about a user; an unknown one is COLD and has no ratings.

        Args:
          user_id: at most 256 bytes, no control characters.
          timeout: seconds; None = the client's.
        """
        return self._ask(calls.get_user(user_id), timeout)

    def get_movie(self, movie_id: str, *, timeout: float | None = None) -> CatalogueEntry:
        """One movie of the catalogue.

        Raises:
          NotFoundError: the catalogue does not have this id.
        """
        return self._ask(calls.get_movie(movie_id), timeout)

    def search_movies(
        self, query: str, *, page_size: int = 0, timeout: float | None = None
    ) -> FoundMovies:
        """Movies whose title resembles the query, best match first.

        Args:
          query: 1..200 characters. Case, accents, small slips of the keys and the place of an
            article do not matter.
          page_size: movies wanted, 1..100; 0 = 10.
          timeout: seconds; None = the client's.
        """
        return self._ask(calls.search_movies(query, page_size), timeout)

    def popular_movies(
        self,
        ranking: PopularList = PopularList.POPULAR,
        *,
        min_rating_count: int = 0,
        min_mean_rating: float = 0.0,
        filter: MovieFilter | None = None,  # noqa: A002  (the API's word)
        page_size: int = 0,
        timeout: float | None = None,
    ) -> PopularMovies:
        """A ranking that is the same for everybody, best first.

        Args:
          ranking: which one.
          min_rating_count: ratings that a movie has at least; 0 = any number.
          min_mean_rating: their mean is at least this; 0 = any.
          filter: which movies are wanted.
          page_size: movies wanted, 1..100; 0 = 10.
          timeout: seconds; None = the client's.
        """
        return self._ask(
            calls.popular_movies(ranking, min_rating_count, min_mean_rating, filter, page_size),
            timeout,
        )

    def record_ratings(
        self,
        ratings: Iterable[RatingEvent],
        *,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> RecordedRatings:
        """Stores 1..1000 ratings, durably before it returns.

        Args:
          ratings: the events; a rating of None forgets the stored one. Movies that the catalogue
            does not have are not stored and are listed in `unknown_movie_ids`.
          request_id: the same id again gives the same answer and stores nothing twice. None = a
            new one, which covers this call's own retries; give one to repeat the call yourself.
          timeout: seconds; None = the client's.

        Raises:
          InvalidRequestError: a rating is outside the release's range; then none is stored.
        """
        return self._ask(calls.record_ratings(ratings, request_id), timeout)

    def add_movies(
        self,
        movies: Iterable[AddedMovie],
        *,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> AddedMovies:
        """Adds 1..1000 movies to the catalogue without training, durably before it returns.

        Args:
          movies: the movies. One that is there already with the same content is no error.
          request_id: as in `record_ratings`.
          timeout: seconds; None = the client's.

        Raises:
          AlreadyExistsError: an id exists with other content.
        """
        return self._ask(calls.add_movies(movies, request_id), timeout)

    def batch_recommend(
        self, queries: Iterable[RecommendQuery], *, timeout: float | None = None
    ) -> BatchResults:
        """Lists for up to 100 users in one call; each has its own list or its own error.

        Args:
          queries: at most 100, without page tokens, with at most 20,000 excluded ids in all.
          timeout: seconds for all of them; None = the client's.
        """
        return self._ask(calls.batch_recommend(queries), timeout)

    def get_serving_status(self, *, timeout: float | None = None) -> ServingStatus:
        """Which release answers, and how its parts are."""
        return self._ask(calls.get_serving_status(), timeout)

    def _pages(
        self, first: Call[Recommendations], timeout: float | None
    ) -> Iterator[Recommendations]:
        call: Call[Recommendations] | None = first
        while call is not None:
            page = self._ask(call, timeout)
            yield page
            call = calls.next_page(call, page)

    def _ask(self, call: Call[AnswerT], timeout: float | None) -> AnswerT:
        """Makes a call, again while that may help, and reads its reply."""
        request_id, attempts = self._start(timeout)
        while True:
            try:
                return call.read(self._attempt(call, request_id, attempts))
            except UnavailableError as error:
                pause = attempts.pause_after(error)
                if pause is None:
                    raise
                self._closing.wait(pause)

    def _attempt(self, call: Call[Any], request_id: str, attempts: Attempts) -> Any:
        """The one place where an RPC is called; every error of it becomes ours."""
        self._check_open()
        rpc = getattr(self._stub, call.rpc)
        try:
            return rpc(
                call.request,
                timeout=attempts.time_left(),
                metadata=self._headers(request_id),
            )
        except grpc.RpcError as error:
            raise self._failed(error, call.rpc, request_id, attempts) from error
        except ValueError as error:
            if not self._closed:
                raise
            # Closed by another thread between the look above and the call.
            raise ClientClosedError("this client is closed") from error
