"""What fills a list when the models say nothing or not enough."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from server.domain import MovieFilter, MovieId, Profile
from server.releases import ActiveRelease
from server.rules import allowed_movies


@dataclass(frozen=True, slots=True)
class ScoredMovie:
    """A movie of a ranking that needs no model."""

    movie_id: MovieId
    score: float
    """The ranking's own; does not rise along it."""


def popular_movies(
    release: ActiveRelease,
    profile: Profile,
    movie_filter: MovieFilter,
    excluded: Collection[MovieId],
    n_movies: int,
    of_genres: frozenset[str] | None = None,
) -> list[ScoredMovie]:
    """The most popular movies among people like this one, filtered, none of them excluded.

    Args:
      of_genres: a movie must have one of these, too; None = any will do.
    """
    catalogue = release.catalogue
    segment = catalogue.segment_of(profile)
    order, scores = catalogue.popular_order[segment], catalogue.popular_scores[segment]
    return _first(release, order, scores, movie_filter, excluded, n_movies, of_genres)


def best_rated_movies(
    release: ActiveRelease,
    movie_filter: MovieFilter,
    excluded: Collection[MovieId],
    n_movies: int,
) -> list[ScoredMovie]:
    """The movies with the highest shrunk mean rating, filtered, none of them excluded."""
    means = release.catalogue.shrunk_means
    order = np.argsort(-means, kind="stable")
    return _first(release, order, means[order], movie_filter, excluded, n_movies)


def _first(
    release: ActiveRelease,
    order: NDArray[np.integer],
    scores: NDArray[np.float32],
    movie_filter: MovieFilter,
    excluded: Collection[MovieId],
    n_movies: int,
    of_genres: frozenset[str] | None = None,
) -> list[ScoredMovie]:
    catalogue = release.catalogue
    allowed = allowed_movies(catalogue, movie_filter, release.manifest.genres)[order]
    found: list[ScoredMovie] = []
    for rank in allowed.nonzero()[0].tolist():
        if len(found) >= n_movies:
            break
        movie = catalogue.movies[order[rank]]
        if of_genres is not None and of_genres.isdisjoint(movie.genres):
            continue
        if movie.movie_id not in excluded:
            found.append(ScoredMovie(movie.movie_id, float(scores[rank])))
    return found
