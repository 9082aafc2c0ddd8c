"""Two towers over what is known of user and movie, without ids (source document 001).

The user tower reads the mean rating of each genre's movies, the movie tower the year, the mean
rating and the genres; both have three dense layers. rating = the cosine of their outputs, mapped
to the rating range, squared error. Here both read the number of ratings as well, and the user's
mean. All means and the scaling are of training rows alone; the source's hold the test rows too.
Means of few ratings are held back, where the source takes them as they are, and 0 for none; and a
training row reads means that leave its own rating out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from trainer.datasets import Col
from trainer.features.index import IndexArray, Interactions
from trainer.features.rating_means import RatingMeans
from trainer.fit import FitConfig, fit_ratings, predicted, seed_everything
from trainer.models.interfaces import FittedRating, TrainingData
from trainer.models.towers import RatingTowers, held_back_bias

NAME = "content_towers"
FURTHEST: Final = 3.0
"""Deviations from the mean beyond which a feature says nothing more."""


@dataclass(frozen=True, slots=True)
class Config(FitConfig):
    """Hyper-parameters; chosen on ml-100k's validation part."""

    learning_rate: float = 0.001
    decay: float = 0.85
    usual_epochs: int = 10
    first: int = 256
    """Outputs of each tower's first layer."""
    second: int = 128
    """Outputs of each tower's second layer."""
    dim: int = 32
    """Outputs of each tower."""
    pseudo_ratings: float = 5.0
    """Hold a mean to the next wider mean."""
    fold_in_strength: float = 16.0
    """Pseudo-ratings that hold back the bias of a user whom training did not see."""


class ContentTowers(tf.keras.Model):
    """The live training object; `towers()` is its plain form."""

    def __init__(self, data: TrainingData, config: Config) -> None:
        super().__init__()
        genres = (data.movie_rows.of("genres") > 0).astype(np.float32)
        years = _years(data.dataset.movies[Col.YEAR].to_numpy(np.float64), data.rows.movies)
        self._said = tf.constant(np.concatenate([years[:, None], genres], axis=1), tf.float32)
        self._means = RatingMeans(data.rows, genres, data.n_users, config.pseudo_ratings)
        self._sizes = data.n_users, data.n_movies
        low, high = data.rating_range
        self._middle, self._reach = (low + high) / 2, (high - low) / 2
        self._fold_in_strength = config.fold_in_strength
        self._user_tower, self._movie_tower = _tower(config), _tower(config)
        users, movies = self._features(data.rows.users, data.rows.movies, data.rows.ratings)
        self._user_scale, self._movie_scale = _scale(users), _scale(movies)

    def train_step(self, data: tuple[tuple[tf.Tensor, tf.Tensor], tf.Tensor]) -> dict[str, float]:
        """One step on features that leave each row's own rating out."""
        (users, movies), ratings = data
        return super().train_step(((users, movies, ratings), ratings))

    def call(self, inputs: tuple[tf.Tensor, ...]) -> tf.Tensor:
        """[B] ratings, inside the range, of [B] users, [B] movies and, in training, [B] ratings."""
        users, movies = self._features(*inputs)
        dots = tf.reduce_sum(self._user_vectors(users) * self._movie_vectors(movies), axis=1)
        return self._middle + self._reach * dots

    def _features(
        self, users: tf.Tensor, movies: tf.Tensor, own: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """[B, 2 + G] of users and [B, 3 + G] of movies, as they are."""
        of_users = self._means.of_users(users, None if own is None else (movies, own))
        return of_users, self._of_movies(movies, own)

    def _of_movies(self, movies: tf.Tensor, own: tf.Tensor | None = None) -> tf.Tensor:
        return tf.concat(
            [tf.gather(self._said, movies), self._means.of_movies(movies, own)], axis=1
        )

    def _user_vectors(self, features: tf.Tensor) -> tf.Tensor:
        scaled = _scaled(features, self._user_scale)
        # Without a rating a user is an average one, and not the extreme of one who rates little.
        return _unit(self._user_tower(tf.where(features[:, :1] > 0, scaled, 0.0)))

    def _movie_vectors(self, features: tf.Tensor) -> tf.Tensor:
        return _unit(self._movie_tower(_scaled(features, self._movie_scale)))

    def towers(self, n_profile_columns: int) -> RatingTowers:
        """The model as plain arrays; a stranger has the features of an average user."""
        n_users, n_movies = self._sizes
        users = self._user_vectors(self._means.of_users(tf.range(n_users))).numpy()
        items = self._reach * self._movie_vectors(self._of_movies(tf.range(n_movies))).numpy()
        nobody = self._user_vectors(tf.zeros_like(self._user_scale[0])[None]).numpy()[0]
        return RatingTowers(
            mean=self._middle,
            item_vectors=items,
            item_bias=np.zeros(len(items), np.float32),
            history_vectors=np.zeros_like(items),
            history_bias=np.zeros(len(items), np.float32),
            stored_vectors=users,
            stored_bias=np.zeros(n_users, np.float32),
            user_vectors=users,
            user_bias=np.zeros(n_users, np.float32),
            fold_in=held_back_bias(nobody, n_profile_columns, self._fold_in_strength),
        )


def fit(data: TrainingData, config: Config, validation: Interactions | None = None) -> FittedRating:
    """Trains on the ratings; validation chooses the number of epochs."""
    seed_everything(config.seed)
    model = ContentTowers(data, config)
    chosen, curves = fit_ratings(NAME, model, data.rows, config, validation)
    return FittedRating(
        predict=partial(predicted, model),
        towers=model.towers(data.user_rows.shape[1]),
        config=chosen,
        curves=curves,
    )


def _tower(config: Config) -> tf.keras.Sequential:
    dense = tf.keras.layers.Dense
    return tf.keras.Sequential(
        [dense(config.first, "relu"), dense(config.second, "relu"), dense(config.dim)]
    )


def _unit(vectors: tf.Tensor) -> tf.Tensor:
    return tf.math.l2_normalize(vectors, axis=1)


def _years(years: NDArray[np.float64], rated: IndexArray) -> NDArray[np.float64]:
    """[N] years; an unknown one (0) is the mean of the training rows' known ones."""
    known = years[rated][years[rated] > 0]
    return np.where(years > 0, years, known.mean() if len(known) else 0.0)


def _scaled(features: tf.Tensor, scale: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
    """Features in deviations from the mean; what lies further than training went is cut."""
    mean, deviation = scale
    return tf.clip_by_value((features - mean) / deviation, -FURTHEST, FURTHEST)


def _scale(features: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Mean and deviation of each column; a constant one keeps its size."""
    deviation = tf.math.reduce_std(features, axis=0)
    return tf.reduce_mean(features, axis=0), tf.where(deviation > 1e-6, deviation, 1.0)
