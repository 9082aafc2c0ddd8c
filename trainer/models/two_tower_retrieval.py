"""Two-tower retrieval with a history-aware user tower (source document 003).

The source embeds a user id. Here the user tower is a function of the history, so that a user whom
training never saw is served by the same graph: the sum of the history's embeddings, weighted by a
learned weight for each age, plus a constant. The item tower is an embedding with a bias.

Trained with `tfrs.tasks.Retrieval` (in-batch softmax): each rating but a user's first is a positive
whose history is what came before it. The other positives of the batch are its negatives, corrected
by their sampling probability (logQ: Yi et al., "Sampling-bias-corrected neural modeling for large
corpus item recommendations", RecSys 2019) and with accidental hits removed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
import tensorflow_recommenders as tfrs
from numpy.typing import NDArray

from trainer.fit import (
    ProgressBar,
    ValidationFigure,
    clear_untrained,
    seed_everything,
    shuffled_batches,
)
from trainer.models.towers import RetrievalTowers

NAME = "two_tower_retrieval"


@dataclass(frozen=True, slots=True)
class Config:
    """Hyper-parameters; chosen on ml-100k's validation part (per-user temporal split)."""

    dim: int = 32
    max_age: int = 32
    """History movies that the tower reads; older ones weigh 0."""
    learning_rate: float = 0.005
    batch_size: int = 512
    history_dropout: float = 0.3
    """Share of history movies dropped while training."""
    l2: float = 1e-3
    """Weight of the mean squared norm of the vectors of a batch."""
    max_epochs: int = 15
    patience: int = 2
    seed: int = 0


class TwoTower(tfrs.Model):
    """The live training object; `towers()` is its plain form."""

    def __init__(self, n_movies: int, config: Config) -> None:
        super().__init__()
        self._config = config
        self._padding = n_movies
        # Two seeds: with one, a movie would start as its own best successor.
        normal = tf.keras.initializers.RandomNormal
        self.history_embedding = tf.keras.layers.Embedding(
            n_movies + 1,
            config.dim,
            embeddings_initializer=normal(stddev=0.05, seed=config.seed),
        )
        self.item_embedding = tf.keras.layers.Embedding(
            n_movies, config.dim, embeddings_initializer=normal(stddev=0.05, seed=config.seed + 1)
        )
        self.item_bias = tf.keras.layers.Embedding(n_movies, 1, embeddings_initializer="zeros")
        for layer in (self.history_embedding, self.item_embedding, self.item_bias):
            layer.build(None)
        ages = np.arange(config.max_age, dtype=np.float32)
        # A start that prefers the newest movies; the fit moves every age's weight freely.
        self.age_weights = tf.Variable(0.1 + np.exp(-ages / 5), name="age_weights")
        self.base = tf.Variable(tf.zeros(config.dim), name="base")
        self.task = tfrs.tasks.Retrieval(remove_accidental_hits=True)

    def user_tower(self, history: tf.Tensor, training: bool = False) -> tf.Tensor:
        """[B, D] user vectors of [B, A] movie indexes, newest first, n_movies = padding."""
        weights = tf.cast(history < self._padding, tf.float32) * self.age_weights
        if training:
            weights = tf.nn.dropout(weights, self._config.history_dropout)
        pooled = tf.linalg.matvec(self.history_embedding(history), weights, transpose_a=True)
        user = pooled + self.base
        return tf.concat([user, tf.ones_like(user[:, :1])], axis=1)

    def item_tower(self, movies: tf.Tensor) -> tf.Tensor:
        """[B, D] item vectors of [B] movie indexes; the last column is the bias."""
        return tf.concat([self.item_embedding(movies), self.item_bias(movies)], axis=1)

    def compute_loss(self, inputs: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        users = self.user_tower(inputs["history"], training)
        items = self.item_tower(inputs["movie"])
        softmax = self.task(
            users,
            items,
            candidate_sampling_probability=inputs["probability"],
            candidate_ids=inputs["movie"],
            compute_metrics=False,
        )
        norms = tf.reduce_sum(users**2) + tf.reduce_sum(items**2)
        batch_size = tf.cast(tf.shape(users)[0], tf.float32)
        return (softmax + self._config.l2 * norms) / batch_size

    def place_items(self, movies: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Sets the [n, D] item vectors of movies that training did not see."""
        embeddings, biases = self.item_embedding.embeddings, self.item_bias.embeddings
        embeddings.scatter_nd_update(movies[:, None], vectors[:, :-1])
        biases.scatter_nd_update(movies[:, None], vectors[:, -1:])

    def towers(self) -> RetrievalTowers:
        """The model as plain arrays."""
        n_movies, dim = self._padding, self._config.dim
        history_vectors = np.zeros((n_movies, dim + 1), np.float32)
        history_vectors[:, :dim] = self.history_embedding.embeddings.numpy()[:n_movies]
        return RetrievalTowers(
            item_vectors=self.item_tower(tf.range(n_movies)).numpy(),
            history_vectors=history_vectors,
            age_weights=self.age_weights.numpy(),
            base_vector=np.append(self.base.numpy(), np.float32(1)),
        )


def pad_histories(
    histories: list[NDArray[np.int64]], max_age: int, padding: int
) -> NDArray[np.int32]:
    """[len(histories), max_age] movie indexes, newest first."""
    padded = np.full((len(histories), max_age), padding, np.int32)
    for row, history in zip(padded, histories, strict=True):
        newest_first = history[::-1][:max_age]
        row[: len(newest_first)] = newest_first
    return padded


def training_pairs(
    histories: list[NDArray[np.int64]], n_movies: int, config: Config
) -> dict[str, NDArray[np.int32] | NDArray[np.float32]]:
    """One row for each rating but a user's first: what came before it, it, and its frequency.

    Args:
      histories: movie indexes of each user, oldest first.
    """
    before = [history[:end] for history in histories for end in range(1, len(history))]
    movie = np.concatenate([history[1:] for history in histories]).astype(np.int32)
    frequency = np.bincount(movie, minlength=n_movies) / len(movie)
    return {
        "history": pad_histories(before, config.max_age, n_movies),
        "movie": movie,
        "probability": frequency[movie].astype(np.float32),
    }


def fit(
    histories: list[NDArray[np.int64]],
    n_movies: int,
    config: Config,
    measure: Callable[[RetrievalTowers], float] | None = None,
    n_epochs: int | None = None,
) -> tuple[TwoTower, list[float]]:
    """Trains on the users' histories.

    Args:
      histories: movie indexes of each user, oldest first; training rows only.
      measure: figure on validation, higher is better; the fit stops after `patience` epochs
        without a gain and keeps the best weights.
      n_epochs: fits exactly so many epochs instead, for the final fit on all rows.

    Returns:
      The model and the figure after each epoch (empty without `measure`). The item vector of a
      movie that is nobody's second or later rating is zero: it was never a positive.
    """
    seed_everything(config.seed)
    model = TwoTower(n_movies, config)
    model.compile(optimizer=tf.keras.optimizers.Adam(config.learning_rate))
    pairs = training_pairs(histories, n_movies, config)
    clear_untrained(model.history_embedding, pairs["history"])
    clear_untrained(model.item_embedding, pairs["movie"])
    epochs = n_epochs or config.max_epochs
    callbacks: list[tf.keras.callbacks.Callback] = []
    figure = None
    if measure is not None:
        figure = ValidationFigure("val_ndcg@10", lambda: measure(model.towers()))
        callbacks += [
            figure,
            tf.keras.callbacks.EarlyStopping(
                "val_ndcg@10", mode="max", patience=config.patience, restore_best_weights=True
            ),
        ]
    batches = shuffled_batches(pairs, config.batch_size, config.seed)
    with ProgressBar(NAME, epochs, "val_ndcg@10" if measure else "loss") as bar:
        model.fit(batches, epochs=epochs, verbose=0, callbacks=[*callbacks, bar])
    return model, figure.values if figure else []
