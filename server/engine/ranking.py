"""Ordering: the best movies by a key, and the final order that blends two of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

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
    bound = _reached_by(key, k)
    found = (key > bound if bound == NOT_ALLOWED else key >= bound).nonzero()[0]
    keys = key.take(found)
    order = falling(keys)[:k]
    return found.take(order), keys.take(order)


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
    negative = -values
    # NumPy's quick sort takes a third of the time of its stable one, and ties are rare.
    order = negative.argsort()
    rising = negative.take(order)
    if np.count_nonzero(rising[1:] == rising[:-1]):
        order = negative.argsort(kind="stable")
    return order


@dataclass(frozen=True, slots=True)
class Spread:
    """Where the values of the candidates lie."""

    mean: float
    deviation: float
    """0 = they are equal."""


def standardised(values: FloatArray) -> tuple[FloatArray, Spread]:
    """z-scores of [C] values; all 0 where they differ by rounding alone."""
    if not len(values):
        return values, Spread(0.0, 0.0)
    # The reductions themselves: the methods mean() and std() take longer to get there.
    mean = float(np.add.reduce(values)) / len(values)
    centred = values - np.float32(mean)
    deviation = math.sqrt(float(centred.dot(centred)) / len(values))
    # No value is greater than this bound, and mostly the bound says enough.
    outermost = abs(mean) + math.sqrt(len(values)) * deviation
    if deviation <= NO_SPREAD * outermost and deviation <= NO_SPREAD * np.abs(values).max():
        return np.zeros_like(values), Spread(mean, 0.0)
    centred *= np.float32(1 / (deviation + EPSILON))
    return centred, Spread(mean, deviation)
