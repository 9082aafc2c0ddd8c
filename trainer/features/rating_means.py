"""What training rows say of a user or a movie on average: features of the content towers.

A rating that is to be predicted must not stand in the means that predict it. In training each row
therefore reads the means without itself; otherwise a network learns that a movie's only rating
equals the movie's mean.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from trainer.features.index import Interactions


class RatingMeans(tf.Module):
    """Numbers of ratings, and means that are held to the next wider mean.

    A user's mean is held to the mean of all ratings by so many pseudo-ratings, and that of a
    genre's movies to the user's: one good Western is no love of Westerns, and none is no hate.
    """

    def __init__(
        self,
        rows: Interactions,
        genres: NDArray[np.floating],
        n_users: int,
        pseudo_ratings: float,
    ) -> None:
        """Counts the rows.

        Args:
          genres: [N, G], 1 where the movie has the genre.
          pseudo_ratings: above 0.
        """
        super().__init__()
        kinds = np.concatenate([np.ones((len(genres), 1)), genres], axis=1)
        counts, totals = np.zeros((2, n_users, kinds.shape[1]))
        for kind, of_kind in enumerate(kinds.T):
            weights = of_kind[rows.movies]
            counts[:, kind] = np.bincount(rows.users, weights, n_users)
            totals[:, kind] = np.bincount(rows.users, weights * rows.ratings, n_users)
        self._mean = float(rows.ratings.mean())
        self._pseudo = pseudo_ratings
        self._kinds = _float32(kinds)
        self._user_counts, self._user_totals = _float32(counts), _float32(totals)
        n_movies = len(genres)
        self._movie_counts = _float32(np.bincount(rows.movies, minlength=n_movies))
        self._movie_totals = _float32(np.bincount(rows.movies, rows.ratings, n_movies))

    def of_users(
        self, users: tf.Tensor, without: tuple[tf.Tensor, tf.Tensor] | None = None
    ) -> tf.Tensor:
        """[B, 2 + G] log(1 + ratings), mean rating, and mean rating of each genre's movies.

        Args:
          without: one movie [B] and rating [B] of each user that do not count.
        """
        counts = tf.gather(self._user_counts, users)
        totals = tf.gather(self._user_totals, users)
        if without is not None:
            movies, ratings = without
            kinds = tf.gather(self._kinds, movies)
            counts, totals = counts - kinds, totals - kinds * ratings[:, None]
        n_ratings = counts[:, :1]
        mean = self._held(totals[:, :1], n_ratings, self._mean)
        of_genres = self._held(totals[:, 1:], counts[:, 1:], mean)
        return tf.concat([tf.math.log1p(n_ratings), mean, of_genres], axis=1)

    def of_movies(self, movies: tf.Tensor, without: tf.Tensor | None = None) -> tf.Tensor:
        """[B, 2] log(1 + ratings) and mean rating.

        Args:
          without: one rating [B] of each movie that does not count.
        """
        counts = tf.gather(self._movie_counts, movies)
        totals = tf.gather(self._movie_totals, movies)
        if without is not None:
            counts, totals = counts - 1, totals - without
        return tf.stack([tf.math.log1p(counts), self._held(totals, counts, self._mean)], axis=1)

    def _held(self, total: tf.Tensor, count: tf.Tensor, wider: float | tf.Tensor) -> tf.Tensor:
        return (total + self._pseudo * wider) / (count + self._pseudo)


def _float32(values: NDArray[np.floating] | NDArray[np.integer]) -> tf.Tensor:
    return tf.constant(values, tf.float32)
