"""Writes small but valid models folders for tests: manifest, snapshot, active.json.

The servables are placeholders: what answers for them is tests.fake_model_server.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from serving.contract import (
    CONTRACT_VERSION,
    ENGINE_PART,
    FEATURES_PART,
    HISTORIES_FILE,
    HOLDOUT_FILE,
    MOVIE_VECTORS_FILE,
    MOVIES_FILE,
    POPULAR_FILE,
    REQUIRED_SERVABLES,
    USERS_FILE,
    VOCABULARIES_FILE,
    Active,
    GoldenRequest,
    Manifest,
    ModelsDir,
    list_files,
)
from tests.engine_part import write_engine_part

GENRES = ("Action", "Comedy", "Drama")


@dataclass(frozen=True)
class WorldMovie:
    movie_id: str
    title: str
    year: int
    genres: tuple[str, ...]
    rating_count: int = 10
    mean_rating: float = 3.0


@dataclass(frozen=True)
class WorldUser:
    user_id: str
    age: int = 0
    gender: str = ""
    occupation: str = ""
    ratings: tuple[tuple[str, float, int], ...] = ()
    """(movie_id, rating, timestamp), oldest first."""


def _movies() -> tuple[WorldMovie, ...]:
    """Twelve movies m1..m12; genres go round, years are 1990..2001, m12 has none."""
    return tuple(
        WorldMovie(
            movie_id=f"m{n}",
            title=f"Movie {n}",
            year=1989 + n if n < 12 else 0,
            genres=(GENRES[n % 3],) if n != 6 else ("Action", "Drama"),
            rating_count=100 - n,
            mean_rating=2.0 + n / 10,
        )
        for n in range(1, 13)
    )


def _users() -> tuple[WorldUser, ...]:
    return (
        WorldUser(
            "hot", 30, "F", "student", (("m1", 5.0, 100), ("m2", 3.0, 200), ("m3", 4.0, 300))
        ),
        WorldUser("keen", 50, "M", "writer", (("m4", 2.0, 0), ("m1", 1.0, 50))),
        WorldUser("shy", 20, "F", "none", ()),
    )


@dataclass(frozen=True)
class World:
    """What a release knows. Popularity: m1 first for everybody, m12 first for women."""

    movies: tuple[WorldMovie, ...] = field(default_factory=_movies)
    users: tuple[WorldUser, ...] = field(default_factory=_users)
    genres: tuple[str, ...] = GENRES
    rating_range: tuple[float, float] = (1.0, 5.0)
    age_bounds: tuple[int, ...] = (0, 25, 45)
    segments: tuple[tuple[str, int], ...] = (("", -1), ("F", -1), ("M", 2))
    max_history: int = 100
    vectors: np.ndarray | None = None
    """[N, 2 S] for diversity; None = no movie has one."""


def write_release(
    models_dir: Path,
    version: int,
    world: World | None = None,
    golden_requests: Sequence[GoldenRequest] = (),
    optional_parts: Sequence[str] = (),
    engine_seed: int | None = None,
    notes: Sequence[str] = (),
    *,
    contract_version: int = CONTRACT_VERSION,
) -> Manifest:
    """Writes one release below `models_dir`; `activate` makes it live.

    Args:
      engine_seed: of the numbers in its engine part; None = it has no such part.
    """
    world = world or World()
    models = ModelsDir(models_dir)
    _write_snapshot(models.features(version), world)
    servables = (*REQUIRED_SERVABLES, *optional_parts)
    parts = [*servables, FEATURES_PART]
    if engine_seed is not None:
        folder = models.part(ENGINE_PART, version)
        write_engine_part(folder, len(world.movies), engine_seed)
        parts.append(ENGINE_PART)
    for servable in servables:
        folder = models.part(servable, version)
        folder.mkdir(parents=True)
        (folder / "saved_model.pb").write_bytes(f"{servable} {version}".encode())
    manifest = Manifest(
        contract_version=contract_version,
        release_version=version,
        created_at="2026-01-01T00:00:00Z",
        dataset={"name": "world"},
        split={"name": "none"},
        rating_range=world.rating_range,
        genres=world.genres,
        max_history=world.max_history,
        vector_dim=2,
        rating_dim=2,
        rating_weight=0.0,
        models=dict.fromkeys(REQUIRED_SERVABLES, "fake"),
        notes=tuple(notes),
        hyper_parameters={},
        metrics={},
        parts={part: list_files(models.part(part, version)) for part in parts},
        golden_requests=tuple(golden_requests),
    )
    models.releases.mkdir(exist_ok=True)
    models.manifest(version).write_text(manifest.to_json(), encoding="utf-8")
    return manifest


def activate(
    models_dir: Path, stable: int, candidate: int | None = None, share: float = 0.0
) -> None:
    """Replaces releases/active.json, whole, as a publish does."""
    models = ModelsDir(models_dir)
    staged = models.releases / "active.json.new"
    staged.write_text(Active(stable, candidate, share).to_json(), encoding="utf-8")
    staged.replace(models.active)


def _write_snapshot(folder: Path, world: World) -> None:
    folder.mkdir(parents=True)
    position = {movie.movie_id: index for index, movie in enumerate(world.movies)}
    _write_json(
        folder / MOVIES_FILE,
        {
            "movies": [
                {
                    "movie_id": m.movie_id,
                    "title": m.title,
                    "year": m.year,
                    "genres": list(m.genres),
                    "tags": [],
                    "rating_count": m.rating_count,
                    "mean_rating": m.mean_rating,
                }
                for m in world.movies
            ]
        },
    )
    _write_json(
        folder / USERS_FILE,
        {
            "users": [
                {
                    "user_id": u.user_id,
                    "age": u.age,
                    "gender": u.gender,
                    "occupation": u.occupation,
                    "zip_code": "",
                }
                for u in world.users
            ]
        },
    )
    _write_json(
        folder / VOCABULARIES_FILE,
        {
            "genres": list(world.genres),
            "occupations": sorted({u.occupation for u in world.users}),
            "age_bounds": list(world.age_bounds),
            "segments": [{"gender": g, "age_bucket": b} for g, b in world.segments],
        },
    )
    _write_json(folder / HOLDOUT_FILE, {"protocol": "none", "popularity": [], "users": []})
    rated = [user for user in world.users if user.ratings]
    rows = [row for user in rated for row in user.ratings]
    np.savez(
        folder / HISTORIES_FILE,
        user_ids=np.array([user.user_id for user in rated], np.str_),
        offsets=np.cumsum([0, *(len(user.ratings) for user in rated)], dtype=np.int64),
        movie_index=np.array([position[row[0]] for row in rows], np.int32),
        ratings=np.array([row[1] for row in rows], np.float32),
        timestamps=np.array([row[2] for row in rows], np.int64),
    )
    n_movies = len(world.movies)
    ascending = np.arange(n_movies, dtype=np.int32)
    np.savez(
        folder / POPULAR_FILE,
        # Everybody: m1, m2, ...; every other segment: the other way round.
        order=np.stack(
            [ascending if s == 0 else ascending[::-1] for s in range(len(world.segments))]
        ),
        scores=np.tile(np.linspace(1, 0.1, n_movies, dtype=np.float32), (len(world.segments), 1)),
        shrunk_mean=np.array([m.mean_rating for m in world.movies], np.float32),
    )
    vectors = np.zeros((n_movies, 4)) if world.vectors is None else world.vectors
    np.save(folder / MOVIE_VECTORS_FILE, vectors.astype(np.float16))


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")
