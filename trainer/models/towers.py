"""What a trained model hands to the export: plain arrays that serve as dot products.

Every model that ends as one of these two is served by one graph. N movies and U users by dense
index; D and R as in serving.contract. The arithmetic here is what the graph is tested against.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import block_diag

from trainer.features.index import Histories

FloatArray = NDArray[np.float32]
IndexArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Liking:
    """How much a history movie counts by the user's rating: 1, and below 0 for a dislike.

    Linear from `disliked` at ratings up to `low` to 1 at ratings from `high` on. A movie without
    a rating (NaN) counts 1.
    """

    low: float
    high: float
    disliked: float
    """At most 1; 1 = every rating counts alike."""

    def weights(self, ratings: FloatArray) -> FloatArray:
        """Shaped as `ratings`."""
        share = np.clip((ratings - self.low) / (self.high - self.low), 0, 1)
        weights = self.disliked + (1 - self.disliked) * share
        return np.where(np.isfinite(ratings), weights, 1).astype(np.float32)


ALIKE = Liking(0.0, 1.0, 1.0)
"""Every movie of a history counts 1, whatever its rating."""


@dataclass(frozen=True, eq=False)
class RetrievalTowers:
    """score(user, movie) = user_vector . item_vectors[movie].

    The D columns belong to P towers. Before the gate a user's vector is
    base_vector + sum over the history of liking(rating) * age_weights[age, tower] *
    history_vectors[movie], age 0 = the newest. Then each tower's columns are divided by the
    deviation of that tower's scores over the catalogue, and multiplied by the gate's weight for
    the length of the history. One tower and a gate of 1 leave the order as the tower has it.
    """

    item_vectors: FloatArray
    """[N, D] Never normalised: the norm carries popularity."""
    history_vectors: FloatArray
    """[N, D]"""
    base_vector: FloatArray
    """[D] a user without history; 1 in columns that hold item biases."""
    tower_of_column: IndexArray
    """[D] 0..P-1"""
    age_weights: FloatArray
    """[A, P]; ages of A and more weigh what A - 1 weighs."""
    covariance: FloatArray
    """[D, D] of the item vectors over the catalogue, 0 between towers."""
    gate_from: IndexArray
    """[G] shortest history of each row of the gate, ascending, the first 0."""
    gate: FloatArray
    """[G, P] weight of each tower."""
    liking: Liking

    @property
    def n_movies(self) -> int:
        return len(self.item_vectors)

    @property
    def dim(self) -> int:
        return self.item_vectors.shape[1]

    @property
    def n_towers(self) -> int:
        return self.gate.shape[1]

    def with_items(self, movies: IndexArray, vectors: FloatArray) -> RetrievalTowers:
        """A copy with other [n, D] item vectors for these movies; the scale stays."""
        item_vectors = self.item_vectors.copy()
        item_vectors[movies] = vectors
        return replace(self, item_vectors=item_vectors)

    def user_vector(self, movies: IndexArray, ratings: FloatArray) -> FloatArray:
        """[D] for one history, oldest first."""
        ages = np.arange(len(movies))[::-1].clip(max=len(self.age_weights) - 1)
        weights = self.age_weights[ages][:, self.tower_of_column]
        weights = weights * self.liking.weights(ratings)[:, None]
        vector = self.base_vector + (weights * self.history_vectors[movies]).sum(axis=0)
        return vector * self._scale(vector, len(movies))

    def _scale(self, vector: FloatArray, n_movies: int) -> FloatArray:
        """[D] gate over deviation, of each column's tower."""
        row = np.searchsorted(self.gate_from, n_movies, side="right") - 1
        variance = np.bincount(
            self.tower_of_column, vector * (self.covariance @ vector), self.n_towers
        )
        deviation = np.sqrt(np.maximum(variance, 0))
        scale = np.divide(self.gate[row], deviation, np.zeros_like(deviation), where=deviation > 0)
        return np.asarray(scale[self.tower_of_column], np.float32)

    def user_vectors(self, histories: Histories) -> FloatArray:
        """[U, D] for many histories."""
        pairs = zip(histories.movies, histories.ratings, strict=True)
        return np.stack([self.user_vector(movies, ratings) for movies, ratings in pairs])

    def scores(self, histories: Histories) -> FloatArray:
        """[U, N] scores."""
        return self.user_vectors(histories) @ self.item_vectors.T


def one_tower(
    item_vectors: FloatArray,
    history_vectors: FloatArray,
    age_weights: FloatArray,
    base_vector: FloatArray,
) -> RetrievalTowers:
    """Towers of a single model: [N, D], [N, D], [A], [D]; every movie of a history counts alike."""
    return RetrievalTowers(
        item_vectors=item_vectors,
        history_vectors=history_vectors,
        base_vector=base_vector,
        tower_of_column=np.zeros(item_vectors.shape[1], np.int64),
        age_weights=age_weights[:, None],
        covariance=np.atleast_2d(np.cov(item_vectors.T, bias=True)).astype(np.float32),
        gate_from=np.zeros(1, np.int64),
        gate=np.ones((1, 1), np.float32),
        liking=ALIKE,
    )


def side_by_side(
    towers: tuple[RetrievalTowers, ...], gate_from: IndexArray, gate: FloatArray
) -> RetrievalTowers:
    """Towers of one each behind a gate, [G] and [G, P]; the first one's liking holds for all."""
    longest = max(len(tower.age_weights) for tower in towers)
    dims = [tower.dim for tower in towers]
    return RetrievalTowers(
        item_vectors=np.concatenate([tower.item_vectors for tower in towers], axis=1),
        history_vectors=np.concatenate([tower.history_vectors for tower in towers], axis=1),
        base_vector=np.concatenate([tower.base_vector for tower in towers]),
        tower_of_column=np.repeat(np.arange(len(towers)), dims),
        age_weights=np.concatenate(
            [
                np.pad(tower.age_weights, [(0, longest - len(tower.age_weights)), (0, 0)], "edge")
                for tower in towers
            ],
            axis=1,
        ),
        covariance=block_diag(*(tower.covariance for tower in towers)).astype(np.float32),
        gate_from=gate_from,
        gate=gate,
        liking=towers[0].liking,
    )


@dataclass(frozen=True, eq=False)
class FoldIn:
    """How a user whom training did not see is placed by a history of n movies.

    vector = nobody_vector + (profile row - usual_profile) @ profile_vectors
    + sum of history_vectors / sqrt(n + history_hold), without the middle term where a profile says
    nothing, and a bias likewise. Around that strangers are normal with covariance spread' spread,
    and what the residuals r of the rated movies say moves a stranger to the mean given them:
    (vector, bias) += z spread with z = (G'G + noise E)^-1 G'r and G = (item vectors, 1) spread'.
    Of G and r the share `mood` of their mean over these movies is taken away first: what the first
    ratings have in common is in part the hour's.
    """

    nobody_vector: FloatArray
    """[R]"""
    nobody_bias: float
    profile_vectors: FloatArray
    """[P, R]"""
    profile_bias: FloatArray
    """[P]"""
    usual_profile: FloatArray
    """[P] mean of the training users' rows, which `nobody_vector` stands for."""
    history_hold: float
    """Movies that a history is thought longer: few movies say less than many."""
    spread: FloatArray
    """[K, R + 1] directions in which strangers differ, the last column the bias."""
    noise: float
    """Variance of a rating around a user's vector and bias, above 0."""
    mood: float
    """From 0 to below 1."""


def held_back_bias(nobody_vector: FloatArray, n_profile_columns: int, strength: float) -> FoldIn:
    """The fold-in of a model that moves the bias alone: sum of residuals / (n + strength).

    Args:
      nobody_vector: [R], every stranger's.
      n_profile_columns: of profile rows, which say nothing.
      strength: pseudo-ratings that hold the bias back, above 0.
    """
    dim = len(nobody_vector)
    return FoldIn(
        nobody_vector=nobody_vector,
        nobody_bias=0.0,
        profile_vectors=np.zeros((n_profile_columns, dim), np.float32),
        profile_bias=np.zeros(n_profile_columns, np.float32),
        usual_profile=np.zeros(n_profile_columns, np.float32),
        history_hold=0.0,
        spread=np.eye(1, dim + 1, dim, dtype=np.float32),
        noise=strength,
        mood=0.0,
    )


@dataclass(frozen=True, eq=False)
class RatingTowers:
    """rating = mean + user_bias + item_bias + user_vector . item_vector, clipped by the caller.

    A user's vector and bias are what is stored, plus the history's:
    sum over its n movies of history_vectors[movie] / sqrt(n), and of history_bias likewise.
    """

    mean: float
    item_vectors: FloatArray
    """[N, R]"""
    item_bias: FloatArray
    """[N]"""
    history_vectors: FloatArray
    """[N, R]; zero where a model does not read the history."""
    history_bias: FloatArray
    """[N]"""
    stored_vectors: FloatArray
    """[U, R] without the history's part"""
    stored_bias: FloatArray
    """[U]"""
    user_vectors: FloatArray
    """[U, R] with the part of the training history: what a pair without a history is answered by"""
    user_bias: FloatArray
    """[U]"""
    fold_in: FoldIn

    @property
    def dim(self) -> int:
        return self.item_vectors.shape[1]

    def of_users(self, users: IndexArray) -> RatingTowers:
        """The same towers for these users alone, in this order."""
        return replace(
            self,
            stored_vectors=self.stored_vectors[users],
            stored_bias=self.stored_bias[users],
            user_vectors=self.user_vectors[users],
            user_bias=self.user_bias[users],
        )

    def with_items(
        self, movies: IndexArray, vectors: FloatArray, biases: FloatArray
    ) -> RatingTowers:
        """A copy with other [n, R] vectors and [n] biases for these movies."""
        item_vectors, item_bias = self.item_vectors.copy(), self.item_bias.copy()
        item_vectors[movies], item_bias[movies] = vectors, biases
        return replace(self, item_vectors=item_vectors, item_bias=item_bias)

    def pairs(self, users: IndexArray, movies: IndexArray) -> FloatArray:
        """[n] ratings of pairs, not clipped."""
        dots = np.einsum("nr,nr->n", self.user_vectors[users], self.item_vectors[movies])
        return (self.mean + self.user_bias[users] + self.item_bias[movies] + dots).astype(
            np.float32
        )

    def ratings(self, vectors: FloatArray, biases: FloatArray) -> FloatArray:
        """[B, N] ratings, not clipped, of users with [B, R] vectors and [B] biases."""
        dots = vectors @ self.item_vectors.T
        return (self.mean + biases[:, None] + self.item_bias + dots).astype(np.float32)

    def stranger(
        self, movies: IndexArray, ratings: FloatArray, profile: FloatArray | None = None
    ) -> tuple[FloatArray, float]:
        """Vector [R] and bias of a user whom training did not see, by the history alone.

        Args:
          profile: [P] row of unit length; None or zeros = nothing is said.
        """
        fold, rated = self.fold_in, np.isfinite(ratings)
        vector, bias = fold.nobody_vector, fold.nobody_bias
        if profile is not None and profile.any():
            unusual = profile - fold.usual_profile
            vector = vector + unusual @ fold.profile_vectors
            bias = bias + float(unusual @ fold.profile_bias)
        if len(movies):
            root = np.sqrt(len(movies) + fold.history_hold)
            vector = vector + self.history_vectors[movies].sum(axis=0) / root
            bias = bias + self.history_bias[movies].sum() / root
        if rated.any():
            items, item_bias = self.item_vectors[movies[rated]], self.item_bias[movies[rated]]
            residuals = ratings[rated] - self.mean - bias - item_bias - items @ vector
            seen = items @ fold.spread[:, :-1].T + fold.spread[:, -1]
            seen = seen - fold.mood * seen.mean(axis=0)
            residuals = residuals - fold.mood * residuals.mean()
            gram = seen.T @ seen + fold.noise * np.eye(len(fold.spread))
            moved = np.linalg.solve(gram, seen.T @ residuals) @ fold.spread
            vector, bias = vector + moved[:-1], bias + moved[-1]
        return np.asarray(vector, np.float32), float(bias)
