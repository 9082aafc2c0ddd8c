"""Releases of any catalogue size whose vectors are drawn instead of learnt, for measuring speed.

python -m benchmarks.synthetic_release --models-dir DIR --movies 10000 --dim 64

The artifact is a real one: exported, verified and published as `train` does, so every server
takes it. Movies and users stand near 16 latent directions, with noise, so that neighbours exist;
histories follow a law of powers, as ratings do. What it recommends means nothing.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from serving.contract import ModelsDir
from trainer import pipeline
from trainer.datasets import Col, Dataset
from trainer.export.ingredients import Ingredients, catalogue_masks
from trainer.export.release import publish
from trainer.export.stage import stage
from trainer.features import movies as movie_features
from trainer.features import profiles as profile_features
from trainer.features.index import DenseIndex
from trainer.models.content import ContentMaps
from trainer.models.similarity import Similarity
from trainer.models.towers import (
    FoldIn,
    Liking,
    RatingTowers,
    RetrievalTowers,
    one_tower,
    side_by_side,
)
from trainer.split import Split

LATENT: Final = 16
NOISE: Final = 0.3
SIMILARITY_DIM: Final = 32
RANKED_BY_RATING: Final = 0.35
"""The weight that validation chose on MovieLens-100k."""
N_AGES: Final = 65
OLDEST_TIME: Final = 1_000_000_000
GENRES: Final = (
    *("Action", "Adventure", "Animation", "Children", "Comedy", "Crime", "Documentary", "Drama"),
    *("Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller"),
    *("War", "Western"),
)


def synthetic_release(
    models: ModelsDir,
    *,
    n_movies: int,
    dim: int = 64,
    rating_dim: int = 32,
    n_users: int = 1_000,
    n_histories: Sequence[int] = (100,),
    seed: int = 0,
) -> None:
    """Publishes a release in `models`.

    Args:
      n_movies: of the catalogue, at least 300.
      dim: columns of the retrieval vectors, in two towers behind a gate.
      rating_dim: columns of the rating vectors.
      n_users: users with a stored history, "u0" and on; movies are "m0" and on.
      n_histories: ratings of a user; users take turns in them.

    Raises:
      VerificationError: the artifact does not reproduce in a clean process.
    """
    rng = np.random.default_rng(seed)
    lengths = [n_histories[user % len(n_histories)] for user in range(n_users)]
    dataset = _dataset(rng, n_movies, lengths)
    nothing = dataset.ratings.iloc[:0]
    split = Split("synthetic", {"seed": seed}, dataset.ratings, nothing, nothing)
    index = DenseIndex(dataset)
    settings = pipeline.Settings(seed=seed)
    trained = pipeline.Trained(
        ingredients=_ingredients(rng, dataset, index, dim, rating_dim),
        index=index,
        history=index.interactions(dataset.ratings),
        choices=pipeline.Choices(
            settings.config(settings.rating),
            settings.config(settings.retrieval),
            RANKED_BY_RATING,
            metrics={},
            curves={},
        ),
        settings=settings,
        notes=("vectors are drawn, not learnt: for measuring speed",),
    )
    release_id, _ = stage(models, dataset, split, trained, lambda _: None)
    publish(models, release_id)


def _dataset(rng: np.random.Generator, n_movies: int, lengths: Sequence[int]) -> Dataset:
    """Movies, and a user with so many ratings for each of `lengths`."""
    fame = 1 / np.arange(1, n_movies + 1) ** 0.8
    fame = rng.permutation(fame / fame.sum())
    # Gumbel keys draw without repetition; all users of a million movies at once would not fit.
    log_fame = np.log(fame)
    histories = [
        np.argpartition(-(log_fame + rng.gumbel(size=n_movies)), length)[:length]
        for length in lengths
    ]
    users = [f"u{user}" for user in range(len(lengths))]
    n = sum(lengths)
    ratings = pd.DataFrame(
        {
            Col.USER: np.repeat(users, lengths),
            Col.MOVIE: [f"m{movie}" for movie in np.concatenate(histories)],
            Col.RATING: rng.integers(1, 6, n).astype(np.float32),
            Col.TIME: OLDEST_TIME + rng.integers(0, 10**8, n),
        }
    )
    drawn = np.sort(rng.integers(0, len(GENRES), (n_movies, 2)), axis=1)
    movies = pd.DataFrame(
        {
            Col.MOVIE: [f"m{movie}" for movie in range(n_movies)],
            Col.TITLE: [f"Story {movie}" for movie in range(n_movies)],
            Col.YEAR: rng.integers(1930, 2020, n_movies),
            Col.GENRES: [tuple(GENRES[genre] for genre in dict.fromkeys(row)) for row in drawn],
            Col.TAGS: [()] * n_movies,
        }
    )
    people = pd.DataFrame(
        {
            Col.USER: users,
            # Of nobody age and gender are known: one ranking of the most rated holds for all.
            Col.AGE: np.zeros(len(users), np.int64),
            Col.GENDER: "",
            Col.OCCUPATION: "",
            Col.ZIP: "",
        }
    )
    return Dataset(
        name="synthetic",
        source=f"drawn: {n_movies} movies, {len(users)} users",
        ratings=ratings,
        movies=movies,
        users=people,
        genres=GENRES,
        rating_range=(1.0, 5.0),
        rejected={},
        repairs=(),
    )


def _ingredients(
    rng: np.random.Generator, dataset: Dataset, index: DenseIndex, dim: int, rating_dim: int
) -> Ingredients:
    latent = rng.normal(size=(index.n_movies, LATENT)).astype(np.float32)
    features = movie_features.MovieFeatures(movie_features.build_vocabulary(dataset, 4))
    profiles = profile_features.ProfileFeatures(profile_features.build_vocabulary(dataset))
    n_features, n_tokens = features.vocabulary.n_features, profiles.vocabulary.n_features
    content = ContentMaps(
        retrieval=_drawn(rng, n_features, dim),
        rating=_drawn(rng, n_features, rating_dim + 1),
        similarity=_drawn(rng, n_features, SIMILARITY_DIM),
        profile=_drawn(rng, n_tokens, dim),
    )
    return Ingredients(
        movie_ids=index.movie_ids,
        user_ids=index.user_ids,
        genre_words=catalogue_masks(dataset),
        years=dataset.movies[Col.YEAR].to_numpy(np.int64),
        rating_range=dataset.rating_range,
        retrieval=_retrieval(rng, latent, dim),
        rating=_rating(rng, latent, rating_dim, index.n_users, n_tokens),
        profile_tokens=profiles.vocabulary.tokens,
        similarity=Similarity(
            _near(rng, latent, SIMILARITY_DIM), rng.random(index.n_movies, np.float32)
        ),
        content=content,
        content_vectors=_near(rng, latent, SIMILARITY_DIM),
        movie_features=features,
        profile_features=profiles,
        rating_weight=RANKED_BY_RATING,
    )


def _drawn(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.normal(scale=0.1, size=shape).astype(np.float32)


def _near(rng: np.random.Generator, latent: np.ndarray, dim: int) -> np.ndarray:
    """[N, dim] vectors of movies near each other in [N, LATENT]."""
    directions = rng.normal(size=(LATENT, dim)).astype(np.float32) / np.sqrt(dim)
    noise = rng.standard_normal((len(latent), dim), np.float32) / np.sqrt(dim)
    return np.asarray(latent @ directions + NOISE * noise, np.float32)


def _retrieval(rng: np.random.Generator, latent: np.ndarray, dim: int) -> RetrievalTowers:
    towers = []
    for columns in (dim // 4, dim - dim // 4):
        items = _near(rng, latent, columns)
        ages = (np.exp(-np.arange(N_AGES) / 5) + 0.05).astype(np.float32)
        towers.append(one_tower(items, items.copy(), ages, np.zeros(columns, np.float32)))
    # What an empty history is answered by; else its scores would all be 0.
    towers[0].base_vector[:] = _drawn(rng, dim // 4)
    gate = np.float32([[1.0, 0.0], [0.1, 1.0]])
    liking = Liking(low=1.0, high=3.0, disliked=-0.1)
    joined = side_by_side((towers[0], towers[1]), np.array([0, 15]), gate)
    return replace(joined, liking=liking)


def _rating(
    rng: np.random.Generator, latent: np.ndarray, dim: int, n_users: int, n_tokens: int
) -> RatingTowers:
    n_movies = len(latent)
    return RatingTowers(
        mean=3.5,
        item_vectors=_near(rng, latent, dim),
        item_bias=_drawn(rng, n_movies),
        history_vectors=0.1 * _near(rng, latent, dim),
        history_bias=0.1 * _drawn(rng, n_movies),
        stored_vectors=_drawn(rng, n_users, dim),
        stored_bias=_drawn(rng, n_users),
        user_vectors=_drawn(rng, n_users, dim),
        user_bias=_drawn(rng, n_users),
        fold_in=FoldIn(
            nobody_vector=_drawn(rng, dim),
            nobody_bias=0.0,
            profile_vectors=_drawn(rng, n_tokens, dim),
            profile_bias=_drawn(rng, n_tokens),
            usual_profile=np.full(n_tokens, 0.1, np.float32),
            history_hold=0.0,
            spread=_drawn(rng, dim, dim + 1),
            noise=1.0,
            mood=0.2,
        ),
    )


def main() -> None:
    """Publishes one for a look at it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models-dir", type=Path, required=True)
    parser.add_argument("--movies", type=int, default=10_000)
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--rating-dim", type=int, default=32)
    parser.add_argument("--users", type=int, default=1_000)
    parser.add_argument("--history", type=int, nargs="+", default=(100,))
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    synthetic_release(
        ModelsDir(arguments.models_dir),
        n_movies=arguments.movies,
        dim=arguments.dim,
        rating_dim=arguments.rating_dim,
        n_users=arguments.users,
        n_histories=arguments.history,
        seed=arguments.seed,
    )


if __name__ == "__main__":
    main()
