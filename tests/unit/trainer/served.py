"""Servables of random towers, and the requests that tests put to them."""

from __future__ import annotations

from collections.abc import Sequence
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
from trainer.models.towers import RatingTowers, RetrievalTowers

N_MOVIES, N_USERS, DIM, RATING_DIM, SIMILAR_DIM, MAX_AGE = 350, 5, 7, 4, 6, 9
WEIGHT = 0.3
GENRE_OF = np.arange(N_MOVIES) % 3
YEARS = np.where(np.arange(N_MOVIES) % 10 == 0, 0, 1900 + np.arange(N_MOVIES) % 100)

HISTORY = ["m3", "m17", "m200", "m5"]
RATINGS = [5.0, 1.0, 3.0, 4.0]


def make_ingredients(
    n_movies: int = N_MOVIES, genre_words: np.ndarray | None = None
) -> Ingredients:
    """Random towers; movie m<i> has genre i % 3, or what [n_movies, W] `genre_words` say."""
    rng = np.random.default_rng(7)

    def random(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

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
        retrieval=RetrievalTowers(
            random(n_movies, DIM), random(n_movies, DIM), random(MAX_AGE), random(DIM)
        ),
        rating=RatingTowers(
            3.5,
            random(N_USERS),
            random(N_USERS, RATING_DIM),
            random(n_movies),
            random(n_movies, RATING_DIM),
            16.0,
        ),
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
