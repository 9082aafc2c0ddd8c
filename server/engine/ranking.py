"""Ordering: the best movies by a key, and the final order that blends two of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from server.engine.arrays import FloatArray, IndexArray

NO_SPREAD: Final = 1e-4
"""float32 carries seven digits: what is left of a smaller relative spread can't be compared."""
EPSILON: Final = 1e-6
"""Added to a deviation before it divides; like NO_SPREAD as the graphs have it."""

SAMPLED_EACH: Final = 16
"""Every so manieth key is looked at to guess where the best ones begin."""

NOT_ALLOWED: Final = np.float32(-np.inf)
"""Key of a movie that may not be listed."""


def best(key: FloatArray, k: int) -> IndexArray:
    """Indexes of the k greatest keys, falling, equal ones by index; none that is NOT_ALLOWED.

    Args:
      key: [N]
    """
    found = _above_a_sample(key, k)
    if found is None:
        least = np.partition(key, len(key) - k)[len(key) - k] if k < len(key) else NOT_ALLOWED
        found = np.flatnonzero(key > NOT_ALLOWED if least == NOT_ALLOWED else key >= least)
    # Stable: what ties with the last one stands behind it by index, and is cut off.
    return found[np.argsort(-key[found], kind="stable")[:k]]


def _above_a_sample(key: FloatArray, k: int) -> IndexArray | None:
    """All indexes, rising, of keys above a bound that about 2 k of them pass; None if k do not.

    Comparing every key with a bound costs a fifth of finding the exact one.
    """
    sample = key[::SAMPLED_EACH]
    n_above = 2 * k // SAMPLED_EACH
    if n_above >= len(sample):
        return None
    bound = np.partition(sample, len(sample) - n_above)[len(sample) - n_above]
    if bound == NOT_ALLOWED:
        return None
    found = np.flatnonzero(key >= bound)
    return found if len(found) >= k else None


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
    mean = np.add.reduce(values) / np.float32(len(values))
    centred = values - mean
    deviation = np.sqrt(centred @ centred / np.float32(len(values)))
    if not deviation > NO_SPREAD * np.maximum.reduce(np.abs(values)):
        return np.zeros_like(values), Spread(float(mean), 0.0)
    return centred / (deviation + np.float32(EPSILON)), Spread(float(mean), float(deviation))
