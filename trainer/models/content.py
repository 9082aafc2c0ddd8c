"""The content model: genres, year, title and tags into the spaces of the other models.

Ridge regressions with a free intercept, weighted by how much a movie's own vector can be trusted:
movie features -> retrieval vectors (norm kept: it carries popularity), rating vectors and biases,
similarity vectors; profile tokens -> user vectors. A movie that training never saw is placed where
movies like it are (ANCHORS: on held-out movies this beats genre cosines by far).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainer.baselines import shrunk_means
from trainer.features.index import Interactions
from trainer.models.rating_net import RatingNet
from trainer.models.similarity import Similarity
from trainer.models.towers import RatingTowers

NAME = "content"


@dataclass(frozen=True, slots=True)
class Config:
    """Hyper-parameters."""

    penalty: float = 10.0
    profile_penalty: float = 50.0
    min_title_count: int = 4
    """A title word has a feature when so many titles hold it."""


@dataclass(frozen=True, slots=True)
class ContentMaps:
    """[F, columns] matrices from feature rows into the other models' spaces."""

    retrieval: NDArray[np.float32]
    """[F, D]"""
    rating: NDArray[np.float32]
    """[F, R + 1]; the last column is the rating bias."""
    similarity: NDArray[np.float32]
    """[F, S]"""
    profile: NDArray[np.float32]
    """[1 + tokens, D]"""


def ridge(
    rows: NDArray[np.float32],
    targets: NDArray[np.float32],
    weights: NDArray[np.float32],
    penalty: float,
) -> NDArray[np.float32]:
    """[F, columns] weights of a ridge regression; column 0 of `rows` is the free intercept.

    Args:
      rows: [n, F].
      targets: [n, columns].
      weights: [n], how much each row counts.
      penalty: pseudo-observations that pull every other coefficient to 0.
    """
    penalties = np.full(rows.shape[1], penalty)
    penalties[0] = 1e-3
    weighted = rows.astype(np.float64) * weights[:, None]
    gram = weighted.T @ rows + np.diag(penalties)
    return np.linalg.solve(gram, weighted.T @ targets).astype(np.float32)


def rating_targets(rating: RatingTowers | RatingNet, rows: Interactions) -> NDArray[np.float32]:
    """[N, R + 1] the movies' rating vectors and, in the last column, biases.

    No dot product tells what a network rates: its movies have a bias alone, by which their shrunken
    mean is off the mean.
    """
    if isinstance(rating, RatingTowers):
        return np.append(rating.item_vectors, rating.item_bias[:, None], axis=1)
    n_movies = len(rating.movie_rows)
    targets = np.zeros((n_movies, rating.dim + 1), np.float32)
    targets[:, -1] = shrunk_means(rows.movies, rows.ratings, n_movies) - rating.mean
    return targets


def fit(
    movie_rows: NDArray[np.float32],
    user_rows: NDArray[np.float32],
    user_vectors: NDArray[np.float32],
    retrieval: NDArray[np.float32],
    rating: NDArray[np.float32],
    similarity: Similarity,
    config: Config,
) -> ContentMaps:
    """Maps features into the trained spaces; movies without training ratings weigh nothing.

    Args:
      retrieval: [N, D] where a movie would stand if training had not seen it.
      rating: `rating_targets`.
    """
    targets = np.concatenate([retrieval, rating, similarity.item_vectors], axis=1)
    solution = ridge(movie_rows, targets, similarity.confidence, config.penalty)
    to_retrieval, to_rating, to_similarity = np.split(
        solution, np.cumsum([retrieval.shape[1], rating.shape[1]]), axis=1
    )
    everybody = np.ones(len(user_rows), np.float32)
    profile = ridge(user_rows, user_vectors, everybody, config.profile_penalty)
    return ContentMaps(to_retrieval, to_rating, to_similarity, profile)
