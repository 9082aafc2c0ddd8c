"""Two-sided SVD++ with Gaussian priors, ensembled: ratings by who rated what, on both sides.

In SVD++ (Koren, "Factorization meets the neighborhood", KDD 2008) a user's vector depends on which
movies he or she rated. Here a movie's vector depends on who rated it as well, and both depend on
what is said about them:

    U = p_u + N_u Y + F_u A        N_u: the user's movies, each 1 / sqrt(their number)
    I = q_i + N_i Y2 + F_i A2      N_i: the movie's raters, likewise
    rating = bias model + U . I + b_u + b_i + N_u w_i + N_i w_u + F_u a + F_i a2

Each block has a Gaussian prior, whose precision a Gibbs sampler learned on ml-100k's training rows.
Full-batch Adam for a fixed number of steps: the number is a second regulariser, and nothing is held
out. The mean over several seeds is served. The user's side is linear in the history, so the whole
ensemble is one dot product, and a new user folds in.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from trainer.baselines import BiasModel
from trainer.features.index import Interactions
from trainer.models import strangers
from trainer.models.interfaces import FittedRating, TrainingData
from trainer.models.towers import FloatArray, RatingTowers
from trainer.search_space import FloatRange, IntRange, SearchSpace

NAME = "svdpp2"


@dataclass(frozen=True, slots=True)
class Precisions:
    """Prior precision of each block, where a rating's noise has precision 1."""

    p: float = 10.0
    q: float = 25.0
    y: float = 20.0
    y2: float = 15.0
    a: float = 6.0
    a2: float = 12.0
    b_u: float = 6.0
    b_i: float = 25.0
    w_i: float = 18.0
    w_u: float = 12.0
    f_u: float = 10.0
    f_i: float = 10.0


@dataclass(frozen=True, slots=True)
class Config:
    """Hyper-parameters, from tuned runs on MovieLens."""

    dim: int = 16
    n_seeds: int = 3
    steps: int = 60
    learning_rate: float = 0.005
    error_weight: float = 0.75
    prior_weight: float = 3.0
    start_deviation: float = 0.05
    precisions: Precisions = field(default_factory=Precisions)
    strangers: strangers.Config = field(default_factory=strangers.Config)
    rows_at_once: int = 2_000_000
    """Ratings whose errors are held in memory together."""
    seed: int = 0


SEARCH_SPACE: SearchSpace = {
    "dim": IntRange(8, 32, log=True),
    "steps": IntRange(40, 100),
    "prior_weight": FloatRange(1.5, 5.0, log=True),
}


def fit(data: TrainingData, config: Config, validation: Interactions | None = None) -> FittedRating:
    """Trains the ensemble on all rows; `validation` is not read."""
    del validation
    towers = towers_of(data, config)
    return FittedRating(predict=towers.pairs, towers=towers, config=config)


def towers_of(data: TrainingData, config: Config) -> RatingTowers:
    """The ensemble as one dot product of n_seeds * dim columns, the members side by side."""
    rows = data.rows
    n_users, n_movies = data.n_users, data.n_movies
    base = BiasModel.fit(rows.users, rows.movies, rows.ratings, (n_users, n_movies))
    targets = (rows.ratings - base.predict(rows.users, rows.movies)).astype(np.float32)
    spreads = (
        _spread(rows.users, rows.movies, n_users, n_movies),
        _spread(rows.movies, rows.users, n_movies, n_users),
    )
    said = data.user_rows, data.movie_rows.of("genres", "years")
    members = [
        _Member(said, spreads, config, config.seed + number) for number in range(config.n_seeds)
    ]
    for member in members:
        _fit_member(member, rows, targets, config)

    stored = [member.stored_users() for member in members]
    complete = [member.users() for member in members]
    movies = [member.movies() for member in members]
    blocks = [member.blocks for member in members]
    stored_vectors = _beside([vectors for vectors, _ in stored])
    stored_bias = _mean([bias for _, bias in stored]) + base.user_bias.astype(np.float32)
    towers = RatingTowers(
        mean=float(base.mean),
        item_vectors=_beside([vectors for vectors, _ in movies]) / config.n_seeds,
        item_bias=_mean([bias for _, bias in movies]) + base.movie_bias.astype(np.float32),
        history_vectors=_beside([b["y"] for b in blocks]),
        history_bias=_mean([b["w_i"] for b in blocks]),
        stored_vectors=stored_vectors,
        stored_bias=stored_bias,
        user_vectors=_beside([vectors for vectors, _ in complete]),
        user_bias=_mean([bias for _, bias in complete]) + base.user_bias.astype(np.float32),
        fold_in=strangers.unplaced(
            _beside([b["a"] for b in blocks]), _mean([b["f_u"] for b in blocks])
        ),
    )
    return strangers.placed(towers, data, config.strangers)


def _beside(parts: list[tf.Tensor]) -> FloatArray:
    return np.asarray(tf.concat(parts, axis=1))


def _mean(parts: list[tf.Tensor]) -> FloatArray:
    return np.asarray(tf.add_n(parts)[:, 0] / len(parts))


class _Member:
    """One seed's parameters and its two sides."""

    def __init__(
        self,
        said: tuple[FloatArray, FloatArray],
        spreads: tuple[tf.SparseTensor, tf.SparseTensor],
        config: Config,
        seed: int,
    ) -> None:
        self._features = tf.constant(said[0]), tf.constant(said[1])
        self._user_spread, self._movie_spread = spreads
        n_users, n_user_features = said[0].shape
        n_movies, n_movie_features = said[1].shape
        generator = tf.random.Generator.from_seed(seed)

        def vectors(n_rows: int) -> tf.Variable:
            return tf.Variable(
                generator.normal((n_rows, config.dim), stddev=config.start_deviation)
            )

        def biases(n_rows: int) -> tf.Variable:
            return tf.Variable(tf.zeros((n_rows, 1)))

        self.blocks = {
            "p": vectors(n_users),
            "q": vectors(n_movies),
            "y": vectors(n_movies),
            "y2": vectors(n_users),
            "a": vectors(n_user_features),
            "a2": vectors(n_movie_features),
            "b_u": biases(n_users),
            "b_i": biases(n_movies),
            "w_i": biases(n_movies),
            "w_u": biases(n_users),
            "f_u": biases(n_user_features),
            "f_i": biases(n_movie_features),
        }

    def stored_users(self) -> tuple[tf.Tensor, tf.Tensor]:
        """[U, D] and [U, 1]: the user side without the history."""
        b, features = self.blocks, self._features[0]
        return b["p"] + features @ b["a"], b["b_u"] + features @ b["f_u"]

    def users(self) -> tuple[tf.Tensor, tf.Tensor]:
        """[U, D] and [U, 1]: the whole user side."""
        b, spread = self.blocks, self._user_spread
        vectors, bias = self.stored_users()
        return (
            vectors + tf.sparse.sparse_dense_matmul(spread, b["y"]),
            bias + tf.sparse.sparse_dense_matmul(spread, b["w_i"]),
        )

    def movies(self) -> tuple[tf.Tensor, tf.Tensor]:
        """[N, D] and [N, 1]: the whole movie side."""
        b, spread, features = self.blocks, self._movie_spread, self._features[1]
        return (
            b["q"] + tf.sparse.sparse_dense_matmul(spread, b["y2"]) + features @ b["a2"],
            b["b_i"] + tf.sparse.sparse_dense_matmul(spread, b["w_u"]) + features @ b["f_i"],
        )


def _spread(
    rows: NDArray[np.int64], columns: NDArray[np.int64], n_rows: int, n_columns: int
) -> tf.SparseTensor:
    """[n_rows, n_columns] 1 / sqrt(row's count) at each pair."""
    order = np.lexsort((columns, rows))
    counts = np.bincount(rows, minlength=n_rows)
    values = (1 / np.sqrt(counts[rows[order]])).astype(np.float32)
    cells = np.stack([rows[order], columns[order]], axis=1)
    return tf.SparseTensor(cells, values, (n_rows, n_columns))


def _fit_member(member: _Member, rows: Interactions, targets: FloatArray, config: Config) -> None:
    """Takes `steps` full-batch steps, the errors of `rows_at_once` ratings at a time."""
    optimizer = tf.keras.optimizers.Adam(config.learning_rate)
    blocks = list(member.blocks.values())
    weights = [
        0.5 * config.prior_weight * asdict(config.precisions)[name] for name in member.blocks
    ]
    chunks = [
        tuple(tf.constant(column[start : start + config.rows_at_once]) for column in columns)
        for columns in [(rows.users, rows.movies, targets)]
        for start in range(0, len(targets), config.rows_at_once)
    ]

    @tf.function(reduce_retracing=True)
    def error_gradients(
        sides: tuple[tf.Tensor, ...], users: tf.Tensor, movies: tf.Tensor, wanted: tf.Tensor
    ) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(sides)
            user_vectors, user_bias, movie_vectors, movie_bias = sides
            dots = tf.gather(user_vectors, users) * tf.gather(movie_vectors, movies)
            predicted = tf.reduce_sum(dots, axis=1)
            predicted += tf.gather(user_bias, users)[:, 0] + tf.gather(movie_bias, movies)[:, 0]
            error = config.error_weight * tf.reduce_sum((predicted - wanted) ** 2)
        return [tf.convert_to_tensor(g) for g in tape.gradient(error, sides)]

    @tf.function
    def step() -> None:
        with tf.GradientTape() as tape:
            sides = (*member.users(), *member.movies())
            by_chunk = [error_gradients(sides, *chunk) for chunk in chunks]
            pulls = [tf.stop_gradient(tf.add_n(g)) for g in zip(*by_chunk, strict=True)]
            # Its gradient is that of the error: the chunks' graphs need not be kept.
            error = tf.add_n([tf.reduce_sum(s * p) for s, p in zip(sides, pulls, strict=True)])
            norms = tf.add_n(
                [w * tf.reduce_sum(block**2) for w, block in zip(weights, blocks, strict=True)]
            )
            value = error + norms
        gradients = tape.gradient(value, blocks, unconnected_gradients="zero")
        optimizer.apply_gradients(zip(gradients, blocks, strict=True))

    for _ in range(config.steps):
        step()
