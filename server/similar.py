"""SimilarMovies: movies like one movie, of the catalogue or new."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from server.deadline import Budget
from server.domain import Answer, MovieId, NewMovie, SimilarMovies, SimilarQuery
from server.errors import UnknownMovie
from server.releases import ActiveRelease
from server.rules import allowed_movies
from server.servables import Models
from serving.contract import MODE_CONTENT


def similar_movies(
    release: ActiveRelease, query: SimilarQuery, budget: Budget, models: Models
) -> SimilarMovies:
    """Movies that pass the filter, most similar first, never the movie itself.

    Where content alone is compared, added movies have their places in the list: for a movie that
    the models were not trained on, and in mode CONTENT. Nobody watched them yet, so that the other
    modes have nothing to compare.

    Raises:
      UnknownMovie: the catalogue does not have the movie.
      UpstreamUnavailable: the model server does not answer.
      DeadlineExceeded: the budget is spent.
      ContractViolation: the model server breaks the contract.
    """
    target, said = query.target, _said_of(release, query.target)
    if not isinstance(target, NewMovie) and target in release.trained:
        ranking = models.similar(release, target, query.mode, query.filter, budget)
        by_content = query.mode == MODE_CONTENT
    else:
        ranking = models.similar_to_new(release, said, query.filter, budget)
        by_content = True
    scores = {row.movie_id: row.score for row in ranking}
    if by_content and release.added_vectors is not None:
        scores.update(_added(release, query, said, budget, models))
    best = sorted(
        ((i, score) for i, score in scores.items() if i != target), key=lambda entry: -entry[1]
    )[: query.page_size]
    return SimilarMovies(
        movies=tuple(release.catalogue.movie(movie_id) for movie_id, _ in best),
        scores=tuple(score for _, score in best),
        answer=Answer(release.version),
    )


def _said_of(release: ActiveRelease, target: MovieId | NewMovie) -> NewMovie:
    """What is known of the target itself; a snapshot's tags stay with the trainer."""
    if isinstance(target, NewMovie):
        return target
    for added in release.added:
        if added.movie_id == target:
            return added.as_new()
    if target not in release.catalogue:
        raise UnknownMovie("movie_id")
    movie = release.catalogue.movie(target)
    return NewMovie(movie.title, movie.year, movie.genres, ())


def _added(
    release: ActiveRelease, query: SimilarQuery, said: NewMovie, budget: Budget, models: Models
) -> Iterator[tuple[MovieId, float]]:
    """Added movies that pass the filter, with the cosine of where the content model places them."""
    if release.added_vectors is None:
        return
    (vector,) = models.embed_movies(release, [said], budget).item_vectors
    vectors = release.added_vectors.item_vectors
    lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(vector)
    cosines = np.divide(vectors @ vector, lengths, out=np.zeros_like(lengths), where=lengths > 0)
    allowed = allowed_movies(release.catalogue, query.filter, release.manifest.genres)
    for movie, cosine in zip(release.added, cosines.tolist(), strict=True):
        if allowed[release.catalogue.index[movie.movie_id]]:
            yield movie.movie_id, cosine
