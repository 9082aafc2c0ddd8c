"""Two-tower retrieval with a history-aware user tower (source document 003).

The source embeds a user id. Here the user tower is a function of the history, so that a user whom
training never saw is served by the same graph: the sum of the history's embeddings, weighted by a
learned weight for each age, plus a constant. The item tower is an embedding with a bias.

Trained with `tfrs.tasks.Retrieval` (in-batch softmax): each rating but a user's first is a positive
whose history is what came before it. The other positives of the batch are its negatives, corrected
by their sampling probability (logQ: Yi et al., "Sampling-bias-corrected neural modeling for large
corpus item recommendations", RecSys 2019) and with accidental hits removed.

Shapes: history [B, 32] indexes, newest first -> user [B, 33]; movie [B] -> item [B, 33].
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import tensorflow as tf
import tensorflow_recommenders as tfrs
from numpy.typing import NDArray

from trainer.features.index import Histories, IndexArray, Interactions
from trainer.fit import (
    ProgressBar,
    ValidationFigures,
    clear_untrained,
    seed_everything,
    shuffled_batches,
    tensorboard,
)
from trainer.models import measured
from trainer.models.interfaces import FittedRetrieval, TrainingData
from trainer.models.towers import RetrievalTowers, one_tower
from trainer.search_space import FloatRange, IntRange, SearchSpace

NAME = "two_tower_retrieval"

FACTORIZED_KS: Final = (1, 5, 10)
"""List lengths of the source's FactorizedTopK."""
FACTORIZED_ROWS: Final = 4096
"""Validation rows that FactorizedTopK is measured on: each costs a score for every movie, where
NDCG costs that for each user, so all rows of a large data set would outweigh the fit."""

_DECIDING: Final = "val_ndcg@10"
_FIGURES: Final = (_DECIDING, *(f"val_top_{k}" for k in FACTORIZED_KS))
_SCORED_USERS: Final = 1024
"""Users whose padded histories are in memory at once."""


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
    epochs: int | None = None
    """Exactly so many; None = validation chooses, and without validation `usual_epochs`."""
    usual_epochs: int = 3
    """What validation chooses on ml-100k (2) and ml-latest-small (3)."""
    max_epochs: int = 15
    patience: int = 2
    """Epochs without a gain on validation after which the fit stops."""
    seed: int = 0


SEARCH_SPACE: SearchSpace = {
    "dim": IntRange(8, 128, log=True),
    "max_age": IntRange(8, 128, log=True),
    "learning_rate": FloatRange(0.0005, 0.05, log=True),
    "batch_size": IntRange(128, 4096, log=True),
    "history_dropout": FloatRange(0.0, 0.7),
    "l2": FloatRange(1e-5, 1e-1, log=True),
}


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

    def scores(self, histories: Histories) -> NDArray[np.float32]:
        """[U, N] dot products of the two towers."""
        movies, max_age = histories.movies, self._config.max_age
        items = self.item_tower(tf.range(self._padding))
        found = [np.zeros((0, self._padding), np.float32)]
        for start in range(0, len(movies), _SCORED_USERS):
            padded = pad_histories(movies[start : start + _SCORED_USERS], max_age, self._padding)
            found.append(tf.matmul(self.user_tower(padded), items, transpose_b=True).numpy())
        return np.concatenate(found)

    def towers(self) -> RetrievalTowers:
        """The model as plain arrays."""
        n_movies, dim = self._padding, self._config.dim
        history_vectors = np.zeros((n_movies, dim + 1), np.float32)
        history_vectors[:, :dim] = self.history_embedding.embeddings.numpy()[:n_movies]
        return one_tower(
            item_vectors=self.item_tower(tf.range(n_movies)).numpy(),
            history_vectors=history_vectors,
            # Ages beyond the last weigh what the last weighs: nothing, as the tower has it.
            age_weights=np.append(self.age_weights.numpy(), np.float32(0)),
            base_vector=np.append(self.base.numpy(), np.float32(1)),
        )


def pad_histories(histories: list[IndexArray], max_age: int, padding: int) -> NDArray[np.int32]:
    """[len(histories), max_age] movie indexes, newest first."""
    padded = np.full((len(histories), max_age), padding, np.int32)
    for row, history in zip(padded, histories, strict=True):
        newest_first = history[::-1][:max_age]
        row[: len(newest_first)] = newest_first
    return padded


def training_pairs(
    histories: list[IndexArray], n_movies: int, config: Config
) -> dict[str, NDArray[np.int32] | NDArray[np.float32]]:
    """One row for each rating but a user's first: what came before it, it, and its frequency.

    Args:
      histories: movie indexes of each user, oldest first.
    """
    max_age = config.max_age
    before = [
        history[max(0, n - max_age) : n] for history in histories for n in range(1, len(history))
    ]
    movie = np.concatenate([history[1:] for history in histories]).astype(np.int32)
    frequency = np.bincount(movie, minlength=n_movies) / len(movie)
    return {
        "history": pad_histories(before, max_age, n_movies),
        "movie": movie,
        "probability": frequency[movie].astype(np.float32),
    }


class FactorizedTopK:
    """The source's own metric: how often a validation row's movie is among the first k of all.

    Unlike `trainer.metrics` every movie is a candidate, those of the history too, and each row
    counts alike, not each user; so it is reported, and decides nothing.
    """

    def __init__(self, data: TrainingData, validation: Interactions, config: Config) -> None:
        n_rows = min(FACTORIZED_ROWS, len(validation))
        rows = np.random.default_rng(config.seed).permutation(len(validation))[:n_rows]
        histories = data.histories.of(validation.users[rows]).movies
        self._histories = pad_histories(histories, config.max_age, data.n_movies)
        self._movies = validation.movies[rows].astype(np.int32)
        self._ks = [k for k in FACTORIZED_KS if k <= data.n_movies]

    def figures(self, model: TwoTower) -> dict[str, float]:
        """{"val_top_k": share of the rows}, for each k that the catalogue allows."""
        items = model.item_tower(tf.range(model.item_embedding.input_dim))
        index = tfrs.layers.factorized_top_k.BruteForce().index(items)
        metric = tfrs.metrics.FactorizedTopK(index, self._ks)
        for start in range(0, len(self._movies), _SCORED_USERS):
            movies = self._movies[start : start + _SCORED_USERS]
            users = model.user_tower(self._histories[start : start + _SCORED_USERS])
            # By id: a score computed twice differs in its last bit, and would lose to itself.
            metric.update_state(users, tf.gather(items, movies), true_candidate_ids=movies)
        return {f"val_top_{k}": float(v) for k, v in zip(self._ks, metric.result(), strict=True)}


def fit(
    data: TrainingData, config: Config, validation: Interactions | None = None
) -> FittedRetrieval:
    """Trains on the users' histories.

    Args:
      validation: without `config.epochs`, NDCG@10 on these rows decides when to stop, and the
        best weights are kept; with it, they are measured only.

    Returns:
      The model, with curves "loss" and, with `validation`, "val_ndcg@10" and "val_top_1", "_5",
      "_10" (see FactorizedTopK) after each epoch. The item vector of a movie that is nobody's
      second or later rating is zero: it was never a positive.
    """
    seed_everything(config.seed)
    model = TwoTower(data.n_movies, config)
    model.compile(optimizer=tf.keras.optimizers.Adam(config.learning_rate))
    pairs = training_pairs(data.histories.movies, data.n_movies, config)
    clear_untrained(model.history_embedding, pairs["history"])
    clear_untrained(model.item_embedding, pairs["movie"])
    chooses = validation is not None and config.epochs is None
    epochs = config.max_epochs if chooses else config.epochs or config.usual_epochs
    callbacks: list[tf.keras.callbacks.Callback] = []
    if validation is not None:
        measure = _measuring(model, data, validation, config)
        callbacks.append(ValidationFigures(measure))
    if chooses:
        callbacks.append(
            tf.keras.callbacks.EarlyStopping(
                _DECIDING, mode="max", patience=config.patience, restore_best_weights=True
            )
        )
    batches = shuffled_batches(pairs, config.batch_size, config.seed)
    with ProgressBar(NAME, epochs, "loss" if validation is None else _DECIDING) as bar:
        history = model.fit(
            batches, epochs=epochs, verbose=0, callbacks=[*callbacks, *tensorboard(NAME), bar]
        ).history
    curves = {name: history[name] for name in ("loss", *_FIGURES) if name in history}
    if chooses:
        epochs = 1 + int(np.argmax(curves[_DECIDING]))
    return FittedRetrieval(model.scores, model.towers(), replace(config, epochs=epochs), curves)


def _measuring(
    model: TwoTower, data: TrainingData, validation: Interactions, config: Config
) -> Callable[[], dict[str, float]]:
    factorized = FactorizedTopK(data, validation, config)

    def measure() -> dict[str, float]:
        ndcg = measured.top_n(model.scores, data, validation)["ndcg@10"]
        return {_DECIDING: ndcg} | factorized.figures(model)

    return measure
