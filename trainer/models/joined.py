"""The network that the source's rating models have in common: two sides, joined, then layers.

rating = output(dense layers(join(user side, movie side))). A side is an embedding row, to which
numbers that are known of the movie may be appended, through dense layers of its own where a model
has such towers. Hidden layers are ReLU.

Users and movies without a row of their own share one. So that this row stands for an average
stranger even where training sees everybody, a few training rows forget who it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from trainer import fit
from trainer.features.index import Interactions
from trainer.models.interfaces import FittedRating, TrainingData
from trainer.models.own_rows import OwnRows
from trainer.models.rating_net import RatingNet

FloatArray = NDArray[np.float32]
Join = Literal["concat", "product"]


@dataclass(frozen=True, slots=True)
class NetConfig(fit.FitConfig):
    """What every network of this kind is told; a model's own Config adds to it."""

    dim: int = 32
    """Of an embedding row."""
    start: float = 0.05
    """Deviation of the numbers of an embedding row before training."""
    l2: float = 0.02
    """Weight of the squared norm of the embedding rows of a rating."""
    dropout: float = 0.0
    """Share of a hidden layer's outputs that a training step drops."""
    forgotten: float = 0.02
    """Share of training rows that stand for a stranger, and of those for an unknown movie."""
    fold_in_strength: float = 16.0
    """Pseudo-ratings that hold back the bias of a user whom training did not see."""


class Known(tf.keras.layers.Layer):
    """Numbers that are known of each index and do not change in training."""

    def __init__(self, rows: FloatArray, squashed_to: int | None = None) -> None:
        """Takes them.

        Args:
          rows: [n, F]
          squashed_to: outputs of a dense softmax layer over the numbers; None = as they are.
        """
        super().__init__()
        self._rows = tf.constant(rows)
        self._dense = tf.keras.layers.Dense(squashed_to, "softmax") if squashed_to else None

    def call(self, indexes: tf.Tensor) -> tf.Tensor:
        """[B, F], or [B, squashed_to]."""
        rows = tf.gather(self._rows, indexes)
        return self._dense(rows) if self._dense else rows


class Side(tf.keras.layers.Layer):
    """[B, A] for [B] users, or movies."""

    def __init__(
        self,
        own: OwnRows,
        config: NetConfig,
        known: Sequence[Known] = (),
        layers: Sequence[int] = (),
        around: float = 0.0,
        ones: int = 0,
    ) -> None:
        """Makes an embedding.

        Args:
          known: appended to the embedding row.
          layers: outputs of each dense layer that follows; the last is what is joined.
          around: value of every number of an embedding row that learnt nothing.
          ones: columns of 1 appended to the embedding row; what meets them in a product passes.
        """
        super().__init__()
        self._config = config
        self._row_of = tf.constant(own.row_of)
        self._shared = tf.constant(own.n_own, tf.int64)
        self._around = around
        self._ones = ones
        normal = tf.keras.initializers.RandomNormal(stddev=config.start)
        self._embedding = tf.keras.layers.Embedding(
            own.n_own + 1, config.dim, embeddings_initializer=normal
        )
        self._embedding.build(None)
        # The shared row starts as nobody in particular.
        self._embedding.embeddings[-1].assign(tf.zeros(config.dim))
        self._known = list(known)
        self._layers = [tf.keras.layers.Dense(width, "relu") for width in layers]

    def call(self, indexes: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Rows [B, A] of [B] indexes."""
        rows = tf.gather(self._row_of, indexes)
        if training:
            forgotten = tf.random.uniform(tf.shape(rows)) < self._config.forgotten
            rows = tf.where(forgotten, self._shared, rows)
        vectors = self._embedding(rows)
        squared = tf.reduce_mean(tf.reduce_sum(vectors**2, axis=1))
        self.add_loss(self._config.l2 * squared)
        return self._through_layers(vectors, [known(indexes) for known in self._known])

    def stranger(self) -> FloatArray:
        """[A] of the shared row, for a side of which nothing else is known."""
        return self._through_layers(self._embedding.embeddings[-1:], []).numpy()[0]

    def all(self) -> FloatArray:
        """[n, A] of every index."""
        return self(tf.range(self._row_of.shape[0])).numpy()

    def _through_layers(self, vectors: tf.Tensor, known: list[tf.Tensor]) -> tf.Tensor:
        ones = tf.ones((tf.shape(vectors)[0], self._ones))
        vectors = tf.concat([vectors + self._around, ones, *known], axis=1)
        for layer in self._layers:
            vectors = layer(vectors)
        return vectors


@dataclass(frozen=True, slots=True)
class Head:
    """What follows the two sides."""

    join: Join
    hidden: tuple[int, ...]
    """Outputs of each hidden layer; at least one."""
    dropout: float
    """After each hidden layer."""
    squashed: bool = False
    """The output is a sigmoid scaled to the rating range."""


class Joined(tf.keras.Model):
    """The live training object; `net()` is its plain form."""

    def __init__(self, user: Side, movie: Side, head: Head, data: TrainingData) -> None:
        super().__init__()
        self.user, self.movie, self._join = user, movie, head.join
        self._range = data.rating_range if head.squashed else None
        self._dropout = tf.keras.layers.Dropout(head.dropout)
        self._hidden = [tf.keras.layers.Dense(width, "relu") for width in head.hidden]
        self._output = tf.keras.layers.Dense(
            1, bias_initializer=tf.keras.initializers.Constant(self._unsquashed(data))
        )

    def _unsquashed(self, data: TrainingData) -> float:
        """Output that is the mean rating: nothing but differences are left to learn."""
        mean = float(data.rows.ratings.mean())
        if self._range is None:
            return mean
        low, high = self._range
        share = np.clip((mean - low) / (high - low), 0.01, 0.99)
        return float(np.log(share / (1 - share)))

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor], training: bool | None = None) -> tf.Tensor:
        """[B] ratings, not clipped, of [B] user and [B] movie indexes."""
        user = self.user(inputs[0], training=training)
        movie = self.movie(inputs[1], training=training)
        rows = user * movie if self._join == "product" else tf.concat([user, movie], axis=1)
        for layer in self._hidden:
            rows = self._dropout(layer(rows), training=training)
        outputs = self._output(rows)[:, 0]
        if self._range is None:
            return outputs
        low, high = self._range
        return low + (high - low) * tf.sigmoid(outputs)

    def net(self, mean: float, fold_in_strength: float) -> RatingNet:
        """The model as plain arrays; see RatingNet for the arguments."""
        users, stranger, movies = self.user.all(), self.user.stranger(), self.movie.all()
        layers = [layer.get_weights() for layer in (*self._hidden, self._output)]
        if self._join == "concat":
            (first, bias), *layers = layers
            of_users, of_movies = np.split(first, [users.shape[1]])
            users, stranger = users @ of_users, stranger @ of_users
            movies = movies @ of_movies + bias
        return RatingNet(
            user_rows=users,
            stranger_row=stranger,
            movie_rows=movies,
            join="product" if self._join == "product" else "sum",
            kernels=tuple(kernel for kernel, _ in layers),
            biases=tuple(bias for _, bias in layers),
            output_range=self._range,
            mean=mean,
            fold_in_strength=fold_in_strength,
        )


def own_rows(data: TrainingData, coverage: float = 1.0) -> tuple[OwnRows, OwnRows]:
    """The users and the movies that have embedding rows; see OwnRows."""
    return (
        OwnRows.covering(data.rows.users, data.n_users, coverage),
        OwnRows.covering(data.rows.movies, data.n_movies, coverage),
    )


def fitted(
    name: str,
    model: Joined,
    data: TrainingData,
    config: NetConfig,
    validation: Interactions | None,
) -> FittedRating:
    """Fits the network and takes its plain form; see `trainer.fit.fit_ratings`."""
    chosen, curves = fit.fit_ratings(name, model, data.rows, config, validation)
    return FittedRating(
        predict=partial(fit.predicted, model),
        towers=model.net(float(data.rows.ratings.mean()), config.fold_in_strength),
        config=chosen,
        curves=curves,
    )
