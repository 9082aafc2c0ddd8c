"""What is said of a movie, as a feature row; tests/e2e holds it against the graph's."""

from __future__ import annotations

import numpy as np
import pytest

from server.domain import NewMovie
from server.engine.movie_features import MovieFeatures, normal_tag, title_words
from tests.engine_part import DESCRIPTION

# 1, two genres, three year buckets, ten years from 1990, two words, a tag.
GENRES, BUCKETS, YEARS, WORDS, TAG = 1, 3, 6, 16, 18


def row(title: str = "", year: int = 0, genres: tuple[str, ...] = (), tags: tuple[str, ...] = ()):
    """[F] the whole row, through the unit matrix."""
    everything = np.eye(DESCRIPTION.n_features, dtype=np.float32)
    return MovieFeatures(DESCRIPTION).times(NewMovie(title, year, genres, tags), everything)


def test_each_group_has_its_columns_and_unit_length() -> None:
    """Two genres and two words weigh the root of a half each; what repeats counts once."""
    half = np.sqrt(0.5)
    expected = {
        0: 1,
        GENRES: half,
        GENRES + 1: half,
        BUCKETS + 2: 1,
        YEARS + 7: 1,
        WORDS: half,
        WORDS + 1: half,
        TAG: 1,
    }

    found = row("Night-Movie, night", 1997, ("Comedy", "Action", "No genre"), (" Dark.", "dark"))

    assert {int(i): found[i] for i in np.flatnonzero(found)} == pytest.approx(expected)


@pytest.mark.parametrize(
    ("year", "columns"),
    [
        (0, [BUCKETS]),
        (1, [BUCKETS + 1]),
        (1990, [BUCKETS + 1, YEARS]),
        (1999, [BUCKETS + 2, YEARS + 9]),
        (2000, [BUCKETS + 2]),
        (9999, [BUCKETS + 2]),
    ],
)
def test_years_outside_the_range_go_to_the_nearest_bucket(year: int, columns: list[int]) -> None:
    """They have no column of their own; 0 is the unknown year."""
    assert np.flatnonzero(row(year=year)).tolist() == [0, *columns]


def test_words_are_runs_of_letters_and_digits() -> None:
    """Of any script, in lower case."""
    words = [word for word in title_words("L'Été_à PARIS 2: ½ Straße") if word]

    assert words == ["l", "été", "à", "paris", "2", "½", "straße"]


@pytest.mark.parametrize(
    ("tag", "normal"),
    [
        ("Dark  Comedy", "dark comedy"),
        (" 'dark'. ", "dark"),
        ("based\u00a0on\ta\u2003BOOK", "based on a book"),
        ("...", ""),
        ("a.b", "a.b"),
    ],
)
def test_tags_are_compared_without_case_spaces_and_edges(tag: str, normal: str) -> None:
    """Spaces of any kind become one."""
    assert normal_tag(tag, " '.") == normal
