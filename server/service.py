"""RecommenderService over gRPC: proto to domain and back, nothing else."""
# ruff: noqa: N802 - gRPC names the methods.

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import grpc

from protos.recommender.v1 import recommender_pb2 as pb
from protos.recommender.v1 import recommender_pb2_grpc
from server import requests, responses
from server.deadline import Budget
from server.errors import Unimplemented, UnknownMovie
from server.features.store import FeatureStore
from server.prediction import PredictionClient
from server.rate import predict_ratings
from server.recommend import recommend
from server.releases import Releases
from server.servables import ServableModels
from server.settings import Settings
from server.similar import similar_movies
from server.status import serving_status
from server.users import get_user


def _unimplemented(rpc: str) -> Callable[[Any, Any, grpc.ServicerContext], NoReturn]:
    def refuse(_self: Any, _request: Any, _context: grpc.ServicerContext) -> NoReturn:
        raise Unimplemented(rpc=rpc)

    return refuse


class RecommenderServicer(recommender_pb2_grpc.RecommenderServiceServicer):
    """Each method answers from the release that is active when it starts, and from no other."""

    def __init__(
        self,
        settings: Settings,
        releases: Releases,
        store: FeatureStore,
        prediction: PredictionClient,
    ) -> None:
        self._settings = settings
        self._releases = releases
        self._store = store
        self._prediction = prediction
        self._models = ServableModels(prediction)

    def RecommendUser(
        self, request: pb.RecommendUserRequest, context: grpc.ServicerContext
    ) -> pb.RecommendUserResponse:
        release = self._releases.require()
        query = requests.recommend_query(request, release.manifest)
        return responses.recommend_response(
            recommend(release, query, self._budget(context), self._store, self._models)
        )

    def PredictRating(
        self, request: pb.PredictRatingRequest, context: grpc.ServicerContext
    ) -> pb.PredictRatingResponse:
        release = self._releases.require()
        query = requests.rating_query(request, release.manifest)
        return responses.rating_response(
            predict_ratings(release, query, self._budget(context), self._store, self._models)
        )

    def SimilarMovies(
        self, request: pb.SimilarMoviesRequest, context: grpc.ServicerContext
    ) -> pb.SimilarMoviesResponse:
        release = self._releases.require()
        query = requests.similar_query(request, release.manifest)
        return responses.similar_response(
            similar_movies(release, query, self._budget(context), self._models)
        )

    def GetUser(
        self, request: pb.GetUserRequest, _context: grpc.ServicerContext
    ) -> pb.GetUserResponse:
        release = self._releases.require()
        return responses.user_response(get_user(release, self._store, requests.user_id(request)))

    def GetMovie(
        self, request: pb.GetMovieRequest, _context: grpc.ServicerContext
    ) -> pb.GetMovieResponse:
        release = self._releases.require()
        movie_id = requests.movie_id(request)
        if movie_id not in release.catalogue:
            raise UnknownMovie("movie_id")
        return responses.movie_response(release.catalogue.movie(movie_id), release.version)

    def GetServingStatus(
        self, _request: pb.GetServingStatusRequest, context: grpc.ServicerContext
    ) -> pb.GetServingStatusResponse:
        return responses.status_response(
            serving_status(self._releases, self._store, self._prediction, self._budget(context))
        )

    SearchMovies = _unimplemented("SearchMovies")
    PopularMovies = _unimplemented("PopularMovies")
    RecordRatings = _unimplemented("RecordRatings")
    AddMovies = _unimplemented("AddMovies")
    BatchRecommend = _unimplemented("BatchRecommend")

    def _budget(self, context: grpc.ServicerContext) -> Budget:
        return Budget.of(context.time_remaining(), self._settings.default_deadline_s)
