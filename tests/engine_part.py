"""A small engine part for tests.releases' worlds: random numbers, right shapes, valid files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from serving.contract import (
    ENGINE_FILE,
    ENGINE_FORMAT,
    EngineDescription,
    engine_array_file,
)

DIM = 2
"""Of both spaces, like tests.releases' manifests."""
TOWER_OF_COLUMN = np.array([0, 1])
USERS = ("hot", "keen")

DESCRIPTION = EngineDescription(
    format=ENGINE_FORMAT,
    candidates=300,
    mean=3.0,
    liking_low=1.0,
    liking_high=3.0,
    disliked=-0.5,
    history_hold=0.0,
    noise=4.0,
    mood=0.0,
    profile_tokens=("age:0-17", "age:18+", "gender:F", "genre:Drama"),
    age_bounds=(0, 18),
    age_tokens=("age:0-17", "age:18+"),
    genres=("Action", "Comedy"),
    words=("movie", "night"),
    tags=("dark",),
    tag_edges=" '.",
    first_year=1990,
    last_year=2000,
    years_per_bucket=5,
)


def small_arrays(n_movies: int, seed: int = 0) -> dict[str, np.ndarray[Any, Any]]:
    """Every array of the part, by name."""
    rng = np.random.default_rng(seed)

    def normal(*shape: int) -> np.ndarray[Any, Any]:
        return rng.normal(size=shape).astype(np.float32)

    def unit(*shape: int) -> np.ndarray[Any, Any]:
        vectors = normal(*shape)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    n_profile, n_features = 1 + len(DESCRIPTION.profile_tokens), DESCRIPTION.n_features
    spread = normal(2, DIM + 1)
    rating_items = normal(n_movies, DIM + 1)
    item_vectors = normal(n_movies, DIM)
    return {
        "item_vectors": item_vectors,
        "item_columns": np.ascontiguousarray(item_vectors.T),
        "history_vectors": normal(n_movies, DIM),
        "base_vector": normal(DIM),
        "tower_of_column": TOWER_OF_COLUMN,
        "age_weights": np.array([[1, 1], [0.5, 1]], np.float32),
        "covariance": np.eye(DIM, dtype=np.float32),
        "gate_from": np.array([0, 2]),
        "gate": np.array([[1, 0.25], [0.5, 1]], np.float32),
        "rating_items": rating_items,
        "rating_history": normal(n_movies, DIM + 1),
        "user_ids": np.array([user.encode() for user in USERS]),
        "stored_users": normal(len(USERS), DIM + 1),
        "nobody": normal(DIM + 1),
        "profile_rows": normal(n_profile, DIM + 1),
        "usual_profile": normal(n_profile),
        "spread": spread,
        "spread_items": rating_items[:, :-1] @ spread[:, :-1].T + spread[:, -1],
        "similar_hybrid": unit(n_movies, 3),
        "similar_collaborative": unit(n_movies, 3),
        "similar_content": unit(n_movies, 3),
        "confidence": rng.uniform(size=n_movies).astype(np.float32),
        "content_to_retrieval": normal(n_features, DIM),
        "content_to_rating": normal(n_features, DIM + 1),
        "content_to_similarity": normal(n_features, 3),
    }


def write_engine_part(folder: Path, n_movies: int, seed: int = 0, **changes: Any) -> None:
    """Writes the part; `changes` are fields of its description."""
    folder.mkdir(parents=True)
    for name, array in small_arrays(n_movies, seed).items():
        np.save(folder / engine_array_file(name), array)
    description = replace(DESCRIPTION, **changes)
    (folder / ENGINE_FILE).write_text(description.to_json(), encoding="utf-8")
