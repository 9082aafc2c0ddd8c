"""Filters of movies outside the graph: what the degraded answers and the fill obey."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from server.domain import MovieFilter
from server.features.catalogue import Catalogue
from serving.contract import genre_mask


def genre_mask_words(wanted: Sequence[str], genres: Sequence[str]) -> NDArray[np.int64]:
    """[W] the mask of the genres `wanted`, numbered by the manifest's list `genres`."""
    return np.array(genre_mask([genres.index(g) for g in wanted], len(genres)), np.int64)


def allowed_movies(
    catalogue: Catalogue, movie_filter: MovieFilter, genres: Sequence[str]
) -> NDArray[np.bool_]:
    """[N] by movie_index, whether the movie passes every condition.

    A movie without a year fails any set bound.
    """
    words = catalogue.genre_words
    allowed = np.ones(len(catalogue.movies), np.bool_)
    if movie_filter.genres_any:
        allowed &= (words & genre_mask_words(movie_filter.genres_any, genres)).any(axis=1)
    if movie_filter.genres_all:
        every = genre_mask_words(movie_filter.genres_all, genres)
        allowed &= ((words & every) == every).all(axis=1)
    if movie_filter.genres_none:
        allowed &= ~(words & genre_mask_words(movie_filter.genres_none, genres)).any(axis=1)
    if movie_filter.min_year:
        allowed &= catalogue.years >= movie_filter.min_year
    if movie_filter.max_year:
        allowed &= (catalogue.years > 0) & (catalogue.years <= movie_filter.max_year)
    return allowed
