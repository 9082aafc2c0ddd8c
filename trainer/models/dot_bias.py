"""Matrix factorisation: a dot product plus biases (source document 004).

rating = mean + user_bias + item_bias + user_vector . item_vector, squared error, L2 on vectors and
biases, Adam, early stopping on validation. The source starts from zero without the mean and needs
20 epochs to come near it; it also has no bias penalty.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from trainer.fit import ProgressBar, clear_untrained, seed_everything, shuffled_batches
from trainer.models.towers import RatingTowers

NAME = "dot_bias"
VALIDATION_BATCH = 4096


@dataclass(frozen=True, slots=True)
class Config:
    """Hyper-parameters; chosen on ml-100k's validation part."""

    dim: int = 32
    learning_rate: float = 0.01
    batch_size: int = 1024
    l2_vectors: float = 0.1
    """Weight of the squared norm of the two vectors of a rating."""
    l2_biases: float = 0.005
    max_epochs: int = 40
    patience: int = 2
    fold_in_strength: float = 16.0
    """Pseudo-ratings that hold back the bias of a user whom training did not see."""
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Ratings:
    """Rows by dense index."""

    users: NDArray[np.int64]
    """[n]"""
    movies: NDArray[np.int64]
    """[n]"""
    ratings: NDArray[np.float32]
    """[n]"""

    def columns(self) -> tuple[tuple[NDArray[np.int64], NDArray[np.int64]], NDArray[np.float32]]:
        """Inputs and targets, nested as Keras takes them."""
        return (self.users, self.movies), self.ratings


class DotBias(tf.keras.Model):
    """The live training object; `towers()` is its plain form."""

    def __init__(self, n_users: int, n_movies: int, mean: float, config: Config) -> None:
        super().__init__()
        self._config = config
        self.mean = tf.Variable(mean, dtype=tf.float32, trainable=False, name="mean")
        # Two seeds: with one, user n and movie n would start as the same vector.
        normal = tf.keras.initializers.RandomNormal
        self.user_vectors = tf.keras.layers.Embedding(
            n_users, config.dim, embeddings_initializer=normal(stddev=0.05, seed=config.seed)
        )
        self.item_vectors = tf.keras.layers.Embedding(
            n_movies, config.dim, embeddings_initializer=normal(stddev=0.05, seed=config.seed + 1)
        )
        self.user_bias = tf.keras.layers.Embedding(n_users, 1, embeddings_initializer="zeros")
        self.item_bias = tf.keras.layers.Embedding(n_movies, 1, embeddings_initializer="zeros")
        for layer in (self.user_vectors, self.item_vectors, self.user_bias, self.item_bias):
            layer.build(None)

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        """[B] ratings, not clipped, of [B] user and [B] movie indexes."""
        users, movies = inputs
        user_vectors, item_vectors = self.user_vectors(users), self.item_vectors(movies)
        user_bias, item_bias = self.user_bias(users)[:, 0], self.item_bias(movies)[:, 0]
        squared = tf.reduce_sum(user_vectors**2 + item_vectors**2, axis=1)
        biases = user_bias**2 + item_bias**2
        self.add_loss(
            tf.reduce_mean(self._config.l2_vectors * squared + self._config.l2_biases * biases)
        )
        return (
            self.mean + user_bias + item_bias + tf.reduce_sum(user_vectors * item_vectors, axis=1)
        )

    def place_items(
        self, movies: NDArray[np.int64], vectors: NDArray[np.float32], biases: NDArray[np.float32]
    ) -> None:
        """Sets the [n, R] vectors and [n] biases of movies that training did not see."""
        self.item_vectors.embeddings.scatter_nd_update(movies[:, None], vectors)
        self.item_bias.embeddings.scatter_nd_update(movies[:, None], biases[:, None])

    def towers(self) -> RatingTowers:
        """The model as plain arrays."""
        return RatingTowers(
            mean=float(self.mean.numpy()),
            user_bias=self.user_bias.embeddings.numpy()[:, 0],
            user_vectors=self.user_vectors.embeddings.numpy(),
            item_bias=self.item_bias.embeddings.numpy()[:, 0],
            item_vectors=self.item_vectors.embeddings.numpy(),
            fold_in_strength=self._config.fold_in_strength,
        )


def fit(
    train: Ratings,
    n_users: int,
    n_movies: int,
    config: Config,
    validation: Ratings | None = None,
    n_epochs: int | None = None,
) -> tuple[DotBias, list[float]]:
    """Trains on ratings.

    Args:
      validation: rows that decide when to stop; the best weights are kept.
      n_epochs: fits exactly so many epochs instead, for the final fit on all rows.

    Returns:
      The model, zero for users and movies without a row, and the validation RMSE after each
      epoch (empty without `validation`).
    """
    seed_everything(config.seed)
    model = DotBias(n_users, n_movies, float(train.ratings.mean()), config)
    clear_untrained(model.user_vectors, train.users)
    clear_untrained(model.item_vectors, train.movies)
    rmse = tf.keras.metrics.RootMeanSquaredError("rmse")
    model.compile(tf.keras.optimizers.Adam(config.learning_rate), loss="mse", metrics=[rmse])
    epochs = n_epochs or config.max_epochs
    callbacks: list[tf.keras.callbacks.Callback] = []
    if validation is not None:
        callbacks.append(
            tf.keras.callbacks.EarlyStopping(
                "val_rmse", mode="min", patience=config.patience, restore_best_weights=True
            )
        )
    with ProgressBar(NAME, epochs, "val_rmse" if validation else "rmse") as bar:
        history = model.fit(
            shuffled_batches(train.columns(), config.batch_size, config.seed),
            validation_data=validation.columns() if validation else None,
            validation_batch_size=VALIDATION_BATCH,
            epochs=epochs,
            verbose=0,
            callbacks=[*callbacks, bar],
        )
    return model, history.history.get("val_rmse", [])
