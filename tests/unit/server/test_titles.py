"""Title search: what counts as the same title, and what comes first when a query is misspelt."""

from __future__ import annotations

import pytest

from server.domain import Movie, MovieId
from server.features.titles import TitleIndex

TITLES = (
    ("Matrix, The", 1999, 500),
    ("Matrix Reloaded, The", 2003, 300),
    ("Star Wars", 1977, 580),
    ("Seven (Se7en)", 1995, 236),
    ("Horseman on the Roof, The (Hussard sur le toit, Le)", 1995, 20),
    ("Little Princess, The", 1939, 60),
    ("Little Princess, A", 1995, 50),
    ("Heat", 1995, 200),
    ("Heat", 1986, 250),
    ("Shawshank Redemption, The", 1994, 283),
    ("Amélie", 2001, 90),
    ("Fast & Furious", 2009, 80),
    ("Dr. Strangelove", 1964, 190),
    ("2001: A Space Odyssey", 1968, 250),
    ("???", 2000, 1),
)


@pytest.fixture(scope="module")
def index() -> TitleIndex:
    return TitleIndex(
        [Movie(MovieId(str(n)), t, y, (), c, 3.0) for n, (t, y, c) in enumerate(TITLES)]
    )


def found(index: TitleIndex, query: str) -> list[tuple[str, int]]:
    return [TITLES[m.movie_index][:2] for m in index.search(query, 10)]


@pytest.mark.parametrize(
    ("query", "title"),
    [
        ("Matrix, The", "Matrix, The"),
        ("the matrix", "Matrix, The"),
        ("  MATRIX  ", "Matrix, The"),
        ("se7en", "Seven (Se7en)"),
        ("Seven", "Seven (Se7en)"),
        ("le hussard sur le toit", TITLES[4][0]),
        ("amelie", "Amélie"),
        ("Ame\u0301lie", "Amélie"),
        ("fast and furious", "Fast & Furious"),
        ("dr strangelove", "Dr. Strangelove"),
        ("a little princess", "Little Princess, A"),
        ("the little princess", "Little Princess, The"),
    ],
)
def test_the_same_title_in_other_words_is_a_full_match(
    index: TitleIndex, query: str, title: str
) -> None:
    """Case, accents, punctuation, the article's place and other names do not matter: match 1."""
    best = index.search(query, 2)

    assert TITLES[best[0].movie_index][0] == title
    assert best[0].match == 1
    assert best[0].match >= best[-1].match


@pytest.mark.parametrize(
    ("query", "title"),
    [
        ("martix", "Matrix, The"),
        ("teh matrx reloded", "Matrix Reloaded, The"),
        ("star wras", "Star Wars"),
        ("shawshank", "Shawshank Redemption, The"),
        ("redemption shawshank", "Shawshank Redemption, The"),
        ("shwashank redemtion", "Shawshank Redemption, The"),
        ("2001", "2001: A Space Odyssey"),
        ("strangelov", "Dr. Strangelove"),
    ],
)
def test_typos_and_parts_find_the_movie_first(index: TitleIndex, query: str, title: str) -> None:
    """Slips of the keyboard, other word order and parts of a title; none is a full match."""
    best = index.search(query, 10)

    assert TITLES[best[0].movie_index][0] == title
    assert all(m.match < 1 for m in best)
    assert [m.match for m in best] == sorted((m.match for m in best), reverse=True)


def test_a_year_in_the_query_picks_the_movie_of_that_year(index: TitleIndex) -> None:
    """Of two movies of one title the year decides; without one, how often they were rated."""
    assert found(index, "heat")[:2] == [("Heat", 1986), ("Heat", 1995)]
    assert found(index, "heat 1995")[0] == ("Heat", 1995)
    assert found(index, "Heat (1995)")[0] == ("Heat", 1995)


def test_what_resembles_nothing_finds_nothing(index: TitleIndex) -> None:
    """Noise and punctuation have no matches, rather than ten wrong ones."""
    assert found(index, "qqqqzzzzxxxx") == []
    assert found(index, "!!!") == []
    assert TitleIndex([]).search("matrix", 10) == []


def test_only_as_many_as_wanted(index: TitleIndex) -> None:
    """The page size cuts the list; a movie with two matching names comes once."""
    assert len(index.search("the matrix", 1)) == 1
    seven = [m.movie_index for m in index.search("seven se7en", 10)]
    assert seven.count(3) == 1
