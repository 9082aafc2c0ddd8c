"""RecommenderClient: the blocking client, one method for each RPC."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Final, Self, TypeVar

import grpc

from client import arguments, codec, requests
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
from client.errors import REQUEST_ID_HEADER, ClientClosedError, from_call
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
from protos.recommender.v1 import recommender_pb2_grpc

DEFAULT_TARGET: Final = "127.0.0.1:50051"
DEFAULT_TIMEOUT_S: Final = 5.0

CHANNEL_OPTIONS: Final = (
    # A batch of 100 users with 100 movies each is some MiB; grpc's own limit is 4.
    ("grpc.max_receive_message_length", 64 * 2**20),
    ("grpc.max_send_message_length", 64 * 2**20),
    # A peer that vanished mid-call is noticed; an idle channel stays silent, as servers demand.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 0),
    # A server that comes back is found within seconds, not after grpc's two minutes.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 5_000),
)

RequestT = TypeVar("RequestT")
ResponseT = TypeVar("ResponseT")


class RecommenderClient:
    """Asks one gateway; safe to share between threads, and to be closed after use.

    Every call takes `timeout` in seconds, the whole time that it may last, and raises a
    RecommenderError (errors.py has the tree). Wrong types of arguments raise TypeError before
    anything is sent; allowed ranges are the service's word, as InvalidRequestError.

    ::

        with RecommenderClient("127.0.0.1:50051") as client:
            for item in client.recommend_user("42", page_size=5):
                print(item.movie, item.predicted_rating)
    """

    def __init__(self, target: str = DEFAULT_TARGET, *, timeout: float = DEFAULT_TIMEOUT_S) -> None:
        """Connects at the first call, not now.

        Args:
          target: "host:port" of the gateway, or another gRPC target such as "dns:///host:port".
          timeout: seconds that a call may last when it does not say otherwise.
        """
        self.target = arguments.text("target", target)
        self.timeout = arguments.seconds("timeout", timeout)
        self._closed = False
        self._channel = grpc.insecure_channel(self.target, options=CHANNEL_OPTIONS)
        # grpc's generator writes untyped code.
        self._stub = recommender_pb2_grpc.RecommenderServiceStub(self._channel)  # type: ignore[no-untyped-call]

    def close(self) -> None:
        """Ends the connection and cancels calls in progress; closing twice is fine."""
        self._closed = True
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

    def __repr__(self) -> str:
        state = ", closed" if self._closed else ""
        return f"RecommenderClient({self.target!r}, timeout={self.timeout}{state})"

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
        """
        query = RecommendQuery(
            user_id=user_id,
            page_size=page_size,
            exclude_seen=exclude_seen,
            exclude_movie_ids=tuple(arguments.texts("exclude_movie_ids", exclude_movie_ids)),
            filter=filter,
            history=tuple(arguments.many("history", history, RatedMovie)),
            profile=profile,
            diversity=diversity,
            order_by=order_by,
            page_token=page_token,
        )
        request = requests.recommend_user(query)
        return codec.recommendations(self._call(self._stub.RecommendUser, request, timeout))

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

        Movies that the catalogue does not have are listed in `answer.unknown_movie_ids`.
        """
        request = requests.predict_rating(user_id, movie_ids, history, profile)
        return codec.predicted_ratings(self._call(self._stub.PredictRating, request, timeout))

    def similar_movies(
        self,
        movie: str | NewMovie,
        *,
        mode: SimilarityMode = SimilarityMode.HYBRID,
        page_size: int = 0,
        filter: MovieFilter | None = None,  # noqa: A002  (the API's word)
        timeout: float | None = None,
    ) -> SimilarMovies:
        """Movies like one of the catalogue (its id) or one outside of it, most similar first.

        Raises:
          NotFoundError: the catalogue does not have this id.
        """
        request = requests.similar_movies(movie, mode, page_size, filter)
        return codec.similar_movies(self._call(self._stub.SimilarMovies, request, timeout))

    def get_user(self, user_id: str, *, timeout: float | None = None) -> User:
        """What the service knows about a user; an unknown one is COLD and has no ratings."""
        request = requests.get_user(user_id)
        return codec.user(self._call(self._stub.GetUser, request, timeout), user_id)

    def get_movie(self, movie_id: str, *, timeout: float | None = None) -> CatalogueEntry:
        """One movie of the catalogue.

        Raises:
          NotFoundError: the catalogue does not have this id.
        """
        request = requests.get_movie(movie_id)
        return codec.catalogue_entry(self._call(self._stub.GetMovie, request, timeout))

    def search_movies(
        self, query: str, *, page_size: int = 0, timeout: float | None = None
    ) -> FoundMovies:
        """Movies whose title resembles the query (1..200 characters), best match first."""
        request = requests.search_movies(query, page_size)
        return codec.found_movies(self._call(self._stub.SearchMovies, request, timeout))

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
        """A ranking that is the same for everybody, best first."""
        request = requests.popular_movies(
            ranking, min_rating_count, min_mean_rating, filter, page_size
        )
        return codec.popular_movies(self._call(self._stub.PopularMovies, request, timeout))

    def record_ratings(
        self,
        ratings: Iterable[RatingEvent],
        *,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> RecordedRatings:
        """Stores 1..1000 ratings, durably before it returns.

        Args:
          ratings: the events; a rating of None forgets the stored one.
          request_id: the same id again gives the same answer and stores nothing twice; None
            = a new one, so only this call is covered.
          timeout: seconds; None = the client's.
        """
        request = requests.record_ratings(ratings, _new_id() if request_id is None else request_id)
        return codec.recorded_ratings(self._call(self._stub.RecordRatings, request, timeout))

    def add_movies(
        self,
        movies: Iterable[AddedMovie],
        *,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> AddedMovies:
        """Adds 1..1000 movies to the catalogue without training, durably before it returns.

        Args:
          movies: the movies.
          request_id: as in `record_ratings`.
          timeout: seconds; None = the client's.

        Raises:
          AlreadyExistsError: an id exists with other content.
        """
        request = requests.add_movies(movies, _new_id() if request_id is None else request_id)
        return codec.added_movies(self._call(self._stub.AddMovies, request, timeout))

    def batch_recommend(
        self, queries: Iterable[RecommendQuery], *, timeout: float | None = None
    ) -> BatchResults:
        """Lists for up to 100 users in one call; each has its own list or its own error."""
        request = requests.batch_recommend(queries)
        return codec.batch_results(self._call(self._stub.BatchRecommend, request, timeout))

    def get_serving_status(self, *, timeout: float | None = None) -> ServingStatus:
        """Which release answers, and how its parts are."""
        request = requests.get_serving_status()
        return codec.serving_status(self._call(self._stub.GetServingStatus, request, timeout))

    def _call(
        self, rpc: Callable[..., ResponseT], request: object, timeout: float | None
    ) -> ResponseT:
        """The one place where a call is made; every error of it becomes ours."""
        if self._closed:
            raise ClientClosedError("this client is closed")
        limit = self.timeout if timeout is None else arguments.seconds("timeout", timeout)
        request_id = _new_id()
        try:
            return rpc(request, timeout=limit, metadata=((REQUEST_ID_HEADER, request_id),))
        except grpc.RpcError as error:
            raise from_call(error, request_id) from error
        except ValueError as error:
            if not self._closed:
                raise
            # Closed by another thread between the look above and the call.
            raise ClientClosedError("this client is closed") from error


def _new_id() -> str:
    return uuid.uuid4().hex
