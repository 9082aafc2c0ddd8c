"""User profiles as bags of tokens: "age:25-34", "gender:F", "occupation:student", "genre:Drama".

Callers send a raw age ("age:25"); the bucket is formed in the graph.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from trainer.datasets import Col, Dataset
from trainer.features.bags import Bag
from trainer.features.index import DenseIndex, IndexArray

AGE_BOUNDS = (0, 18, 25, 35, 45, 50, 56)
"""Lower bounds in years: MovieLens' own groups."""

FAVORITE_GENRES = 3
"""Genres that count as a user's favourites: those most over-represented in the history."""


def age_token(age: int) -> str:
    """The bucket's token, such as "age:25-34"."""
    bucket = int(np.searchsorted(AGE_BOUNDS, age, side="right")) - 1
    low = AGE_BOUNDS[bucket]
    high = f"-{AGE_BOUNDS[bucket + 1] - 1}" if bucket + 1 < len(AGE_BOUNDS) else "+"
    return f"age:{low}{high}"


AGE_TOKENS = tuple(age_token(low) for low in AGE_BOUNDS)


@dataclass(frozen=True)
class ProfileVocabulary:
    """Token of each column of a profile row; column 0 is the constant."""

    tokens: tuple[str, ...]

    @property
    def n_features(self) -> int:
        return 1 + len(self.tokens)


def build_vocabulary(dataset: Dataset) -> ProfileVocabulary:
    """Every bucket, gender, occupation and genre of the data set."""
    genders = sorted({f"gender:{g}" for g in dataset.users[Col.GENDER] if g})
    occupations = sorted({f"occupation:{o}" for o in dataset.users[Col.OCCUPATION] if o})
    genres = [f"genre:{genre}" for genre in dataset.genres]
    return ProfileVocabulary((*AGE_TOKENS, *genders, *occupations, *genres))


class ProfileFeatures(tf.Module):
    """[B, 1 + tokens] rows: 1, then 1 for each token present."""

    def __init__(self, vocabulary: ProfileVocabulary) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self._tokens = Bag(vocabulary.tokens)
        of_the_person = [not token.startswith("genre:") for token in vocabulary.tokens]
        self._of_the_person = tf.constant([0.0, *map(float, of_the_person)])

    def said(self, profile: tf.Tensor) -> tf.Tensor:
        """[B, 1 + tokens] rows of what users say of themselves alone, scaled to unit length.

        The constant and the favourite genres are 0; a row that says nothing is zero.
        """
        rows = self(profile) * self._of_the_person
        return tf.math.divide_no_nan(rows, tf.norm(rows, axis=1, keepdims=True))

    def __call__(self, profile: tf.Tensor) -> tf.Tensor:
        """Rows of [B, P] tokens; "" is padding, unknown tokens are ignored."""
        is_age = tf.strings.regex_full_match(profile, "age:[0-9]{1,3}")
        digits = tf.strings.regex_replace(profile, "^age:", "")
        age = tf.strings.to_number(tf.where(is_age, digits, "0"))
        bucket = tf.raw_ops.Bucketize(input=age, boundaries=[float(b) for b in AGE_BOUNDS[1:]])
        tokens = tf.where(is_age, tf.gather(tf.constant(AGE_TOKENS), bucket), profile)
        return tf.pad(self._tokens(tokens), [[0, 0], [1, 0]], constant_values=1.0)


def favorite_genres(dataset: Dataset, histories: list[IndexArray]) -> list[tuple[str, ...]]:
    """Each user's genres with the largest share of the history above the catalogue's share."""
    has_genre = np.zeros((len(dataset.movies), len(dataset.genres)), np.float32)
    column = {genre: index for index, genre in enumerate(dataset.genres)}
    for row, genres in zip(has_genre, dataset.movies[Col.GENRES], strict=True):
        row[[column[genre] for genre in genres]] = 1
    watched = np.concatenate([h for h in histories if len(h)] or [np.zeros(0, np.int64)])
    usual = has_genre[watched].mean(axis=0) if len(watched) else has_genre.mean(axis=0)
    favorites = []
    for history in histories:
        lift = has_genre[history].mean(axis=0) - usual if len(history) else np.zeros_like(usual)
        best = np.argsort(-lift, kind="stable")[:FAVORITE_GENRES]
        favorites.append(tuple(dataset.genres[g] for g in best if lift[g] > 0))
    return favorites


def user_rows(
    features: ProfileFeatures, dataset: Dataset, index: DenseIndex, histories: list[IndexArray]
) -> NDArray[np.float32]:
    """[U, 1 + tokens] rows of all users: what they said, and the genres they watch most."""
    said = _said(dataset, index)
    watched = favorite_genres(dataset, histories)
    bags = [
        [*tokens, *(f"genre:{genre}" for genre in genres), *[""] * (FAVORITE_GENRES - len(genres))]
        for tokens, genres in zip(said, watched, strict=True)
    ]
    return features(tf.constant(bags)).numpy()


def said_rows(
    features: ProfileFeatures, dataset: Dataset, index: DenseIndex
) -> NDArray[np.float32]:
    """[U, 1 + tokens] rows of all users as `ProfileFeatures.said` makes them."""
    return features.said(tf.constant(_said(dataset, index))).numpy()


def _said(dataset: Dataset, index: DenseIndex) -> list[list[str]]:
    users = dataset.users.set_index(Col.USER).loc[list(index.user_ids)]
    return [
        [
            "",
            f"age:{age}" if age > 0 else "",
            f"gender:{gender}" if gender else "",
            f"occupation:{occupation}" if occupation else "",
        ]
        for age, gender, occupation in zip(
            users[Col.AGE], users[Col.GENDER], users[Col.OCCUPATION], strict=True
        )
    ]
