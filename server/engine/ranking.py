"""Ordering: the best movies by a key, and the final order that blends two of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from server.engine.arrays import BoolArray, FloatArray, IndexArray

NO_SPREAD: Final = 1e-4
"""float32 carries seven digits: what is left of a smaller relative spread can't be compared."""
EPSILON: Final = 1e-6
"""Added to a deviation before it divides; like NO_SPREAD as the graphs have it."""

NOT_ALLOWED: Final = np.float32(-np.inf)
"""Key of a movie that may not be listed."""


def forbid(key: FloatArray, allowed: BoolArray) -> None:
    """Writes NOT_ALLOWED into the [N] keys of movies that are not [N] allowed."""
    # By arithmetic, whose time is the same for any filter: of a condition on each movie, one that
    # half of them pass takes ten times as long as one that nearly all do.
    limit = allowed.astype(np.float32)
    limit -= np.float32(0.5)
    limit *= np.float32(np.inf)
    np.minimum(key, limit, out=key)


def best(key: FloatArray, k: int) -> tuple[IndexArray, FloatArray]:
    """Indexes of the k greatest keys, falling, equal ones by index, and these keys.

    None of them is NOT_ALLOWED.

    Args:
      key: [N]
    """
    found = _at_least_best(key, k)
    keys = key.take(found)
    order = falling(keys)[:k]
    return found.take(order), keys.take(order)


def candidates(key: FloatArray, k: int) -> IndexArray:
    """Indexes of the k greatest keys, rising; of equal ones where the k end, the first.

    None of them is NOT_ALLOWED. That is `best` without the order, which takes longest.

    Args:
      key: [N]
    """
    found = _at_least_best(key, k)
    if len(found) <= k:
        return found
    keys = key.take(found)
    parted, kth = keys.copy(), len(keys) - k
    parted.partition(kth)
    kept: IndexArray = (keys >= parted[kth]).nonzero()[0]
    if len(kept) > k:
        kept = falling(keys)[:k]
        kept.sort()
    return found.take(kept)


def _at_least_best(key: FloatArray, k: int) -> IndexArray:
    """Indexes of the k greatest keys and of few others, rising."""
    bound = _reached_by(key, k)
    return (key > bound if bound == NOT_ALLOWED else key >= bound).nonzero()[0]


def _reached_by(key: FloatArray, k: int) -> np.float32:
    """A bound that at least k keys reach, and of mixed ones about 1.4 k; NOT_ALLOWED if k do not.

    Of the greatest keys of 2 k groups the k-th: each of k groups has a key that reaches it. That
    and one comparison with each key cost a third of partitioning them all.
    """
    n_groups = 2 * k
    depth = len(key) // n_groups
    if not depth:
        return NOT_ALLOWED
    # Every so manieth key is a group: neighbours may be alike, and the maxima are taken row by row.
    greatest = np.maximum.reduce(key[: depth * n_groups].reshape(depth, n_groups), axis=0)
    greatest.partition(k)
    bound: np.float32 = greatest[k]
    return bound


def falling(values: FloatArray) -> IndexArray:
    """[C] the order with the greatest value first, equal ones as they stand."""
    # The stable sort is a little slower by itself than the quick one, whose code fills the
    # processor's caches: what follows pays for that.
    return (-values).argsort(kind="stable")


class Spread(NamedTuple):
    """Where the values of the candidates lie."""

    mean: float
    deviation: float
    """0 = they are equal."""


def blended(rows: FloatArray, weights: Sequence[float]) -> tuple[FloatArray, tuple[Spread, ...]]:
    """[C] weighted sum of the z-scores of each of [R, C] rows of values, and where a row lies.

    The z-scores of a row are 0 where its values differ by rounding alone.
    """
    n_values = rows.shape[1]
    if not n_values:
        return np.zeros(0, np.float32), (Spread(0.0, 0.0),) * len(rows)
    # The reductions themselves: the methods mean() and std() take longer to get there.
    means = np.add.reduce(rows, axis=1)
    means /= n_values
    centred = rows - means[:, None]
    spreads, factors = [], []
    for row, weight, mean, square in zip(
        rows, weights, means.tolist(), np.vecdot(centred, centred).tolist(), strict=True
    ):
        deviation = math.sqrt(square / n_values)
        # No value is greater than this bound, and mostly the bound says enough.
        outermost = abs(mean) + math.sqrt(n_values) * deviation
        if deviation <= NO_SPREAD * outermost and deviation <= NO_SPREAD * np.abs(row).max():
            deviation = 0.0
        spreads.append(Spread(mean, deviation))
        factors.append(weight / (deviation + EPSILON) if deviation else 0.0)
    return np.array(factors, np.float32).dot(centred), tuple(spreads)
