"""Error of predicted ratings and quality of ranked lists, in plain NumPy.

Ranked lists are full rankings: every movie that is not in the user's history is a candidate,
no candidate is sampled away. A movie is relevant when it is held out, whatever its rating.
Ranks count from 1; of equal scores the lower movie index comes first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating]
IntArray = npt.NDArray[np.integer]
BoolArray = npt.NDArray[np.bool_]
Pairs = tuple[IntArray, IntArray]
"""(user_index [n], movie_index [n])."""
ScoreFunction = Callable[[npt.NDArray[np.int64]], FloatArray]
"""user_index [B] -> scores [B, M]."""

DEFAULT_KS: Final = (10, 20)


def rmse(actual: FloatArray, predicted: FloatArray) -> float:
    """Root of the mean squared error: sqrt(mean((actual - predicted)^2))."""
    return float(np.sqrt(np.mean(np.square(_errors(actual, predicted)))))


def mae(actual: FloatArray, predicted: FloatArray) -> float:
    """Mean absolute error: mean(|actual - predicted|)."""
    return float(np.mean(np.abs(_errors(actual, predicted))))


def _errors(actual: FloatArray, predicted: FloatArray) -> FloatArray:
    actual = np.asarray(actual, dtype=np.float64)
    predicted = np.asarray(predicted, dtype=np.float64)
    if actual.shape != predicted.shape or not actual.size:
        raise ValueError(f"shapes {actual.shape} and {predicted.shape}: need equal, not empty")
    return actual - predicted


def recall_at_k(hits: BoolArray, n_relevant: IntArray, k: int) -> FloatArray:
    """Share of a user's relevant movies among the first k: hits / n_relevant.

    Args:
      hits: [B, >= k], whether the movie at each rank is relevant.
      n_relevant: [B], all relevant movies of the user, at least 1.
      k: list length, at least 1.

    Returns:
      [B] in [0, 1]; below 1 wherever n_relevant exceeds k.
    """
    return np.asarray(_first(hits, k).sum(axis=1) / n_relevant)


def ndcg_at_k(hits: BoolArray, n_relevant: IntArray, k: int) -> FloatArray:
    """Binary NDCG: sum of hit / log2(rank + 1), over its value for the best possible list.

    The best possible list has its relevant movies at ranks 1 to min(n_relevant, k).
    Järvelin and Kekäläinen, 2002. Arguments and result as `recall_at_k`.
    """
    discounts = 1 / np.log2(np.arange(2, k + 2))
    ideal = np.cumsum(discounts)[np.minimum(n_relevant, k) - 1]
    return np.asarray((_first(hits, k) * discounts).sum(axis=1) / ideal)


def mrr(best_rank: IntArray) -> FloatArray:
    """Reciprocal rank of each user's best-ranked relevant movie in the full ranking, [B]."""
    return 1 / np.asarray(best_rank, dtype=np.float64)


def coverage_at_k(lists: IntArray, n_movies: int, k: int) -> float:
    """Share of the catalogue that stands in anybody's first k; -1 in `lists` [U, >= k] is none."""
    shown = np.unique(_first(lists, k))
    return float((shown >= 0).sum() / n_movies)


def reciprocal_rank_in_list(hits: BoolArray) -> FloatArray:
    """Reciprocal rank of each row's first hit, [B]; 0 where the [B, k] list has none."""
    first = hits.argmax(axis=1)
    return np.where(hits.any(axis=1), 1 / (first + 1), 0.0)


def novelty_at_k(lists: IntArray, counts: IntArray, n_users: int, k: int) -> float:
    """Mean self-information of the movies shown in the first k, log2(n_users / count), in bits.

    How surprising it is that a random user has rated the movie. A movie without ratings counts
    as rated once. Zhou et al., 2010 ("Solving the apparent diversity-accuracy dilemma").

    Args:
      lists: [U, >= k] movie indexes; -1 = none. At least one movie is shown.
      counts: [M] users who rated each movie in training.
      n_users: users with training ratings.
      k: list length, at least 1.
    """
    shown = _first(lists, k)
    return float(np.log2(n_users / np.maximum(counts[shown[shown >= 0]], 1)).mean())


def popularity_at_k(lists: IntArray, counts: IntArray, k: int) -> float:
    """Mean popularity percentile of the movies shown in the first k, in (0, 1).

    A movie's percentile is the share of movies with fewer ratings, plus half of those with
    equally many: 0.5 is what lists without any popularity bias have. Arguments as `novelty_at_k`.
    """
    ordered = np.sort(counts)
    below = np.searchsorted(ordered, counts, side="left")
    up_to = np.searchsorted(ordered, counts, side="right")
    percentile = (below + up_to) / (2 * len(counts))
    shown = _first(lists, k)
    return float(percentile[shown[shown >= 0]].mean())


def _first(columns: npt.NDArray[Any], k: int) -> npt.NDArray[Any]:
    if not 1 <= k <= columns.shape[1]:
        raise ValueError(f"k is {k}, allowed 1..{columns.shape[1]}")
    return columns[:, :k]


def top_k(scores: FloatArray, k: int) -> npt.NDArray[np.int64]:
    """Movie indexes of the k highest scores of each row, best first, ties by lower index.

    Args:
      scores: [B, M]; -inf marks movies that are no candidates.
      k: at least 1; may exceed M.

    Returns:
      [B, k]; -1 where a row has fewer than k candidates.
    """
    n_rows, n_movies = scores.shape
    if k > n_movies:
        return np.pad(top_k(scores, n_movies), ((0, 0), (0, k - n_movies)), constant_values=-1)
    threshold = np.partition(scores, n_movies - k, axis=1)[:, n_movies - k, None]
    above = scores > threshold
    level = scores == threshold
    room = k - above.sum(axis=1, keepdims=True)
    chosen = above | (level & (np.cumsum(level, axis=1) <= room))
    index = np.nonzero(chosen)[1].reshape(n_rows, k)
    picked = np.take_along_axis(scores, index, axis=1)
    # The index is ascending, so a stable sort leaves equal scores in that order.
    order = np.argsort(-picked, axis=1, kind="stable")
    ranked = np.take_along_axis(index, order, axis=1)
    return np.where(np.take_along_axis(picked, order, axis=1) == -np.inf, -1, ranked)


@dataclass(frozen=True, eq=False)
class TopN:
    """Quality of the lists of all users that have held-out ratings."""

    users: npt.NDArray[np.int64]
    """user_index [U] of the users that were asked, ascending."""
    per_user: dict[str, FloatArray]
    """"recall@k", "ndcg@k" and "mrr" of each of them, [U]."""
    coverage: dict[str, float]
    """"coverage@k" over all of them."""

    @property
    def metrics(self) -> dict[str, float]:
        """Means over users, and the coverage."""
        means = {name: float(values.mean()) for name, values in self.per_user.items()}
        return means | self.coverage


def evaluate_topn(
    scores: ScoreFunction | FloatArray,
    history: Pairs,
    held_out: Pairs,
    n_movies: int,
    ks: Sequence[int] = DEFAULT_KS,
    batch_size: int = 256,
) -> TopN:
    """Ranks the whole catalogue minus the history for every user with held-out ratings.

    Args:
      scores: a function of user_index [B], or the matrix [U, M]; higher is better.
      history: pairs that are no candidates: what the user rated before.
      held_out: pairs that should be found; none of them in `history`.
      n_movies: M, size of the catalogue.
      ks: list lengths, each at least 1.
      batch_size: users scored at once; memory is about batch_size * M * 30 bytes.

    Raises:
      ValueError: nothing held out, a pair both held out and in the history, or scores that
        are NaN, infinite or of another shape.
    """
    score = scores if callable(scores) else scores.__getitem__
    seen = _ByUser(history, n_movies)
    wanted = _ByUser(held_out, n_movies)
    users = np.unique(wanted.users)
    if not users.size:
        raise ValueError("held_out is empty: there is nobody to rank for")
    lists: list[npt.NDArray[np.int64]] = []
    measured: list[dict[str, FloatArray]] = []
    for start in range(0, len(users), batch_size):
        batch = users[start : start + batch_size]
        row_scores = np.array(score(batch), dtype=np.float64)
        if row_scores.shape != (len(batch), n_movies) or not np.isfinite(row_scores).all():
            raise ValueError(f"scores must be finite and of shape {(len(batch), n_movies)}")
        relevant = wanted.mask(batch)
        excluded = seen.mask(batch)
        if (relevant & excluded).any():
            raise ValueError("a held-out pair is in the history too")
        row_scores[excluded] = -np.inf
        ranked = top_k(row_scores, max(ks))
        hits = np.take_along_axis(relevant, ranked, axis=1) & (ranked >= 0)
        n_relevant = relevant.sum(axis=1)
        lists.append(ranked)
        measured.append(
            {f"recall@{k}": recall_at_k(hits, n_relevant, k) for k in ks}
            | {f"ndcg@{k}": ndcg_at_k(hits, n_relevant, k) for k in ks}
            | {"mrr": mrr(best_rank(row_scores, relevant))}
        )
    shown = np.concatenate(lists)
    return TopN(
        users=users,
        per_user={name: np.concatenate([m[name] for m in measured]) for name in measured[0]},
        coverage={f"coverage@{k}": coverage_at_k(shown, n_movies, k) for k in ks},
    )


def best_rank(scores: FloatArray, relevant: BoolArray) -> npt.NDArray[np.int64]:
    """Rank of the best-scored relevant movie of each row of [B, M], [B]; every row has one."""
    best = np.where(relevant, scores, -np.inf)
    index = best.argmax(axis=1)[:, None]  # argmax takes the lowest index of equals
    value = np.take_along_axis(best, index, axis=1)
    before = (scores > value) | ((scores == value) & (np.arange(scores.shape[1]) < index))
    return np.asarray(1 + before.sum(axis=1))


class _ByUser:
    """Pairs sorted by user, so that a batch's rows are found without a pass over all."""

    def __init__(self, pairs: Pairs, n_movies: int) -> None:
        users, movies = (np.asarray(column, dtype=np.int64) for column in pairs)
        order = np.argsort(users, kind="stable")
        self.users, self._movies, self._n_movies = users[order], movies[order], n_movies

    def mask(self, batch: npt.NDArray[np.int64]) -> BoolArray:
        """[B, M], true at the pairs of each user of the batch."""
        mask = np.zeros((len(batch), self._n_movies), dtype=bool)
        starts = np.searchsorted(self.users, batch, side="left")
        ends = np.searchsorted(self.users, batch, side="right")
        for row, (start, end) in enumerate(zip(starts, ends, strict=True)):
            mask[row, self._movies[start:end]] = True
        return mask
