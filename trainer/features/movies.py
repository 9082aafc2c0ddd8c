"""Movie features for the content model: genres, year, title words, tags.

One function of TensorFlow ops turns raw fields into a feature row, in training and in the served
graph alike, so the two can't drift apart.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from trainer.datasets import Col, Dataset
from trainer.datasets.tags import MAX_TAGS, TAG_EDGES
from trainer.features.bags import Bag

FIRST_YEAR = 1900
LAST_YEAR = 2040
YEARS_PER_BUCKET = 5
N_YEAR_BUCKETS = (LAST_YEAR - FIRST_YEAR) // YEARS_PER_BUCKET + 1
"""Bucket 0 is the unknown year."""
N_YEARS = LAST_YEAR - FIRST_YEAR
"""Columns of single years: in a short span of data last year's movies are watched unlike this
year's, and a bucket can't tell them apart."""

MIN_TAG_COUNT: Final = 5
"""A tag has a feature when so many movies have it."""
MAX_TAG_FEATURES: Final = 1000
"""Of more tags the most frequent: every one is a dense column, and years of tagging know tens of
thousands."""

_SPACES: Final = r"[\pZ\x09-\x0d\x1c-\x1f\x{85}]+"
_TAG_ENDS: Final = "^[{0}]+|[{0}]+$".format("".join(map(re.escape, TAG_EDGES)))


def title_words(titles: tf.Tensor) -> tf.RaggedTensor:
    """Lower-case words of each title: runs of letters and digits of any script."""
    lower = tf.strings.lower(titles, encoding="utf-8")
    spaced = tf.strings.regex_replace(lower, r"[^\pL\pN]+", " ")
    return tf.strings.split(tf.strings.strip(spaced))


def normal_tags(tags: tf.Tensor) -> tf.Tensor:
    """Tags as `trainer.datasets.tags.normal_tag` writes them, shaped as `tags`, in stock ops.

    There is no op for Unicode's compatibility forms: full-width letters and ligatures stay.
    """
    lower = tf.strings.lower(tags, encoding="utf-8")
    return tf.strings.regex_replace(tf.strings.regex_replace(lower, _SPACES, " "), _TAG_ENDS, "")


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
        return 1 + len(self.genres) + N_YEAR_BUCKETS + N_YEARS + len(self.words) + len(self.tags)

    def columns(self, *groups: str) -> NDArray[np.int64]:
        """Columns of a feature row that belong to some groups.

        Args:
          groups: "genres", "years" (buckets), "single_years", "words" or "tags".
        """
        sizes = {
            "genres": len(self.genres),
            "years": N_YEAR_BUCKETS,
            "single_years": N_YEARS,
            "words": len(self.words),
            "tags": len(self.tags),
        }
        ends = dict(zip(sizes, 1 + np.cumsum(list(sizes.values())), strict=True))
        return np.concatenate([np.arange(ends[g] - sizes[g], ends[g]) for g in groups])


def build_vocabulary(
    dataset: Dataset, min_title_count: int, min_tag_count: int = MIN_TAG_COUNT
) -> MovieVocabulary:
    """Genres of the data set, the words of enough titles, and the tags of enough movies.

    Args:
      min_title_count: titles that hold a word, at least 1.
      min_tag_count: movies that have a tag, at least 1.
    """
    titles = title_words(tf.constant(dataset.movies[Col.TITLE].to_list(), tf.string))
    tags = normal_tags(_tag_table(dataset))
    words = _counted(titles.to_list())
    tag_counts = _counted(tags.numpy().tolist())
    frequent = sorted(tag_counts, key=lambda tag: (-tag_counts[tag], tag))[:MAX_TAG_FEATURES]
    return MovieVocabulary(
        genres=dataset.genres,
        words=tuple(sorted(word for word, count in words.items() if count >= min_title_count)),
        tags=tuple(sorted(tag for tag in frequent if tag_counts[tag] >= min_tag_count)),
    )


def _counted(texts: Iterable[list[bytes]]) -> Counter[str]:
    """Movies that have each text; "" is padding."""
    return Counter(text.decode() for row in texts for text in set(row) if text)


def _tag_table(dataset: Dataset) -> tf.Tensor:
    """[N, MAX_TAGS] tags of the catalogue, "" = padding."""
    tags = tf.ragged.constant([list(names) for names in dataset.movies[Col.TAGS]], tf.string)
    return tags.to_tensor(default_value="", shape=(len(dataset.movies), MAX_TAGS))


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
          tags: [B, T] string as people write them, see `normal_tags`; "" = padding, unknown
            ones are ignored.
        """
        words = title_words(title).to_tensor(default_value="")
        return tf.concat(
            [
                tf.ones_like(year, tf.float32)[:, None],
                _unit(self._genres(genres)),
                tf.one_hot(year_buckets(year), N_YEAR_BUCKETS),
                # A year outside the range has no column of its own.
                tf.one_hot(year - FIRST_YEAR, N_YEARS),
                _unit(self._words(words)),
                _unit(self._tags(normal_tags(tags))),
            ],
            axis=1,
        )


def _unit(bag: tf.Tensor) -> tf.Tensor:
    """[B, n] bags scaled to unit length; an empty one stays zero."""
    return tf.math.divide_no_nan(bag, tf.norm(bag, axis=1, keepdims=True))


@dataclass(frozen=True, eq=False)
class MovieRows:
    """What is said about every movie of the catalogue, as numbers."""

    features: MovieFeatures
    """The function that made the rows; the served graph holds the same one."""
    rows: NDArray[np.float32]
    """[N, F]; column 0 is 1."""

    def of(self, *groups: str) -> NDArray[np.float32]:
        """[N, columns] of some groups alone, see `MovieVocabulary.columns`."""
        return self.rows[:, self.features.vocabulary.columns(*groups)]


def catalogue_rows(features: MovieFeatures, dataset: Dataset) -> NDArray[np.float32]:
    """[N, F] feature rows of the whole catalogue."""
    movies = dataset.movies
    genres = tf.ragged.constant([list(names) for names in movies[Col.GENRES]], dtype=tf.string)
    rows = features(
        tf.constant(movies[Col.TITLE].to_list(), tf.string),
        genres.to_tensor(default_value="", shape=(len(movies), max(1, len(dataset.genres)))),
        tf.constant(movies[Col.YEAR].to_numpy(np.int64)),
        _tag_table(dataset),
    )
    return rows.numpy()
