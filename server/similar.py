"""SimilarMovies: movies like one movie, of the catalogue or new."""

from __future__ import annotations

from server.deadline import Budget
from server.domain import Answer, NewMovie, SimilarMovies, SimilarQuery
from server.errors import UnknownMovie
from server.releases import ActiveRelease
from server.servables import Models


def similar_movies(
    release: ActiveRelease, query: SimilarQuery, budget: Budget, models: Models
) -> SimilarMovies:
    """Movies that pass the filter, most similar first, never the movie itself.

    Raises:
      UnknownMovie: the catalogue does not have the movie.
      UpstreamUnavailable: the model server does not answer.
      DeadlineExceeded: the budget is spent.
      ContractViolation: the model server breaks the contract.
    """
    target = query.target
    if isinstance(target, NewMovie):
        ranking = models.similar_to_new(release, target, query.filter, budget)
    elif target in release.catalogue:
        ranking = models.similar(release, target, query.mode, query.filter, budget)
    else:
        raise UnknownMovie("movie_id")
    others = [
        (release.catalogue.movie(movie_id), score)
        for movie_id, score in zip(ranking.movie_ids, ranking.scores, strict=True)
        if movie_id != target
    ][: query.page_size]
    return SimilarMovies(
        movies=tuple(movie for movie, _ in others),
        scores=tuple(score for _, score in others),
        answer=Answer(release.version),
    )
