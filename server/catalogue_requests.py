"""Requests about the catalogue alone -> checked domain queries."""

from __future__ import annotations

from typing import Final

from protos.recommender.v1 import recommender_pb2 as pb
from server.checks import MAX_QUERY_CHARACTERS, FieldChecks
from server.domain import MovieId, PopularList, PopularQuery, SearchQuery
from server.requests import movie_filter, page_size
from serving.contract import Manifest

MAX_COUNT: Final = 2**63 - 1

_LISTS: Final = {
    pb.PopularMoviesRequest.LIST_UNSPECIFIED: PopularList.POPULAR,
    pb.PopularMoviesRequest.LIST_POPULAR: PopularList.POPULAR,
    pb.PopularMoviesRequest.LIST_MOST_RATED: PopularList.MOST_RATED,
    pb.PopularMoviesRequest.LIST_HIGHEST_RATED: PopularList.HIGHEST_RATED,
    pb.PopularMoviesRequest.LIST_BAYESIAN: PopularList.BAYESIAN,
}


def movie_id(request: pb.GetMovieRequest) -> MovieId:
    """The movie of a GetMovieRequest.

    Raises:
      InvalidRequest: it is empty, too long or has control characters.
    """
    checks = FieldChecks()
    checks.movie_id("movie_id", request.movie_id)
    checks.done()
    return MovieId(request.movie_id)


def popular_query(request: pb.PopularMoviesRequest, manifest: Manifest) -> PopularQuery:
    """The query of a PopularMoviesRequest.

    Raises:
      InvalidRequest: a field is outside its range.
    """
    checks = FieldChecks()
    checks.enum("list", request.list, pb.PopularMoviesRequest.List.values())
    checks.between("min_rating_count", request.min_rating_count, 0, MAX_COUNT)
    checks.between("min_mean_rating", request.min_mean_rating, 0, manifest.rating_range[1])
    wish = movie_filter(request.filter, manifest, checks)
    n_movies = page_size(request.page_size, checks)
    checks.done()
    return PopularQuery(
        _LISTS[request.list], n_movies, request.min_rating_count, request.min_mean_rating, wish
    )


def search_query(request: pb.SearchMoviesRequest) -> SearchQuery:
    """The query of a SearchMoviesRequest.

    Raises:
      InvalidRequest: a field is outside its range.
    """
    checks = FieldChecks()
    checks.characters("query", request.query, 1, MAX_QUERY_CHARACTERS)
    n_movies = page_size(request.page_size, checks)
    checks.done()
    return SearchQuery(request.query, n_movies)
