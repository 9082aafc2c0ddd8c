"""SimilarMovies: movies like one movie, of the catalogue or new."""

from __future__ import annotations

from collections.abc import Iterator

from server.deadline import Budget
from server.degraded import Degradation
from server.domain import Answer, MovieId, NewMovie, SimilarMovies, SimilarQuery
from server.errors import UnknownMovie
from server.movie_space import confidence_of, place_of, unit
from server.releases import ActiveRelease
from server.rules import allowed_movies
from server.servables import Models
from server.takeover import answered
from serving.contract import MODE_COLLABORATIVE, MODE_HYBRID


def similar_movies(
    release: ActiveRelease, query: SimilarQuery, budget: Budget, models: Models
) -> SimilarMovies:
    """Movies that pass the filter, most similar first, never the movie itself.

    Added movies have their places in the list but in mode COLLABORATIVE: nobody watched them yet.
    A movie that the models were not trained on is compared by content in every mode.

    Raises:
      UnknownMovie: the catalogue does not have the movie.
      UpstreamUnavailable: the model server does not answer, nor an engine in its place.
      DeadlineExceeded: the budget is spent.
      ContractViolation: the model server breaks the contract.
    """
    target, degradation = query.target, Degradation()
    if not isinstance(target, NewMovie) and target in release.trained:
        known = target
        ranking = answered(
            models,
            release,
            "similar",
            degradation,
            lambda models: models.similar(release, known, query.mode, query.filter, budget),
        )
        with_added = query.mode != MODE_COLLABORATIVE
    else:
        said = _said_of(release, target)
        ranking = answered(
            models,
            release,
            "similar_to_new",
            degradation,
            lambda models: models.similar_to_new(release, said, query.filter, budget),
        )
        with_added = True
    ids = release.catalogue.movie_ids
    scores = {
        ids[movie]: score
        for movie, score in zip(ranking.movies.tolist(), ranking.scores.tolist(), strict=True)
    }
    if with_added:
        scores.update(_added(release, query, budget, models, degradation))
    best = sorted(
        ((i, score) for i, score in scores.items() if i != target), key=lambda entry: -entry[1]
    )[: query.page_size]
    return SimilarMovies(
        movies=tuple(release.catalogue.movie(movie_id) for movie_id, _ in best),
        scores=tuple(score for _, score in best),
        answer=Answer(release.version, degradation.reasons),
    )


def _said_of(release: ActiveRelease, target: MovieId | NewMovie) -> NewMovie:
    """What is said of a movie that the models were not trained on."""
    if isinstance(target, NewMovie):
        return target
    for added in release.added:
        if added.movie_id == target:
            return added.as_new()
    raise UnknownMovie("movie_id", target)


def _added(
    release: ActiveRelease,
    query: SimilarQuery,
    budget: Budget,
    models: Models,
    degradation: Degradation,
) -> Iterator[tuple[MovieId, float]]:
    """Added movies that pass the filter, with the cosine of their places and the target's."""
    catalogue, vectors = release.catalogue, release.added_vectors
    if vectors is None:
        return
    if isinstance(query.target, NewMovie):
        new = query.target
        (place,) = answered(
            models,
            release,
            "embed_movie",
            degradation,
            lambda models: models.embed_movies(release, [new], budget),
        ).places
    else:
        row = catalogue.index[query.target]
        place = place_of(catalogue, row, query.mode)
    cosines = unit(vectors.places) @ unit(place)
    if query.mode == MODE_HYBRID and query.target in release.trained:
        # As the graphs scale a movie that nobody rated beside one that many did.
        cosines *= 1 - confidence_of(catalogue, row)
    allowed = allowed_movies(catalogue, query.filter, release.manifest.genres)
    for movie, cosine in zip(release.added, cosines.tolist(), strict=True):
        if allowed[catalogue.index[movie.movie_id]]:
            yield movie.movie_id, cosine
