"""95 % intervals by resampling test rows or users, paired between models.

Efron and Tibshirani, 1993. One set of resamples serves all models, so that a difference is taken
between figures of the same draw: what makes a draw hard for one model makes it hard for the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from trainer.evaluate.results import Interval

Array = npt.NDArray[np.float64]

RESAMPLES: Final = 1000
_SEED: Final = 20260101
_CHUNK_CELLS: Final = 1 << 24
"""Drawn positions in memory at once."""
_TAIL: Final = 2.5
"""Per cent outside the interval on either side."""


def resampled_figures(
    samples: Mapping[str, Array], *, root: bool = False, resamples: int = RESAMPLES
) -> dict[str, Array]:
    """The figure of each model in every resample, [resamples] each.

    Args:
      samples: {model: [n] values of the same n test rows or users, in the same order}.
      root: the figure is the root of the mean (squared errors -> RMSE), not the mean.
      resamples: draws with replacement.

    Raises:
      ValueError: models were measured on different numbers of rows.
    """
    values = np.stack(list(samples.values()), axis=1)  # raises where lengths differ
    n = len(values)
    rng = np.random.default_rng(_SEED)
    means = np.empty((resamples, values.shape[1]))
    step = max(1, _CHUNK_CELLS // n)
    for start in range(0, resamples, step):
        drawn = rng.integers(0, n, (min(step, resamples - start), n))
        counts = np.stack([np.bincount(row, minlength=n) for row in drawn])
        means[start : start + step] = counts @ values / n
    figures = np.sqrt(means) if root else means
    return {name: figures[:, column] for column, name in enumerate(samples)}


def interval(figures: Array) -> Interval:
    """The middle 95 % of resampled figures, or of differences between two models' figures."""
    low, high = np.percentile(figures, [_TAIL, 100 - _TAIL])
    return Interval(float(low), float(high))
