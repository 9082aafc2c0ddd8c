"""A description counts what the tables say."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from trainer.datasets import Dataset
from trainer.describe import describe
from trainer.describe.description import Coverage, CrossTab, GenreCount, RatedMovie

DAY = 86_400


@pytest.fixture
def small() -> Dataset:
    """4 users, 5 movies of which one is unrated, 10 ratings from 1999-12-31 to 2001-01-01."""
    start = int(datetime(1999, 12, 31, tzinfo=UTC).timestamp())
    rows = [
        ("a", "1", 5.0, start),
        ("a", "2", 4.0, start + DAY),
        ("a", "3", 4.0, start + DAY),
        ("a", "4", 0.5, start + DAY),
        ("b", "1", 3.0, start + 2 * DAY),
        ("b", "2", 4.0, start + 2 * DAY),
        ("b", "3", 1.0, start + 2 * DAY),
        ("c", "1", 4.0, start + 2 * DAY),
        ("c", "2", 4.0, start + 3 * DAY),
        ("d", "1", 4.0, start + 367 * DAY),
    ]
    ratings = pd.DataFrame(rows, columns=["user_id", "movie_id", "rating", "timestamp"])
    return Dataset(
        name="small",
        source="made by a test",
        ratings=ratings.astype({"rating": "float32"}),
        movies=pd.DataFrame(
            {
                "movie_id": ["1", "2", "3", "4", "5"],
                "title": ["One", "Two", "", "Four", "Five"],
                "year": [1990, 0, 0, 2000, 1980],
                "genres": [("Drama",), ("Comedy", "Drama"), (), ("War",), ("Drama",)],
                "tags": [("old",), (), (), (), ()],
            }
        ),
        users=pd.DataFrame({"user_id": ["a", "b", "c", "d", "e"]}),
        genres=("Comedy", "Drama", "War", "Western"),
        rating_range=(0.5, 5.0),
        rejected={"x.csv: a reason": 3},
        repairs=("A sentence.",),
    )


def test_counts(small):
    """Sizes, mean, histogram, time span and years."""
    found = describe(small)

    assert (found.n_ratings, found.n_users, found.n_movies) == (10, 5, 5)
    assert found.sparsity == pytest.approx(1 - 10 / 16)  # 4 users and 4 movies with ratings
    assert found.mean_rating == pytest.approx(33.5 / 10)
    assert found.histogram == ((0.5, 1), (1.0, 1), (3.0, 1), (4.0, 6), (5.0, 1))
    assert found.first == datetime(1999, 12, 31, tzinfo=UTC)
    assert found.last == datetime(2001, 1, 1, tzinfo=UTC)
    assert found.by_year == ((1999, 1), (2000, 8), (2001, 1))
    assert found.tagged_movies == 1
    assert (found.rejected, found.repairs) == (small.rejected, small.repairs)


def test_coverage(small):
    """Counts 4, 3, 2, 1 cover 40, 70, 90 and 100 %: three are needed for 80 %."""
    users = describe(small).users

    assert (users.n, users.fewest, users.median, users.mean, users.most) == (4, 1, 2.5, 2.5, 4)
    assert users.kept.tolist() == [1, 2, 3, 4]
    assert users.share == pytest.approx([0.4, 0.7, 0.9, 1.0])
    assert users.to_cover == 3


def test_coverage_that_is_reached_exactly(small):
    """Two movies that hold exactly 80 % are enough."""
    ratings = small.ratings[:5].assign(movie_id=["1", "1", "2", "2", "3"], user_id=list("abcde"))

    movies: Coverage = describe(replace(small, ratings=ratings)).movies

    assert movies.share == pytest.approx([0.4, 0.8, 1.0])
    assert movies.to_cover == 2


def test_most_rated_movies(small):
    """The most rated stands first with year, count and mean; one without a title has its id."""
    assert describe(small).most_rated == (
        RatedMovie("1", "One (1990)", 4, 4.0),
        RatedMovie("2", "Two", 3, 4.0),
        RatedMovie("3", "movie 3", 2, 2.5),
        RatedMovie("4", "Four (2000)", 1, 0.5),
    )


def test_genres(small):
    """A movie counts for each of its genres; one that no movie has stays with zeros."""
    genres = describe(small).genres

    assert genres[:3] == (
        GenreCount("Drama", 3, 7, 4.0),
        GenreCount("Comedy", 1, 3, 4.0),
        GenreCount("War", 1, 1, 0.5),
    )
    assert genres[3].genre == "Western"
    assert (genres[3].movies, genres[3].ratings, math.isnan(genres[3].mean)) == (0, 0, True)


def test_cross_tab(small):
    """Busiest users by most rated movies; a cell without a rating is empty."""
    tab: CrossTab = describe(small).cross_tab

    assert tab.users == ("a", "b", "c", "d")
    assert tab.movies == ("One (1990)", "Two", "movie 3", "Four (2000)")
    np.testing.assert_array_equal(
        tab.ratings,
        [[5, 4, 4, 0.5], [3, 4, 1, np.nan], [4, 4, np.nan, np.nan], [4, np.nan, np.nan, np.nan]],
    )


def test_no_timestamps(small):
    """Times that are all 0 are no times."""
    found = describe(replace(small, ratings=small.ratings.assign(timestamp=0)))

    assert (found.first, found.last, found.by_year) == (None, None, ())


def test_ml_100k(ml_100k: Dataset):
    """The figures that the data set's own papers and the sources name."""
    found = describe(ml_100k)

    assert found.sparsity == pytest.approx(0.937, abs=5e-5)
    assert found.mean_rating == pytest.approx(3.52986)
    assert found.most_rated[0] == RatedMovie(
        "50", "Star Wars (1977)", 583, pytest.approx(4.358, abs=1e-3)
    )
    assert (found.users.fewest, found.users.most) == (20, 737)
    # An independent count: the k largest of value_counts reach 80 %.
    for column, coverage in (("user_id", found.users), ("movie_id", found.movies)):
        counts = ml_100k.ratings[column].value_counts()
        assert counts[: coverage.to_cover].sum() >= 80_000
        assert counts[: coverage.to_cover - 1].sum() < 80_000
    tab = found.cross_tab
    expected = ml_100k.ratings.pivot(index="user_id", columns="movie_id", values="rating")
    np.testing.assert_array_equal(
        tab.ratings, expected.loc[list(tab.users), [m.movie_id for m in found.most_rated[:15]]]
    )
    assert tab.ratings.shape == (15, 15)
