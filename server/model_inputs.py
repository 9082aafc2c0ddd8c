"""What the signatures of the contract take: users, wishes and movies as tensors of one row.

Rows are as wide as what they hold, and begin with a neutral element: whoever merges calls widens
them. What most requests have in common is made once; nobody writes into it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from server.codec import Array
from server.domain import MovieFilter, MovieId, NewMovie, Order
from server.placed_user import ModelUser
from server.releases import ActiveRelease
from server.rules import genre_mask_words
from serving.contract import YEAR_UNSET, genre_words

Inputs = dict[str, Array]
"""Name of an input -> [B, ...]."""

N_NEUTRAL: Final = 1
"""Columns before the first movie of a row."""

_ORDERS: Final = {order: np.array([[order.value]], np.int64) for order in Order}


def recommend_by_number(
    release: ActiveRelease,
    user: ModelUser,
    excluded: NDArray[np.int64],
    movie_filter: MovieFilter,
    order: Order,
) -> Inputs:
    """What `by_number` of `recommend` takes; `excluded` is [E] movie_index."""
    n_movies = len(release.trained.movies)
    return {
        "user_id": strings([user.user_id]),
        "history_numbers": _numbers(user.movies, n_movies),
        "history_ratings": _ratings(user),
        "profile": padded(user.tokens),
        "exclude_numbers": _numbers(excluded, n_movies),
        **filter_inputs(release, movie_filter),
        "order": _ORDERS[order],
    }


def recommend_by_id(
    release: ActiveRelease,
    user: ModelUser,
    excluded: NDArray[np.int64],
    movie_filter: MovieFilter,
    order: Order,
) -> Inputs:
    """What `serving_default` of `recommend` takes; `excluded` is [E] movie_index."""
    return {
        **user_inputs(release, user),
        "exclude_ids": padded(ids_of(release, excluded)),
        **filter_inputs(release, movie_filter),
        "order": _ORDERS[order],
    }


def user_inputs(release: ActiveRelease, user: ModelUser) -> Inputs:
    """A user by ids."""
    return {
        "user_id": strings([user.user_id]),
        "history_ids": padded(ids_of(release, user.movies)),
        "history_ratings": _ratings(user),
        "profile": padded(user.tokens),
    }


def movie_inputs(movies: Sequence[NewMovie]) -> Inputs:
    """B movies that training did not see."""
    return {
        "title": strings([movie.title for movie in movies]),
        "genres": _padded_rows([movie.genres for movie in movies]),
        "year": np.array([movie.year for movie in movies], np.int64),
        "tags": _padded_rows([movie.tags for movie in movies]),
    }


def filter_inputs(release: ActiveRelease, movie_filter: MovieFilter) -> Mapping[str, Array]:
    """Masks and years."""
    genres = release.manifest.genres
    if not movie_filter:
        return _no_filter(genre_words(len(genres)))
    unset_low, unset_high = YEAR_UNSET
    years = [movie_filter.min_year or unset_low, movie_filter.max_year or unset_high]
    return {
        "genres_any": genre_mask_words(movie_filter.genres_any, genres)[np.newaxis],
        "genres_all": genre_mask_words(movie_filter.genres_all, genres)[np.newaxis],
        "genres_none": genre_mask_words(movie_filter.genres_none, genres)[np.newaxis],
        "years": np.array([years], np.int64),
    }


def padded(values: Sequence[str]) -> Array:
    """[1, W] one row behind its neutral element."""
    return strings([*[""] * N_NEUTRAL, *values])[np.newaxis]


def strings(values: Sequence[str]) -> Array:
    """[B] a tensor of text."""
    return np.array(values, object)


def ids_of(release: ActiveRelease, movies: NDArray[np.int64]) -> list[MovieId]:
    """The ids of [H] movie_index."""
    movie_ids = release.catalogue.movie_ids
    return [movie_ids[movie] for movie in movies.tolist()]


@cache
def _no_filter(n_words: int) -> Mapping[str, Array]:
    nothing = np.zeros((1, n_words), np.int64)
    masks = dict.fromkeys(("genres_any", "genres_all", "genres_none"), nothing)
    return {**masks, "years": np.array([YEAR_UNSET], np.int64)}


def _numbers(movies: NDArray[np.int64], n_movies: int) -> NDArray[np.int64]:
    """[1, W] movie numbers of [H] movie_index; a movie that training did not see has none."""
    row = np.zeros((1, N_NEUTRAL + len(movies)), np.int64)
    row[0, N_NEUTRAL:] = movies + 1
    row[row > n_movies] = 0
    return row


def _ratings(user: ModelUser) -> NDArray[np.float32]:
    row = np.zeros((1, N_NEUTRAL + len(user.movies)), np.float32)
    row[0, N_NEUTRAL:] = user.ratings
    return row


def _padded_rows(rows: Sequence[Sequence[str]]) -> Array:
    """[B, W] rows of one width, each behind at least one neutral element."""
    width = N_NEUTRAL + max(len(row) for row in rows)
    return np.array([[*[""] * (width - len(row)), *row] for row in rows], object)
