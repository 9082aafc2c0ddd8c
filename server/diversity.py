"""Diversity: a ranking told apart from itself.

Maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998) over the snapshot's movie vectors,
with a second penalty for genres that the list already has many of.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from server.domain import MovieId
from server.features.catalogue import Catalogue


def diversified(
    catalogue: Catalogue, movie_ids: Sequence[MovieId], scores: Sequence[float], diversity: float
) -> list[int]:
    """Positions of the movies in their new order; the first stays the first.

    Each next movie has the greatest (1 - diversity) * relevance - diversity * likeness. Relevance
    is its score moved into 0..1; likeness, 0..1 as a rule, is the mean of the cosine to the most
    similar movie chosen before and of the share of those that have its genres.

    Args:
      catalogue: vectors and genres.
      movie_ids: best first.
      scores: of the movies, not rising.
      diversity: 0..1; 0 leaves the order as it is.
    """
    if not movie_ids:
        return []
    rows = np.array([catalogue.index[movie_id] for movie_id in movie_ids])
    vectors = _unit_vectors(catalogue, rows)
    genres = _genres(catalogue, rows)
    n_genres = np.maximum(genres.sum(axis=1), 1)
    relevance = _relevance(np.array(scores, np.float64))
    left = np.ones(len(rows), np.bool_)
    closest = np.zeros(len(rows))
    chosen_genres = np.zeros(genres.shape[1])
    order: list[int] = []
    for n_chosen in range(len(rows)):
        crowding = genres @ chosen_genres / n_genres / max(n_chosen, 1)
        value = (1 - diversity) * relevance - diversity * (closest + crowding) / 2
        # Of equal values the first: what scored higher.
        best = int(np.argmax(np.where(left, value, -np.inf)))
        order.append(best)
        left[best] = False
        closest = np.maximum(closest, vectors @ vectors[best])
        chosen_genres += genres[best]
    return order


def _unit_vectors(catalogue: Catalogue, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """[K, 2S] such that a dot product is the mean of both parts' cosines; zeros for no vector."""
    vectors = catalogue.movie_vectors[rows].astype(np.float32)
    parts = vectors.reshape(len(rows), 2, -1)
    lengths = np.linalg.norm(parts, axis=2, keepdims=True)
    unit = np.divide(parts, lengths, out=np.zeros_like(parts), where=lengths > 0)
    flat: NDArray[np.float32] = (unit / np.sqrt(np.float32(2))).reshape(len(rows), -1)
    return flat


def _genres(catalogue: Catalogue, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """[K, G] 1 where the movie has the genre."""
    words = catalogue.genre_words[rows].astype("<i8")
    bits = np.unpackbits(words.view(np.uint8), axis=1, bitorder="little")
    return bits.astype(np.float64)


def _relevance(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    low, high = scores.min(), scores.max()
    return (scores - low) / (high - low) if high > low else np.ones_like(scores)
