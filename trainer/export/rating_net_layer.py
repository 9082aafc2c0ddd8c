"""A rating network in a served graph, in the place of the rating tower. Stock ops.

The same arithmetic as `trainer.models.rating_net`, which the tests hold it against.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import tensorflow as tf

from trainer.export.layers import IdTable, with_zero_row
from trainer.export.tower_layers import RatingUser
from trainer.models.rating_net import RatingNet

USERS_AT_ONCE: Final = 2
"""A network's hidden outputs for the whole catalogue are large: 10 MB a user at 10,000 movies."""

PAIRS_AT_ONCE: Final = 32_768
"""Beyond so many pairs of users and movies users are taken a few at a time."""


class RatingNetLayer(tf.Module):
    """Ratings of stored users, and of strangers by their mean and what their history adds."""

    def __init__(
        self, net: RatingNet, user_ids: tuple[str, ...], rating_range: tuple[float, float]
    ) -> None:
        super().__init__()
        self._users = IdTable(user_ids)
        self._range = rating_range
        self._mean = net.mean
        self._fold_in_strength = net.fold_in_strength
        self._join = net.join
        self._output_range = net.output_range
        self._n_movies = len(net.movie_rows)
        rows = with_zero_row(net.user_rows)
        rows[-1] = net.stranger_row
        self._user_rows = tf.Variable(rows, trainable=False)
        # Two variables for one table: a variable that is gathered is copied at each dense read.
        self._movies = tf.Variable(net.movie_rows, trainable=False)
        self._movie_rows = tf.Variable(with_zero_row(net.movie_rows), trainable=False)
        self._kernels = [tf.constant(kernel) for kernel in net.kernels]
        self._biases = [tf.constant(bias) for bias in net.biases]

    def user(
        self,
        user_id: tf.Tensor,
        movies: tf.Tensor,
        ratings: tf.Tensor,
        profile: Callable[[], tf.Tensor],  # noqa: ARG002 - as the rating tower's; no network reads it
    ) -> RatingUser:
        """Users by their joined row, and by the history a bias for those whom training did not see.

        Args:
          user_id: [B] string.
          movies: [B, H] history indexes.
          ratings: [B, H]; one that is no finite number does not count.
        """
        stored = self.stored_user(user_id)
        stranger = self._users.indexes(user_id) == self._users.n_ids
        bias = tf.cond(
            tf.reduce_any(stranger),
            lambda: tf.where(stranger[:, None], self._moved(stored, movies, ratings), stored.bias),
            lambda: stored.bias,
        )
        return RatingUser(stored.vector, bias)

    def stored_user(self, user_id: tf.Tensor) -> RatingUser:
        """Users without a history; a stranger is an average user."""
        vector = tf.gather(self._user_rows, self._users.indexes(user_id))
        return RatingUser(vector, tf.fill((tf.shape(vector)[0], 1), self._mean))

    def _moved(self, user: RatingUser, movies: tf.Tensor, ratings: tf.Tensor) -> tf.Tensor:
        """[B, 1] bias with the mean residual of the history, held back."""
        rated = (movies < self._n_movies) & tf.math.is_finite(ratings)
        residuals = tf.where(rated, ratings - self.some_movies(user, movies), 0.0)
        n_rated = tf.reduce_sum(tf.cast(rated, tf.float32), axis=1, keepdims=True)
        total = tf.reduce_sum(residuals, axis=1, keepdims=True)
        return user.bias + total / (n_rated + self._fold_in_strength)

    def all_movies(self, user: RatingUser) -> tf.Tensor:
        """[B, N] ratings, not clipped; a few users at a time."""
        catalogue = self._movies.read_value()
        ratings = tf.map_fn(
            lambda vector: self._through_layers(vector, catalogue),
            user.vector,
            parallel_iterations=USERS_AT_ONCE,
        )
        return tf.ensure_shape(ratings, (None, self._n_movies)) + user.bias - self._mean

    def some_movies(self, user: RatingUser, movies: tf.Tensor) -> tf.Tensor:
        """[B, C] ratings, not clipped, of [B, C] movies; an unknown movie is rated as the bias."""
        ratings = tf.cond(
            tf.size(movies) <= PAIRS_AT_ONCE,
            lambda: self._through_layers(user.vector[:, None], tf.gather(self._movie_rows, movies)),
            lambda: tf.map_fn(
                lambda pair: self._through_layers(pair[0], tf.gather(self._movie_rows, pair[1])),
                (user.vector, movies),
                fn_output_signature=tf.float32,
                parallel_iterations=USERS_AT_ONCE,
            ),
        )
        return user.bias + tf.where(movies < self._n_movies, ratings - self._mean, 0.0)

    def _through_layers(self, users: tf.Tensor, movies: tf.Tensor) -> tf.Tensor:
        """[...] ratings of rows [..., R] of users, which are broadcast, and of movies."""
        rows = users * movies if self._join == "product" else tf.nn.relu(users + movies)
        last = len(self._kernels) - 1
        for number, (kernel, bias) in enumerate(zip(self._kernels, self._biases, strict=True)):
            rows = tf.tensordot(rows, kernel, 1) + bias
            if number < last:
                rows = tf.nn.relu(rows)
        outputs = rows[..., 0]
        if self._output_range is None:
            return outputs
        low, high = self._output_range
        return low + (high - low) * tf.sigmoid(outputs)

    def clip(self, ratings: tf.Tensor) -> tf.Tensor:
        """Ratings inside the release's range."""
        return tf.clip_by_value(ratings, *self._range)
