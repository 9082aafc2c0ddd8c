"""RecommenderService over gRPC: proto to domain and back, nothing else."""
# ruff: noqa: N802 - gRPC names the methods.

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass

import grpc

from protos.recommender.v1 import recommender_pb2 as pb
from protos.recommender.v1 import recommender_pb2_grpc
from server import catalogue_requests, requests, responses, write_requests
from server.additions import Additions
from server.asking import Asking, answered_alone
from server.backends import Backend
from server.batch import batch_recommend
from server.deadline import Budget
from server.domain import MovieId, UserId
from server.errors import UnknownMovie
from server.features.store import FeatureStore
from server.logs import REQUEST_ID
from server.paging import PageTokens, hash_of
from server.popular import popular_ranking
from server.rate import predict_ratings
from server.recommend import cut_page, rank_movies
from server.record import record_ratings
from server.releases import Releases
from server.search import search_movies
from server.servables import Asked, Models, Recommended
from server.similar import similar_movies
from server.status import serving_status
from server.users import get_user, unknown_movies


@dataclass(frozen=True, slots=True)
class Parts:
    """What the RPCs are answered with."""

    default_deadline_s: float
    """Of a call that sets none."""
    releases: Releases
    store: FeatureStore
    backend: Backend
    models: Models
    additions: Additions
    page_tokens: PageTokens
    batch_pool: Executor


class RecommenderServicer(recommender_pb2_grpc.RecommenderServiceServicer):
    """Each method answers from the release that is active when it starts, and from no other.

    Where a candidate has its share of the users, it is the release that is active for those.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def RecommendUser(
        self, request: pb.RecommendUserRequest, context: grpc.ServicerContext
    ) -> responses.WrittenResponse:
        return answered_alone(self.recommended(request, context), self._parts.models.recommend_all)

    def BatchRecommend(
        self, request: pb.BatchRecommendRequest, context: grpc.ServicerContext
    ) -> pb.BatchRecommendResponse:
        releases, budget = self._parts.releases.frozen(), self._budget(context)
        return batch_recommend(
            request,
            lambda one: (
                answered_alone(
                    self._recommended(releases, one, budget), self._parts.models.recommend_all
                ).message
            ),
            self._parts.batch_pool,
            REQUEST_ID.get(),
        )

    def PredictRating(
        self, request: pb.PredictRatingRequest, context: grpc.ServicerContext
    ) -> pb.PredictRatingResponse:
        release = self._parts.releases.for_user(UserId(request.user_id))
        query = requests.rating_query(request, release.manifest)
        return responses.rating_response(
            predict_ratings(
                release, query, self._budget(context), self._parts.store, self._parts.models
            )
        )

    def SimilarMovies(
        self, request: pb.SimilarMoviesRequest, context: grpc.ServicerContext
    ) -> pb.SimilarMoviesResponse:
        release = self._parts.releases.having(MovieId(request.movie_id))
        query = requests.similar_query(request, release.manifest)
        return responses.similar_response(
            similar_movies(release, query, self._budget(context), self._parts.models)
        )

    def GetUser(
        self, request: pb.GetUserRequest, _context: grpc.ServicerContext
    ) -> pb.GetUserResponse:
        user_id = requests.user_id(request)
        release = self._parts.releases.for_user(user_id)
        return responses.user_response(get_user(release, self._parts.store, user_id))

    def GetMovie(
        self, request: pb.GetMovieRequest, _context: grpc.ServicerContext
    ) -> pb.GetMovieResponse:
        movie_id = catalogue_requests.movie_id(request)
        release = self._parts.releases.having(movie_id)
        if movie_id not in release.catalogue:
            raise UnknownMovie("movie_id", movie_id)
        return responses.movie_response(release.catalogue.movie(movie_id), release.version)

    def PopularMovies(
        self, request: pb.PopularMoviesRequest, _context: grpc.ServicerContext
    ) -> pb.PopularMoviesResponse:
        release = self._parts.releases.require()
        query = catalogue_requests.popular_query(request, release.manifest)
        return responses.popular_response(popular_ranking(release, query))

    def SearchMovies(
        self, request: pb.SearchMoviesRequest, _context: grpc.ServicerContext
    ) -> pb.SearchMoviesResponse:
        release = self._parts.releases.require()
        query = catalogue_requests.search_query(request)
        return responses.search_response(search_movies(release, query))

    def RecordRatings(
        self, request: pb.RecordRatingsRequest, _context: grpc.ServicerContext
    ) -> pb.RecordRatingsResponse:
        releases = self._parts.releases.frozen()
        query = write_requests.record_query(request, releases.require().manifest)
        return responses.record_response(record_ratings(releases, query, self._parts.store))

    def GetServingStatus(
        self, _request: pb.GetServingStatusRequest, context: grpc.ServicerContext
    ) -> pb.GetServingStatusResponse:
        return responses.status_response(
            serving_status(
                self._parts.releases,
                self._parts.store,
                self._parts.backend,
                self._budget(context),
            )
        )

    def AddMovies(
        self, request: pb.AddMoviesRequest, context: grpc.ServicerContext
    ) -> pb.AddMoviesResponse:
        query = write_requests.add_query(request, self._parts.releases.require().manifest)
        return pb.AddMoviesResponse(added=self._parts.additions.add(query, self._budget(context)))

    def recommended(
        self, request: pb.RecommendUserRequest, context: grpc.ServicerContext
    ) -> Asking[Asked, Recommended, responses.WrittenResponse]:
        """What RecommendUser answers, which asks the models on its way."""
        return self._recommended(self._parts.releases, request, self._budget(context))

    def _recommended(
        self, releases: Releases, request: pb.RecommendUserRequest, budget: Budget
    ) -> Asking[Asked, Recommended, responses.WrittenResponse]:
        release = releases.for_user(UserId(request.user_id))
        query_hash = hash_of(request)
        if request.page_token:
            # The query was checked when its first page was asked for.
            n_movies = requests.next_page_size(request)
            ranked = self._parts.page_tokens.open(request.page_token, query_hash, release.catalogue)
            named = requests.named_movies(request)
        else:
            query = requests.recommend_query(request, release.manifest)
            n_movies = query.page_size
            ranked = yield from rank_movies(
                release, query, budget, self._parts.store, self._parts.models
            )
            named = query.exclude_movie_ids, query.history.movie_ids
        # Most requests name none.
        unknown = unknown_movies(release, *named) if any(named) else ()
        return responses.recommend_response(
            cut_page(release, ranked, n_movies, self._parts.page_tokens, query_hash, unknown)
        )

    def _budget(self, context: grpc.ServicerContext) -> Budget:
        return Budget.of(context.time_remaining(), self._parts.default_deadline_s)
