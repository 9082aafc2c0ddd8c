"""How much the predicted rating counts in the final order: chosen on validation.

Final order = z(retrieval score) + weight * z(predicted rating) over the candidates: the arithmetic
of `recommend`, in NumPy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from trainer.export.graphs import CANDIDATES
from trainer.export.layers import NO_SPREAD
from trainer.features.index import IndexArray, Interactions
from trainer.metrics import evaluate_topn

RATING_WEIGHTS: Final = (0.0, 0.1, 0.2, 0.35, 0.5)

NOISE: Final = 0.001
"""NDCG@10 that a change of seed moves."""


def best_rating_weight(found: Mapping[float, Mapping[str, float]]) -> float:
    """The highest weight that ranks as well as the best one, within the noise.

    NDCG counts a movie that was watched and disliked as a hit; where it can't tell two orders
    apart, the one with the better ratings on top is what a user wants.

    Args:
      found: of `try_rating_weights`.
    """
    best = max(figures["ndcg@10"] for figures in found.values())
    return max(weight for weight, f in found.items() if f["ndcg@10"] >= best - NOISE)


def try_rating_weights(
    scores: NDArray[np.floating[Any]],
    rate: Callable[[IndexArray, IndexArray], NDArray[np.floating[Any]]],
    known: Interactions,
    held_out: Interactions,
) -> dict[float, dict[str, float]]:
    """Recall@10 and NDCG@10 of the final order for each of RATING_WEIGHTS.

    Args:
      scores: [U, N] retrieval scores, bounded.
      rate: predicted ratings [n], not clipped, of [n] rows of `scores` and [n] movies.
      known: rows whose movies are no candidates.
      held_out: rows that should be found.
    """
    scores = scores.astype(np.float64)
    scores[known.users, known.movies] = -np.inf
    n_candidates = min(CANDIDATES, scores.shape[1])
    movies = np.argpartition(-scores, n_candidates - 1, axis=1)[:, :n_candidates]
    candidate_scores = np.take_along_axis(scores, movies, axis=1)
    valid = np.isfinite(candidate_scores)
    z_score = _standardised(candidate_scores.astype(np.float64), valid)
    rows = np.repeat(np.arange(len(movies)), n_candidates)
    ratings = rate(rows, movies.ravel()).reshape(movies.shape).astype(np.float64)
    z_rating = _standardised(ratings, valid)
    # Below every candidate: movies outside the candidates can't enter the top 10.
    lowest = min(z_score.min(), z_rating.min()) * (1 + max(RATING_WEIGHTS)) - 1
    found = {}
    for weight in RATING_WEIGHTS:
        final = np.full(scores.shape, lowest)
        blended = np.where(valid, z_score + weight * z_rating, lowest)
        np.put_along_axis(final, movies, blended, axis=1)
        found[weight] = evaluate_topn(
            final,
            (known.users, known.movies),
            (held_out.users, held_out.movies),
            scores.shape[1],
            ks=(10,),
        ).metrics
    return found


def _standardised(values: NDArray[np.float64], valid: NDArray[np.bool_]) -> NDArray[np.float64]:
    masked = np.ma.masked_array(values, ~valid)
    mean, deviation = masked.mean(axis=1, keepdims=True), masked.std(axis=1, keepdims=True)
    spread = deviation > NO_SPREAD * abs(masked).max(axis=1, keepdims=True)
    return np.asarray((spread * (masked - mean) / (deviation + 1e-6)).filled(0.0))
