"""A movie that training never saw, as the feature row of the content model."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np

from server.domain import NewMovie
from server.engine.arrays import FloatArray
from serving.contract import EngineDescription

_OTHER_SPACES: Final = frozenset("\t\n\v\f\r\x1c\x1d\x1e\x1f\x85")
"""Beside Unicode's separators."""


class MovieFeatures:
    """Products of a movie's feature row with matrices; most of the F columns are 0."""

    def __init__(self, description: EngineDescription) -> None:
        self._first_year, self._last_year = description.first_year, description.last_year
        self._years_per_bucket = description.years_per_bucket
        self._tag_edges = description.tag_edges
        genres_from = 1
        self._buckets_from = genres_from + len(description.genres)
        self._years_from = self._buckets_from + description.n_year_buckets
        words_from = self._years_from + self._last_year - self._first_year
        tags_from = words_from + len(description.words)
        self._genres = _columns(description.genres, genres_from)
        self._words = _columns(description.words, words_from)
        self._tags = _columns(description.tags, tags_from)

    def times(self, movie: NewMovie, matrix: FloatArray) -> FloatArray:
        """[columns] the movie's row times [F, columns]."""
        columns, values = self._row(movie)
        return np.array(values, np.float32) @ matrix[columns]

    def _row(self, movie: NewMovie) -> tuple[list[int], list[float]]:
        """The columns that are not 0, and their values; every group has unit length."""
        columns, values = [0, self._buckets_from + self._bucket(movie.year)], [1.0, 1.0]
        if self._first_year <= movie.year < self._last_year:
            columns.append(self._years_from + movie.year - self._first_year)
            values.append(1.0)
        groups = (
            (self._genres, movie.genres),
            (self._words, title_words(movie.title)),
            (self._tags, (normal_tag(tag, self._tag_edges) for tag in movie.tags)),
        )
        for vocabulary, texts in groups:
            if found := _found(vocabulary, texts):
                columns += found
                values += [1 / math.sqrt(len(found))] * len(found)
        return columns, values

    def _bucket(self, year: int) -> int:
        if year == 0:
            return 0
        inside = min(max(year, self._first_year), self._last_year - 1)
        return 1 + (inside - self._first_year) // self._years_per_bucket


def title_words(title: str) -> list[str]:
    """Lower-case runs of letters and digits of any script."""
    return "".join(
        letter if unicodedata.category(letter)[0] in "LN" else " " for letter in title.lower()
    ).split(" ")


def normal_tag(tag: str, edges: str) -> str:
    """Lower-case with single spaces, and without the characters `edges` at either end."""
    spaced = "".join(" " if _is_space(letter) else letter for letter in tag.lower())
    return " ".join(filter(None, spaced.split(" "))).strip(edges)


def _is_space(letter: str) -> bool:
    return letter in _OTHER_SPACES or unicodedata.category(letter)[0] == "Z"


def _columns(texts: Iterable[str], first: int) -> dict[str, int]:
    return {text: column for column, text in enumerate(texts, start=first)}


def _found(vocabulary: Mapping[str, int], texts: Iterable[str]) -> list[int]:
    """Columns of the known texts, each once."""
    return sorted({vocabulary[text] for text in texts if text in vocabulary})
