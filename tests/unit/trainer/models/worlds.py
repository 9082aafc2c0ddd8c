"""Watched sequences whose next movies are known, and what they are as dense matrices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tests.unit.trainer.tiny import tiny_data
from trainer.features.index import Histories, Interactions
from trainer.models.interfaces import TrainingData


def watched(sequences: Sequence[Sequence[int]], n_movies: int, rating: float = 5) -> TrainingData:
    """Each user's movies, oldest first, all rated alike."""
    rows = [(user, movie, rating) for user, movies in enumerate(sequences) for movie in movies]
    return tiny_data(rows, len(sequences), n_movies)


def rows_of(sequences: Sequence[Sequence[int]]) -> Interactions:
    """What each user watches later, as rows that may be held out."""
    users = np.repeat(np.arange(len(sequences)), [len(movies) for movies in sequences])
    movies = np.array([movie for each in sequences for movie in each], np.int64)
    return Interactions(users, movies, np.full(len(users), 5, np.float32), np.arange(len(users)))


def unrated(*sequences: Sequence[int]) -> Histories:
    """Histories of movies that were seen and not rated."""
    return Histories(
        [np.array(movies, np.int64) for movies in sequences],
        [np.full(len(movies), np.nan, np.float32) for movies in sequences],
    )


def seen(sequences: Sequence[Sequence[int]], n_movies: int) -> np.ndarray:
    """[U, N] 1 where a user watched a movie."""
    matrix = np.zeros((len(sequences), n_movies))
    for row, movies in zip(matrix, sequences, strict=True):
        row[list(movies)] = 1
    return matrix


def textbook_ease(matrix: np.ndarray, l2: float) -> np.ndarray:
    """[N, N] by the full inverse: -P / diag(P) column by column, 0 on the diagonal."""
    inverse = np.linalg.inv(matrix.T @ matrix + l2 * np.eye(matrix.shape[1]))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    return weights


def standardised(scores: np.ndarray) -> np.ndarray:
    """Each user's scores over their deviation: what one tower behind a gate of 1 gives."""
    return scores / scores.std(axis=1, keepdims=True)


SEQUENCES = ((0, 1, 2, 3), (1, 2, 4), (5, 0, 1, 6, 7), (7, 6, 3), (0, 1, 2, 3), (2, 5, 6, 0, 4))
"""Six users and eight movies. Two users are alike, so that nothing is lost to factorisation."""
N_MOVIES = 8
