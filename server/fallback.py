"""The popular ladder: what fills a list when the models say nothing or not enough."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from server.domain import MovieFilter, MovieId, Profile
from server.releases import ActiveRelease
from server.rules import allowed_movies


@dataclass(frozen=True, slots=True)
class PopularMovie:
    """A step of the ladder."""

    movie_id: MovieId
    score: float
    """The ranking's own; does not rise along the ladder."""


def popular_movies(
    release: ActiveRelease,
    profile: Profile,
    movie_filter: MovieFilter,
    excluded: Collection[MovieId],
    n_movies: int,
) -> list[PopularMovie]:
    """The most popular movies among people like this one, filtered, none of them excluded."""
    catalogue = release.catalogue
    segment = catalogue.segment_of(profile)
    order = catalogue.popular_order[segment]
    allowed = allowed_movies(catalogue, movie_filter, release.manifest.genres)[order]
    found: list[PopularMovie] = []
    for rank in allowed.nonzero()[0].tolist():
        if len(found) >= n_movies:
            break
        movie_id = catalogue.movies[order[rank]].movie_id
        if movie_id not in excluded:
            found.append(PopularMovie(movie_id, float(catalogue.popular_scores[segment, rank])))
    return found
