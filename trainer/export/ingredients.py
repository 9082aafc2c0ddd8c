"""Everything that the served graphs are made of: arrays by dense index, and the vocabularies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from serving.contract import genre_mask, genre_words
from trainer.datasets import Col, Dataset
from trainer.features.movies import MovieFeatures
from trainer.features.profiles import ProfileFeatures
from trainer.models.content import ContentMaps
from trainer.models.rating_net import RatingNet
from trainer.models.similarity import Similarity
from trainer.models.towers import RatingTowers, RetrievalTowers


@dataclass(frozen=True, eq=False)
class Towers:
    """What the graphs that rank the catalogue for a user are made of: arrays and nothing else."""

    movie_ids: tuple[str, ...]
    """N ids; the position is the movie_index of every array."""
    user_ids: tuple[str, ...]
    """U ids, the rows of the rating towers."""
    genre_words: NDArray[np.int64]
    """[N, W] genre bits."""
    years: NDArray[np.int64]
    """[N], 0 = unknown."""
    rating_range: tuple[float, float]
    retrieval: RetrievalTowers
    rating: RatingTowers | RatingNet
    profile_tokens: tuple[str, ...]
    """Columns 1 and on of a profile row."""
    similarity: Similarity
    content_vectors: NDArray[np.float32]
    """[N, S] similarity vectors as the content model places them."""
    rating_weight: float
    """Weight of z(rating) in the final order."""

    @property
    def n_movies(self) -> int:
        return len(self.movie_ids)


@dataclass(frozen=True, eq=False)
class Ingredients(Towers):
    """One release's models, ready to be put into graphs."""

    content: ContentMaps
    movie_features: MovieFeatures
    profile_features: ProfileFeatures


def catalogue_masks(dataset: Dataset) -> NDArray[np.int64]:
    """[N, W] genre bits of every movie."""
    bit = {genre: index for index, genre in enumerate(dataset.genres)}
    masks = [
        genre_mask([bit[genre] for genre in genres], len(bit))
        for genres in dataset.movies[Col.GENRES]
    ]
    return np.array(masks, np.int64).reshape(len(dataset.movies), genre_words(len(bit)))
