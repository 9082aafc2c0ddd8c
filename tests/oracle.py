"""The contract's final order in plain NumPy, for comparison; imports nothing of the product."""

from __future__ import annotations

import numpy as np

K_MAX = 200
CANDIDATES = 300


def final_order(
    scores: np.ndarray,
    ratings: np.ndarray,
    allowed: np.ndarray,
    rating_weight: float,
    by_rating: bool = False,
) -> tuple[list[int], list[float]]:
    """Movie indexes and their final scores for one user.

    Args:
      scores: [N] retrieval scores; ratings: [N], not clipped; allowed: [N] bool.
    """
    key = ratings if by_rating else scores
    candidates = [i for i in np.argsort(-key, kind="stable") if allowed[i]][:CANDIDATES]
    if not candidates:
        return [], []

    def standardised(values: np.ndarray) -> np.ndarray:
        if values.std() <= 1e-4 * np.abs(values).max():
            return np.zeros_like(values)
        return (values - values.mean()) / (values.std() + 1e-6)

    final = standardised(scores[candidates]) + rating_weight * standardised(ratings[candidates])
    if by_rating:
        final = ratings[candidates]
    best = np.argsort(-final, kind="stable")[:K_MAX]
    return [int(candidates[i]) for i in best], [float(final[i]) for i in best]
