"""Matrix factorisation: a dot product plus biases (source document 004).

rating = mean + user_bias + item_bias + user_vector . item_vector, squared error, L2 on vectors and
biases, Adam, early stopping on validation. The source starts from zero without the mean and needs
20 epochs to come near it; it also has no bias penalty.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import tensorflow as tf

from trainer.features.index import Interactions
from trainer.fit import FitConfig, clear_untrained, fit_ratings, predicted, seed_everything
from trainer.models.interfaces import FittedRating, TrainingData
from trainer.models.towers import RatingTowers, held_back_bias
from trainer.search_space import FloatRange, IntRange, SearchSpace

NAME = "dot_bias"


@dataclass(frozen=True, slots=True)
class Config(FitConfig):
    """Hyper-parameters; chosen on ml-100k's validation part."""

    dim: int = 64
    learning_rate: float = 0.01
    decay: float = 0.8
    usual_epochs: int = 10
    l2_vectors: float = 0.1
    """Weight of the squared norm of the two vectors of a rating."""
    l2_biases: float = 0.005
    fold_in_strength: float = 16.0
    """Pseudo-ratings that hold back the bias of a user whom training did not see."""


SEARCH_SPACE: SearchSpace = {
    "dim": IntRange(8, 256, log=True),
    "learning_rate": FloatRange(0.001, 0.05, log=True),
    "decay": FloatRange(0.5, 1.0),
    "batch_size": IntRange(128, 8192, log=True),
    "l2_vectors": FloatRange(0.005, 1.0, log=True),
    "l2_biases": FloatRange(0.0005, 0.1, log=True),
}


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

    def towers(self, n_profile_columns: int) -> RatingTowers:
        """The model as plain arrays; a stranger has no vector, and a bias from their history."""
        user_vectors = self.user_vectors.embeddings.numpy()
        user_bias = self.user_bias.embeddings.numpy()[:, 0]
        item_vectors = self.item_vectors.embeddings.numpy()
        item_bias = self.item_bias.embeddings.numpy()[:, 0]
        return RatingTowers(
            mean=float(self.mean.numpy()),
            item_vectors=item_vectors,
            item_bias=item_bias,
            history_vectors=np.zeros_like(item_vectors),
            history_bias=np.zeros_like(item_bias),
            stored_vectors=user_vectors,
            stored_bias=user_bias,
            user_vectors=user_vectors,
            user_bias=user_bias,
            fold_in=held_back_bias(
                np.zeros(self._config.dim, np.float32),
                n_profile_columns,
                self._config.fold_in_strength,
            ),
        )


def fit(data: TrainingData, config: Config, validation: Interactions | None = None) -> FittedRating:
    """Trains on the ratings; validation chooses the number of epochs.

    Users and movies without a training row have no vector and no bias.
    """
    seed_everything(config.seed)
    rows = data.rows
    model = DotBias(data.n_users, data.n_movies, float(rows.ratings.mean()), config)
    clear_untrained(model.user_vectors, rows.users)
    clear_untrained(model.item_vectors, rows.movies)
    chosen, curves = fit_ratings(NAME, model, rows, config, validation)
    return FittedRating(
        predict=partial(predicted, model),
        towers=model.towers(data.user_rows.shape[1]),
        config=chosen,
        curves=curves,
    )
