"""Diversity: a ranking told apart from itself.

Maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998) over the snapshot's movie vectors,
with a second penalty for genres that the list already has many of.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from server.features.catalogue import Catalogue
from server.movie_space import unit


def diversified(
    catalogue: Catalogue, movies: NDArray[np.int64], scores: ArrayLike, diversity: float
) -> NDArray[np.int64]:
    """Positions of the movies in their new order; the first stays the first.

    Each next movie has the greatest (1 - diversity) * relevance - diversity * likeness. Relevance
    is its score moved into 0..1; likeness, 0..1 as a rule, is the mean of the cosine to the most
    similar movie chosen before and of the share of those that have its genres.

    Args:
      catalogue: vectors and genres.
      movies: [K] movie_index, best first.
      scores: [K] not rising.
      diversity: 0..1; 0 leaves the order as it is.
    """
    if not len(movies):
        return movies
    vectors = _unit_vectors(catalogue, movies)
    genres = _genres(catalogue, movies)
    n_genres = np.maximum(genres.sum(axis=1), 1)
    relevance = _relevance(np.asarray(scores, np.float64))
    left = np.ones(len(movies), np.bool_)
    closest = np.zeros(len(movies))
    chosen_genres = np.zeros(genres.shape[1])
    order: list[int] = []
    for n_chosen in range(len(movies)):
        crowding = genres @ chosen_genres / n_genres / max(n_chosen, 1)
        value = (1 - diversity) * relevance - diversity * (closest + crowding) / 2
        # Of equal values the first: what scored higher.
        best = int(np.argmax(np.where(left, value, -np.inf)))
        order.append(best)
        left[best] = False
        closest = np.maximum(closest, vectors @ vectors[best])
        chosen_genres += genres[best]
    return np.array(order)


def _unit_vectors(catalogue: Catalogue, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """[K, 2 S] such that a dot product is the mean of both parts' cosines; zeros for no vector."""
    parts = unit(catalogue.vectors_of(rows)) / np.sqrt(np.float32(2))
    flat: NDArray[np.float32] = parts.reshape(len(rows), -1)
    return flat


def _genres(catalogue: Catalogue, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """[K, G] 1 where the movie has the genre."""
    words = catalogue.genre_words[rows].astype("<i8")
    bits = np.unpackbits(words.view(np.uint8), axis=1, bitorder="little")
    return bits.astype(np.float64)


def _relevance(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    low, high = scores.min(), scores.max()
    return (scores - low) / (high - low) if high > low else np.ones_like(scores)
