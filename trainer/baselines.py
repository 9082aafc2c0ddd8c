"""What a model must beat: popularity, shrunk means, biases and segments.

Everything is counted from the rows that it is given; give it training rows only.
Users and movies are dense indexes; movies without a row get the neutral value.
"""

from __future__ import annotations

from collections.abc import Callable, Sized
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.integer]
FloatArray = npt.NDArray[np.floating]
Array64 = npt.NDArray[np.float64]

LATE_FROM: Final = 20
"""MovieLens shows everybody the same popular movies first; what comes later was sought."""


def for_everybody(scores: Array64) -> Callable[[Sized], Array64]:
    """A function from U histories to [U, M] scores that says the same to each, whatever it holds.

    Args:
      scores: [M]
    """
    return lambda histories: np.tile(scores, (len(histories), 1))


_GOLDEN: Final = 0x9E3779B97F4A7C15


def pair_draws(user_index: IntArray, movie_index: IntArray, seed: int) -> Array64:
    """A number drawn from [0, 1) for each pair, [n], which the pair and the seed fix alone.

    A generator's next number would change with what else is asked. SplitMix64's mixing function
    (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
    """
    start = np.uint64((seed + 1) * _GOLDEN % 2**64)
    of_user = _mixed(np.asarray(user_index).astype(np.uint64) + start)
    of_pair = _mixed(of_user + np.asarray(movie_index).astype(np.uint64))
    return np.asarray((of_pair >> np.uint64(11)) * 2.0**-53)


def _mixed(bits: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    bits = bits * np.uint64(_GOLDEN)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


def popularity(movie_index: IntArray, n_movies: int) -> Array64:
    """Ratings of each movie, [M]: the most-rated ranking."""
    return np.bincount(movie_index, minlength=n_movies).astype(np.float64)


def late_popularity(
    user_index: IntArray,
    movie_index: IntArray,
    timestamp: IntArray,
    n_movies: int,
    late_from: int = LATE_FROM,
) -> Array64:
    """Ratings of each movie that stand at position `late_from` or later of their user, [M].

    late(m) + all(m) / (n + 1), with positions from 0 by (timestamp, row order) and n = all
    rows: the second term is below 1 and only orders movies of equal late counts.
    """
    late = position_in_history(user_index, timestamp) >= late_from
    tie_break = popularity(movie_index, n_movies) / (len(movie_index) + 1)
    return popularity(movie_index[late], n_movies) + tie_break


def position_in_history(user_index: IntArray, timestamp: IntArray) -> npt.NDArray[np.int64]:
    """Position of each row among its user's, oldest = 0, by (timestamp, row order), [n]."""
    order = np.lexsort((np.arange(len(user_index)), timestamp, user_index))
    grouped = user_index[order]
    starts = np.searchsorted(grouped, grouped, side="left")
    position = np.empty(len(order), dtype=np.int64)
    position[order] = np.arange(len(order)) - starts
    return position


def shrunk_means(
    movie_index: IntArray, rating: FloatArray, n_movies: int, pseudo_count: float = 5.0
) -> Array64:
    """Mean rating of each movie, moved towards the mean mu of all ratings, [M].

    (sum of ratings + pseudo_count * mu) / (count + pseudo_count); mu for an unrated movie.
    A weighted average of observed ratings, so it stays inside their range.
    """
    rating = np.asarray(rating, dtype=np.float64)
    if not rating.size or pseudo_count <= 0:
        raise ValueError(f"needs ratings and pseudo_count > 0, got {rating.size}, {pseudo_count}")
    total = np.bincount(movie_index, weights=rating, minlength=n_movies)
    count = np.bincount(movie_index, minlength=n_movies)
    return np.asarray((total + pseudo_count * rating.mean()) / (count + pseudo_count))


@dataclass(frozen=True, eq=False)
class BiasModel:
    """rating(u, m) = mu + b_u + b_m, the biases as regularised averages.

    Rounds of b_m = sum(r - mu - b_u) / (movie_penalty + n_m), then
    b_u = sum(r - mu - b_m) / (user_penalty + n_u). Koren, 2010 ("Factor in the neighbors").
    """

    mean: float
    user_bias: Array64
    """[U]"""
    movie_bias: Array64
    """[M]"""

    @classmethod
    def fit(
        cls,
        user_index: IntArray,
        movie_index: IntArray,
        rating: FloatArray,
        shape: tuple[int, int],
        penalties: tuple[float, float] = (4.0, 3.0),
        rounds: int = 15,
    ) -> BiasModel:
        """Fits the biases of training rows.

        Args:
          user_index: [n]
          movie_index: [n]
          rating: [n]
          shape: (U, M), users and movies in all.
          penalties: (user, movie), in ratings; higher pulls harder towards 0.
          rounds: alternations, at least 1.
        """
        residual = np.asarray(rating, dtype=np.float64)
        if not residual.size:
            raise ValueError("needs at least one rating")
        n_users, n_movies = shape
        user_penalty, movie_penalty = penalties
        mean = float(residual.mean())
        residual = residual - mean
        user_count = np.bincount(user_index, minlength=n_users) + user_penalty
        movie_count = np.bincount(movie_index, minlength=n_movies) + movie_penalty
        user_bias = np.zeros(n_users)
        for _ in range(rounds):
            left = residual - user_bias[user_index]
            movie_bias = np.bincount(movie_index, left, minlength=n_movies) / movie_count
            left = residual - movie_bias[movie_index]
            user_bias = np.bincount(user_index, left, minlength=n_users) / user_count
        return cls(mean, user_bias, movie_bias)

    def predict(self, user_index: IntArray, movie_index: IntArray) -> Array64:
        """Predicted ratings, [n], not clipped; an index of -1 is unknown and has no bias."""
        user = np.where(user_index >= 0, self.user_bias[user_index], 0.0)
        movie = np.where(movie_index >= 0, self.movie_bias[movie_index], 0.0)
        return self.mean + user + movie


def segment_popularity(
    movie_index: IntArray,
    row_segment: IntArray,
    segment_sizes: IntArray,
    n_movies: int,
    pseudo_users: float = 60.0,
) -> Array64:
    """How likely a user of each segment has rated each movie, [S, M].

    (count of the segment + pseudo_users * p(m)) / (users of the segment + pseudo_users),
    where p(m) is the share of all users that rated m: an empty segment gets p.

    Args:
      movie_index: [n]
      row_segment: [n], segment of the row's user, 0..S-1.
      segment_sizes: [S], users with rows in each segment.
      n_movies: M.
      pseudo_users: weight of the whole population, in users, above 0.
    """
    n_segments = len(segment_sizes)
    cell = np.asarray(row_segment, dtype=np.int64) * n_movies + movie_index
    counts = np.bincount(cell, minlength=n_segments * n_movies).reshape(n_segments, n_movies)
    share = counts.sum(axis=0) / max(int(segment_sizes.sum()), 1)
    sizes = np.asarray(segment_sizes)[:, None]
    return np.asarray((counts + pseudo_users * share) / (sizes + pseudo_users))


def segments(gender: npt.NDArray[np.str_], age: IntArray, age_bounds: IntArray) -> IntArray:
    """Segment of each user by gender and age bucket, [U]; -1 where either is unknown.

    Args:
      gender: [U], "F", "M" or "" (unknown).
      age: [U], 0 = unknown.
      age_bounds: [A] ascending lower bounds in years; younger users join the first bucket.

    Returns:
      bucket for "F", A + bucket for "M".
    """
    bucket = np.maximum(np.searchsorted(age_bounds, age, side="right") - 1, 0)
    number = np.select([gender == "F", gender == "M"], [bucket, len(age_bounds) + bucket], -1)
    return np.where(age > 0, number, -1)
