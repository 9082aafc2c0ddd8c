"""Item vectors for "movies like this one": who liked them alike.

Truncated SVD of the users' centred ratings (rating minus the user's mean), as in latent factor
models of neighbourhoods (Sarwar et al., "Application of dimensionality reduction in recommender
system", 2000). The cosine of two rows says whether the same people rated both above their habit.
Retrieval vectors don't serve here: they place movies by what is watched next.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from trainer.features.index import Interactions
from trainer.models.svd import top_right_singular

NAME = "similarity"


@dataclass(frozen=True, slots=True)
class Config:
    """Hyper-parameters."""

    dim: int = 32
    confidence_count: float = 10.0
    """Ratings at which a movie's own vector weighs as much as its content vector."""


@dataclass(frozen=True, slots=True)
class Similarity:
    """Collaborative item vectors and how far to trust them."""

    item_vectors: NDArray[np.float32]
    """[N, S], not normalised; zero for a movie without ratings."""
    confidence: NDArray[np.float32]
    """[N] in 0..1: n / (n + confidence_count)."""


def fit(rows: Interactions, n_users: int, n_movies: int, config: Config) -> Similarity:
    """Factorises the training rows."""
    counts = np.bincount(rows.users, minlength=n_users)
    sums = np.bincount(rows.users, weights=rows.ratings, minlength=n_users)
    centred = rows.ratings - (sums / np.maximum(counts, 1))[rows.users]
    matrix = csr_array((centred, (rows.users, rows.movies)), shape=(n_users, n_movies))
    singular, right = top_right_singular(matrix.astype(np.float64), config.dim)
    n_ratings = np.bincount(rows.movies, minlength=n_movies)
    return Similarity(
        item_vectors=(right * singular[:, None]).T.astype(np.float32),
        confidence=(n_ratings / (n_ratings + config.confidence_count)).astype(np.float32),
    )
