"""Engine parts of any size, drawn at random."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from server.engine.arrays import EngineArrays

N_USERS = 5
N_PROFILE = 5
"""Columns of tests.engine_part's profile rows."""


def drawn_arrays(
    base: EngineArrays,
    rng: np.random.Generator,
    n_movies: int,
    dim: int,
    rating_dim: int,
    n_ages: int = 3,
) -> EngineArrays:
    """`base` with vectors of these sizes; three towers, whose columns are mixed up."""

    def normal(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    items, factor, q = normal(n_movies, dim), normal(dim, dim), rating_dim + 1
    return replace(
        base,
        item_vectors=items,
        item_columns=np.ascontiguousarray(items.T),
        history_vectors=normal(n_movies, dim),
        base_vector=normal(dim),
        tower_of_column=rng.integers(3, size=dim),
        age_weights=rng.random((n_ages, 3)).astype(np.float32),
        covariance=factor @ factor.T + np.eye(dim, dtype=np.float32),
        gate_from=np.array([0, 3, 50]),
        gate=rng.random((3, 3)).astype(np.float32),
        rating_items=normal(n_movies, q),
        rating_history=normal(n_movies, q),
        user_ids=np.array(sorted(f"user {n}".encode() for n in range(N_USERS))),
        stored_users=normal(N_USERS, q),
        nobody=normal(q),
        profile_rows=normal(N_PROFILE, q),
        spread=normal(4, q),
        spread_items=normal(n_movies, 4),
    )


def whole_numbers(
    base: EngineArrays, rng: np.random.Generator, n_movies: int, n_values: int
) -> EngineArrays:
    """Four columns whose products with anybody without a history are exact, so that many tie.

    Who is `user 0` has the score (sum of a movie's vector) / 2 and the rating 3 + (sum of its row).
    """
    items = rng.integers(-n_values, n_values, (n_movies, 4)).astype(np.float32)
    rows = rng.integers(-n_values, n_values, (n_movies, 3)).astype(np.float32)
    return replace(
        drawn_arrays(base, rng, n_movies, 4, 2),
        item_vectors=items,
        item_columns=np.ascontiguousarray(items.T),
        # The variance of the one tower is 4.
        base_vector=np.ones(4, np.float32),
        tower_of_column=np.zeros(4, np.int64),
        covariance=np.eye(4, dtype=np.float32),
        gate=np.ones((3, 3), np.float32),
        rating_items=rows,
        rating_history=np.zeros((n_movies, 3), np.float32),
        stored_users=np.repeat(np.array([[1, 1, 0]], np.float32), N_USERS, axis=0),
    )
