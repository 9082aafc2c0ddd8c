"""Movie features for the content model: genres, year, title words, tags.

One function of TensorFlow ops turns raw fields into a feature row, in training and in the served
graph alike, so the two can't drift apart.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from trainer.datasets import Col, Dataset
from trainer.features.bags import Bag

FIRST_YEAR = 1900
LAST_YEAR = 2040
YEARS_PER_BUCKET = 5
N_YEAR_BUCKETS = (LAST_YEAR - FIRST_YEAR) // YEARS_PER_BUCKET + 1
"""Bucket 0 is the unknown year."""


def title_words(titles: tf.Tensor) -> tf.RaggedTensor:
    """Lower-case words of each title: runs of letters and digits of any script."""
    lower = tf.strings.lower(titles, encoding="utf-8")
    spaced = tf.strings.regex_replace(lower, r"[^\pL\pN]+", " ")
    return tf.strings.split(tf.strings.strip(spaced))


def year_buckets(years: tf.Tensor) -> tf.Tensor:
    """[B] bucket of each year; 0 is unknown, years outside the range go to the nearest bucket."""
    clipped = tf.clip_by_value(years, FIRST_YEAR, LAST_YEAR - 1)
    bucket = 1 + (clipped - FIRST_YEAR) // YEARS_PER_BUCKET
    return tf.where(years == 0, tf.zeros_like(bucket), bucket)


@dataclass(frozen=True)
class MovieVocabulary:
    """The words that have a feature column."""

    genres: tuple[str, ...]
    words: tuple[str, ...]
    tags: tuple[str, ...]

    @property
    def n_features(self) -> int:
        return 1 + len(self.genres) + N_YEAR_BUCKETS + len(self.words) + len(self.tags)


def build_vocabulary(dataset: Dataset, min_title_count: int) -> MovieVocabulary:
    """Genres of the data set, and the words of at least `min_title_count` titles."""
    titles = title_words(tf.constant(dataset.movies[Col.TITLE].to_list(), tf.string))
    counts = Counter(word for words in titles.to_list() for word in set(words))
    words = sorted(word.decode() for word, count in counts.items() if count >= min_title_count)
    return MovieVocabulary(genres=dataset.genres, words=tuple(words), tags=())


class MovieFeatures(tf.Module):
    """[B, F] feature rows: 1, genres, year bucket, title words, tags; each group of unit length."""

    def __init__(self, vocabulary: MovieVocabulary) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self._genres = Bag(vocabulary.genres)
        self._words = Bag(vocabulary.words)
        self._tags = Bag(vocabulary.tags)

    def __call__(
        self, title: tf.Tensor, genres: tf.Tensor, year: tf.Tensor, tags: tf.Tensor
    ) -> tf.Tensor:
        """Feature rows.

        Args:
          title: [B] string.
          genres: [B, G] string, "" = padding; unknown ones are ignored.
          year: [B] int64, 0 = unknown.
          tags: [B, T] string, "" = padding; unknown ones are ignored.
        """
        words = title_words(title).to_tensor(default_value="")
        return tf.concat(
            [
                tf.ones_like(year, tf.float32)[:, None],
                _unit(self._genres(genres)),
                tf.one_hot(year_buckets(year), N_YEAR_BUCKETS),
                _unit(self._words(words)),
                _unit(self._tags(tags)),
            ],
            axis=1,
        )


def _unit(bag: tf.Tensor) -> tf.Tensor:
    """[B, n] bags scaled to unit length; an empty one stays zero."""
    return tf.math.divide_no_nan(bag, tf.norm(bag, axis=1, keepdims=True))


def catalogue_rows(features: MovieFeatures, dataset: Dataset) -> NDArray[np.float32]:
    """[N, F] feature rows of the whole catalogue."""
    movies = dataset.movies
    genres = tf.ragged.constant([list(names) for names in movies[Col.GENRES]], dtype=tf.string)
    rows = features(
        tf.constant(movies[Col.TITLE].to_list(), tf.string),
        genres.to_tensor(default_value="", shape=(len(movies), max(1, len(dataset.genres)))),
        tf.constant(movies[Col.YEAR].to_numpy(np.int64)),
        tf.fill((len(movies), 1), ""),
    )
    return rows.numpy()
