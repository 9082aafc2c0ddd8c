"""A release's catalogue with the movies that callers added since it was trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from server.domain import AddedMovie, Movie
from server.features.catalogue import Catalogue
from server.features.titles import TitleIndex
from serving.contract import genre_mask


def extended(
    trained: Catalogue,
    added: Sequence[AddedMovie],
    genres: Sequence[str],
    places: NDArray[np.float32] | None,
) -> Catalogue:
    """The catalogue with the added movies behind its own, none of them rated yet.

    They are last in every ranking by popularity, and their shrunk mean is the mean of all ratings.

    Args:
      trained: of the release.
      added: movies that it does not have.
      genres: the manifest's list; a genre that is not in it passes no filter.
      places: [A, S] where the content model places them; None while it has not said.
    """
    if not added:
        return trained
    n_added, n_trained = len(added), len(trained.movies)
    movies = (*trained.movies, *map(_unrated, added))
    bits = {genre: bit for bit, genre in enumerate(genres)}
    words = [genre_mask([bits[g] for g in m.genres if g in bits], len(genres)) for m in added]
    last = np.arange(n_trained, n_trained + n_added, dtype=trained.popular_order.dtype)
    return replace(
        trained,
        movies=movies,
        movie_ids=tuple(movie.movie_id for movie in movies),
        index={movie.movie_id: index for index, movie in enumerate(movies)},
        genre_words=np.concatenate([trained.genre_words, np.array(words, np.int64)]),
        years=np.append(trained.years, [movie.year for movie in added]),
        rating_counts=np.append(trained.rating_counts, [0] * n_added),
        mean_ratings=np.append(trained.mean_ratings, [0.0] * n_added),
        popular_order=_with_columns(trained.popular_order, last),
        popular_scores=_with_columns(
            trained.popular_scores, np.repeat(trained.popular_scores[:, -1:], n_added, axis=1)
        ),
        shrunk_means=np.append(
            trained.shrunk_means, np.full(n_added, _mean_of_all(trained), np.float32)
        ),
        titles=TitleIndex(movies),
        added_places=places,
    )


def _unrated(movie: AddedMovie) -> Movie:
    return Movie(movie.movie_id, movie.title, movie.year, movie.genres, 0, 0.0)


def _with_columns(table: np.ndarray, columns: np.ndarray) -> np.ndarray:
    shape = (len(table), columns.shape[-1])
    return np.concatenate([table, np.broadcast_to(columns, shape)], axis=1)


def _mean_of_all(catalogue: Catalogue) -> float:
    n_ratings = catalogue.rating_counts.sum()
    if n_ratings == 0:
        return float(catalogue.shrunk_means.mean())
    return float(catalogue.mean_ratings @ catalogue.rating_counts / n_ratings)
