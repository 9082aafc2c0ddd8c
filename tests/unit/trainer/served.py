"""Servables of random towers, and the requests that tests put to them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from serving.contract import YEAR_UNSET
from trainer.export.golden import to_tensors
from trainer.export.graphs import Servable
from trainer.export.ingredients import Ingredients
from trainer.features.movies import MovieFeatures, MovieVocabulary
from trainer.features.profiles import ProfileFeatures, ProfileVocabulary
from trainer.models.content import ContentMaps
from trainer.models.similarity import Similarity
from trainer.models.towers import FoldIn, Liking, RatingTowers, RetrievalTowers

N_MOVIES, N_USERS, RATING_DIM, SIMILAR_DIM, MAX_AGE = 350, 5, 4, 6, 9
TOWER_OF_COLUMN = np.array([0, 0, 0, 0, 1, 1, 1])
DIM = len(TOWER_OF_COLUMN)
"""Of the rating towers: no stranger's history moves it."""
WEIGHT = 0.3
GENRE_OF = np.arange(N_MOVIES) % 3
YEARS = np.where(np.arange(N_MOVIES) % 10 == 0, 0, 1900 + np.arange(N_MOVIES) % 100)

HISTORY = ["m3", "m17", "m200", "m5"]
"""What training saw of every user, too."""
RATINGS = [5.0, 1.0, 3.0, 4.0]


def normal(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Random float32 of this shape."""
    return rng.normal(size=shape).astype(np.float32)


def indexes_of(movie_ids: Sequence[str]) -> np.ndarray:
    """[H] of ids "m<index>"."""
    return np.array([int(movie_id[1:]) for movie_id in movie_ids], np.int64)


def make_retrieval(n_movies: int, rng: np.random.Generator) -> RetrievalTowers:
    """Two towers behind a gate of three rows; a dislike pushes away."""
    random = partial(normal, rng)
    item_vectors = random(n_movies, DIM)
    same_tower = TOWER_OF_COLUMN[:, None] == TOWER_OF_COLUMN
    return RetrievalTowers(
        item_vectors=item_vectors,
        history_vectors=random(n_movies, DIM),
        base_vector=random(DIM),
        tower_of_column=TOWER_OF_COLUMN,
        age_weights=np.abs(random(MAX_AGE, 2)),
        covariance=(np.cov(item_vectors.T, bias=True) * same_tower).astype(np.float32),
        gate_from=np.array([0, 2, 4]),
        gate=np.array([[1, 0], [1, 0.35], [0.5, 1]], np.float32),
        liking=Liking(1.5, 3.0, -0.25),
    )


def make_rating(n_movies: int, n_profile_columns: int, rng: np.random.Generator) -> RatingTowers:
    """Towers that read the history, the profile, and fold strangers in."""
    random = partial(normal, rng)
    stored_vectors, stored_bias = random(N_USERS, RATING_DIM), random(N_USERS)
    history_vectors, history_bias = random(n_movies, RATING_DIM), random(n_movies)
    trained = indexes_of(HISTORY) % n_movies
    return RatingTowers(
        mean=3.5,
        item_vectors=random(n_movies, RATING_DIM),
        item_bias=random(n_movies),
        history_vectors=history_vectors,
        history_bias=history_bias,
        stored_vectors=stored_vectors,
        stored_bias=stored_bias,
        user_vectors=stored_vectors + history_vectors[trained].sum(axis=0) / np.sqrt(len(trained)),
        user_bias=stored_bias + history_bias[trained].sum() / np.sqrt(len(trained)),
        fold_in=FoldIn(
            nobody_vector=random(RATING_DIM),
            nobody_bias=0.25,
            profile_vectors=random(n_profile_columns, RATING_DIM),
            profile_bias=random(n_profile_columns),
            usual_profile=random(n_profile_columns),
            history_hold=2.0,
            spread=random(3, RATING_DIM + 1),
            noise=5.0,
            mood=0.25,
        ),
    )


def make_ingredients(
    n_movies: int = N_MOVIES, genre_words: np.ndarray | None = None
) -> Ingredients:
    """Random towers; movie m<i> has genre i % 3, or what [n_movies, W] `genre_words` say."""
    rng = np.random.default_rng(7)
    random = partial(normal, rng)
    movie_features = MovieFeatures(MovieVocabulary(("Action", "Comedy"), ("night",), ()))
    profile_features = ProfileFeatures(ProfileVocabulary(("age:25-34", "gender:F")))
    n_columns = movie_features.vocabulary.n_features
    if genre_words is None:
        genre_words = (1 << GENRE_OF[:n_movies]).astype(np.int64)[:, None]
    return Ingredients(
        movie_ids=tuple(f"m{i}" for i in range(n_movies)),
        user_ids=tuple(f"u{i}" for i in range(N_USERS)),
        genre_words=genre_words,
        years=YEARS[:n_movies],
        rating_range=(1.0, 5.0),
        retrieval=make_retrieval(n_movies, rng),
        rating=make_rating(n_movies, profile_features.vocabulary.n_features, rng),
        profile_tokens=profile_features.vocabulary.tokens,
        similarity=Similarity(
            random(n_movies, SIMILAR_DIM), rng.uniform(size=n_movies).astype(np.float32)
        ),
        content=ContentMaps(
            random(n_columns, DIM),
            random(n_columns, RATING_DIM + 1),
            random(n_columns, SIMILAR_DIM),
            random(profile_features.vocabulary.n_features, DIM),
        ),
        content_vectors=random(n_movies, SIMILAR_DIM),
        movie_features=movie_features,
        profile_features=profile_features,
        rating_weight=WEIGHT,
    )


def a_request(
    user: str = "u2",
    history: Sequence[str] = HISTORY,
    ratings: Sequence[float] = RATINGS,
    exclude: Sequence[str] = ("",),
    *,
    genres: tuple[Sequence[int], Sequence[int], Sequence[int]] = ((0,), (0,), (0,)),
    years: Sequence[int] = YEAR_UNSET,
    order: int = 0,
) -> dict[str, Any]:
    """One row of `recommend`, as nested lists.

    Args:
      genres: the words of any, all and none.
    """
    return {
        "user_id": [user],
        "history_ids": [list(history)],
        "history_ratings": [list(ratings)],
        "profile": [["", "gender:F"]],
        "exclude_ids": [list(exclude)],
        "genres_any": [list(genres[0])],
        "genres_all": [list(genres[1])],
        "genres_none": [list(genres[2])],
        "years": [list(years)],
        "order": [[order]],
    }


def ask(
    servables: dict[str, Servable], servable: str, signature: str, inputs: dict[str, Any]
) -> dict[str, np.ndarray]:
    """The live module's answer to nested lists."""
    function = servables[servable].functions[signature]
    answer = function(**to_tensors(servable, signature, inputs))
    return {name: tensor.numpy() for name, tensor in answer.items()}


def ids_of(row: np.ndarray) -> list[str]:
    """Ids of one row, padding and all."""
    return [value.decode() for value in row]
