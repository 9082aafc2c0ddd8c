"""What fills a list when the models say nothing or not enough."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from server.domain import Profile, Source
from server.ranking import Ranking
from server.releases import ActiveRelease
from server.rules import genre_mask_words


def popular_movies(
    release: ActiveRelease,
    profile: Profile,
    allowed: NDArray[np.bool_],
    n_movies: int,
    of_genres: Sequence[str] = (),
) -> Ranking:
    """The most popular of the allowed movies among people like this one.

    Args:
      allowed: [N] by movie_index.
      of_genres: a movie must have one of these, too; none = any will do.
    """
    catalogue = release.catalogue
    segment = catalogue.segment_of(profile)
    if of_genres:
        words = genre_mask_words(of_genres, release.manifest.genres)
        allowed = allowed & (catalogue.genre_words & words).any(axis=1)
    order, scores = catalogue.popular_order[segment], catalogue.popular_scores[segment]
    ranks = allowed[order].nonzero()[0][:n_movies]
    return Ranking.of(Source.POPULAR, order[ranks], scores[ranks])


def best_rated_movies(release: ActiveRelease, allowed: NDArray[np.bool_], n_movies: int) -> Ranking:
    """The allowed movies with the highest shrunk mean rating.

    Args:
      allowed: [N] by movie_index.
    """
    means = release.catalogue.shrunk_means
    order = np.argsort(-means, kind="stable")
    movies = order[allowed[order]][:n_movies]
    return Ranking.of(Source.MEAN, movies, means[movies])
