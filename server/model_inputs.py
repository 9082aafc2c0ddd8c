"""What the signatures of the contract take: users, wishes and movies as tensors.

Rows are as wide as what the widest of them holds, and begin with a neutral element. What most
requests have in common is made once; nobody writes into it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from server.codec import Array
from server.domain import NOBODY, MovieFilter, MovieId, NewMovie, Order
from server.placed_user import ModelUser
from server.releases import ActiveRelease
from server.rules import genre_mask_words
from serving.contract import YEAR_UNSET, genre_words

Inputs = dict[str, Array]
"""Name of an input -> [B, ...]."""

N_NEUTRAL: Final = 1
"""Columns before the first movie of a row."""


def recommend_by_number(
    release: ActiveRelease,
    users: Sequence[ModelUser],
    excluded: Sequence[NDArray[np.int64]],
    movie_filters: Sequence[MovieFilter],
    order: Order,
) -> Inputs:
    """What `by_number` of `recommend` takes of B users.

    Args:
      release: whose numbers they are.
      users: [B]
      excluded: [B] of [E] movie_index.
      movie_filters: [B]
      order: of all the lists.
    """
    n_movies = len(release.trained.movies)
    histories = [user.movies for user in users]
    return {
        "user_id": strings([user.user_id for user in users]),
        "history_numbers": _numbers(histories, n_movies),
        "history_ratings": _rows_of([user.ratings for user in users], 0, np.float32),
        "profile": _rows_of([user.tokens for user in users], "", object),
        "exclude_numbers": _numbers(excluded, n_movies),
        **filter_inputs(release, movie_filters),
        "order": _orders(order, len(users)),
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
        **filter_inputs(release, [movie_filter]),
        "order": _orders(order, 1),
    }


def user_inputs(release: ActiveRelease, user: ModelUser) -> Inputs:
    """A user by ids."""
    return {
        "user_id": strings([user.user_id]),
        "history_ids": padded(ids_of(release, user.movies)),
        "history_ratings": _rows_of([user.ratings], 0, np.float32),
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


def filter_inputs(
    release: ActiveRelease, movie_filters: Sequence[MovieFilter]
) -> Mapping[str, Array]:
    """Masks and years of B requests."""
    genres = release.manifest.genres
    if not any(movie_filters):
        return _no_filters(genre_words(len(genres)), len(movie_filters))

    def masks(wished: Iterable[Sequence[str]]) -> Array:
        return np.stack([genre_mask_words(some, genres) for some in wished])

    unset_low, unset_high = YEAR_UNSET
    years = [(one.min_year or unset_low, one.max_year or unset_high) for one in movie_filters]
    return {
        "genres_any": masks(one.genres_any for one in movie_filters),
        "genres_all": masks(one.genres_all for one in movie_filters),
        "genres_none": masks(one.genres_none for one in movie_filters),
        "years": np.array(years, np.int64),
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
def _no_filters(n_words: int, n_rows: int) -> Mapping[str, Array]:
    nothing = np.zeros((n_rows, n_words), np.int64)
    masks = dict.fromkeys(("genres_any", "genres_all", "genres_none"), nothing)
    return {**masks, "years": np.array([YEAR_UNSET] * n_rows, np.int64)}


@cache
def _orders(order: Order, n_rows: int) -> NDArray[np.int64]:
    return np.full((n_rows, 1), order.value, np.int64)


def _numbers(rows: Sequence[NDArray[np.int64]], n_movies: int) -> NDArray[np.int64]:
    """[B, W] movie numbers of movie_index; a movie that training did not see has none."""
    # The number of nobody is the neutral element.
    numbers = _rows_of(rows, NOBODY, np.int64)
    numbers += 1
    numbers[numbers > n_movies] = 0
    return numbers


def _rows_of(rows: Sequence[Sequence[Any] | Array], neutral: object, dtype: Any) -> Array:
    """[B, W] rows of any width, each behind its neutral element, the short ones widened by it."""
    lengths = list(map(len, rows))
    filled: Array = np.full((len(rows), N_NEUTRAL + max(lengths)), neutral, dtype)
    for number, (row, length) in enumerate(zip(rows, lengths, strict=True)):
        if length:
            filled[number, N_NEUTRAL : N_NEUTRAL + length] = row
    return filled


def _padded_rows(rows: Sequence[Sequence[str]]) -> Array:
    """[B, W] rows of one width, each behind at least one neutral element."""
    width = N_NEUTRAL + max(len(row) for row in rows)
    return np.array([[*[""] * (width - len(row)), *row] for row in rows], object)
