"""What every peer looks up: users' histories and movies' titles, from a release's plain files.

Modules of this folder run in the peers' own environments and import nothing of recserve.
"""

from __future__ import annotations

import gc
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

N_CANDIDATES = 300
PAGE_SIZE = 10


@dataclass(frozen=True, eq=False)
class World:
    """A release as the peers hold it in memory."""

    movie_ids: list[str]
    titles: list[str]
    index: dict[str, int]
    """movie_id -> row of every array."""
    users: dict[str, tuple[np.ndarray, np.ndarray]]
    """user_id -> rows and ratings of the movies, oldest first."""
    max_history: int
    """Newest ratings that the models read."""
    towers: dict[str, np.ndarray]
    recommend: Path
    """Folder of the SavedModel."""


def load_world() -> World:
    """The active release below $MODELS_DIR."""
    # As recserve's gateway has it.
    gc.set_threshold(20_000, 10, 10)
    models = Path(os.environ["MODELS_DIR"])
    active = json.loads((models / "releases" / "active.json").read_text("utf-8"))
    version = str(active["stable"])
    manifest = json.loads((models / "releases" / f"{version}.json").read_text("utf-8"))
    features = models / "features" / version
    movies = json.loads((features / "movies.json").read_text("utf-8"))["movies"]
    recommend = models / "recommend" / version
    with np.load(recommend / "assets.extra" / "towers.npz") as towers:
        arrays = dict(towers)
    ids = [movie["movie_id"] for movie in movies]
    return World(
        movie_ids=ids,
        titles=[movie["title"] for movie in movies],
        index={movie_id: row for row, movie_id in enumerate(ids)},
        users=_users(features / "histories.npz"),
        max_history=manifest["max_history"],
        towers=arrays,
        recommend=recommend,
    )


def _users(path: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    with np.load(path) as histories:
        ids, offsets = histories["user_ids"].tolist(), histories["offsets"]
        movies, ratings = histories["movie_index"], histories["ratings"]
    return {
        user_id: (movies[first:last], ratings[first:last])
        for user_id, first, last in zip(ids, offsets, offsets[1:], strict=False)
    }


def as_answer(world: World, movies: list[int], scores: list[float]) -> dict[str, Any]:
    """What a peer sends back, before it is JSON."""
    return {
        "recommendations": [
            {"movie_id": world.movie_ids[m], "title": world.titles[m], "score": score}
            for m, score in zip(movies, scores, strict=True)
        ]
    }
