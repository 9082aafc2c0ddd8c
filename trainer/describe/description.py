"""The figures that describe a data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trainer.datasets import Col, Dataset

MOST_RATED: Final = 20
CROSS_TAB: Final = 15
CURVE_POINTS: Final = 100
SHARE_TO_COVER: Final = 0.8
"""Source 000 keeps the users and movies that cover this share of the ratings."""


@dataclass(frozen=True, eq=False)
class Coverage:
    """How few users (or movies) hold how much of the ratings."""

    n: int
    """Users or movies with a rating."""
    fewest: int
    median: float
    mean: float
    most: int
    """Ratings of one user or movie."""
    kept: NDArray[np.int64]
    """[P] numbers of users or movies, the most rated first; from 1 to n."""
    share: NDArray[np.float64]
    """[P] share of all ratings that `kept` of them hold, in (0, 1]."""
    to_cover: int
    """The fewest that hold at least SHARE_TO_COVER of the ratings."""


@dataclass(frozen=True)
class RatedMovie:
    """A row of the table of most-rated movies."""

    movie_id: str
    title: str
    """With the year, where it is known."""
    n: int
    mean: float


@dataclass(frozen=True)
class GenreCount:
    """How much of the data set is of one genre; a movie may have several."""

    genre: str
    movies: int
    ratings: int
    mean: float
    """Of its ratings; NaN without any."""


@dataclass(frozen=True, eq=False)
class CrossTab:
    """What the busiest users gave the most-rated movies."""

    users: tuple[str, ...]
    movies: tuple[str, ...]
    """Titles."""
    ratings: NDArray[np.float64]
    """[users, movies]; NaN = not rated."""


@dataclass(frozen=True, eq=False)
class Description:
    """A data set in figures."""

    name: str
    source: str
    n_ratings: int
    n_users: int
    n_movies: int
    """Of the catalogue, those without a rating included."""
    sparsity: float
    """Share of the table of users and rated movies that is empty."""
    mean_rating: float
    rating_range: tuple[float, float]
    histogram: tuple[tuple[float, int], ...]
    """Each rating that occurs and how often, the lowest first."""
    first: datetime | None
    last: datetime | None
    """None where the data set has no timestamps."""
    by_year: tuple[tuple[int, int], ...]
    """Ratings in each calendar year (UTC) from the first to the last."""
    users: Coverage
    movies: Coverage
    most_rated: tuple[RatedMovie, ...]
    cross_tab: CrossTab
    genres: tuple[GenreCount, ...]
    """The genre with the most ratings first."""
    tagged_movies: int
    rejected: Mapping[str, int]
    repairs: tuple[str, ...]


def describe(dataset: Dataset) -> Description:
    """Counts everything that the tables say; ties are broken by the order of the file."""
    ratings, movies = dataset.ratings, dataset.movies
    per_user = ratings[Col.USER].value_counts(sort=False)
    per_movie = ratings.groupby(Col.MOVIE, sort=False)[Col.RATING].agg(["size", "mean"])
    first, last, by_year = _times(ratings[Col.TIME])
    values, counts = np.unique(ratings[Col.RATING], return_counts=True)
    titles = dict(zip(movies[Col.MOVIE], map(_titled, movies.itertuples()), strict=True))
    return Description(
        name=dataset.name,
        source=dataset.source,
        n_ratings=len(ratings),
        n_users=len(dataset.users),
        n_movies=len(movies),
        sparsity=1 - len(ratings) / (len(per_user) * len(per_movie)),
        mean_rating=float(ratings[Col.RATING].to_numpy(np.float64).mean()),
        rating_range=dataset.rating_range,
        histogram=tuple((float(v), int(n)) for v, n in zip(values, counts, strict=True)),
        first=first,
        last=last,
        by_year=by_year,
        users=_coverage(per_user.to_numpy(np.int64)),
        movies=_coverage(per_movie["size"].to_numpy(np.int64)),
        most_rated=tuple(
            RatedMovie(str(movie_id), titles[movie_id], int(row["size"]), float(row["mean"]))
            for movie_id, row in _largest(per_movie, "size", MOST_RATED).iterrows()
        ),
        cross_tab=_cross_tab(ratings, per_user, per_movie["size"], titles),
        genres=_genres(dataset, per_movie),
        tagged_movies=int((movies[Col.TAGS].str.len() > 0).sum()),
        rejected=dataset.rejected,
        repairs=dataset.repairs,
    )


def _titled(movie: Any) -> str:
    title = movie.title or f"movie {movie.movie_id}"
    return f"{title} ({movie.year})" if movie.year else title


def _largest(table: pd.DataFrame, by: str, n: int) -> pd.DataFrame:
    return table.sort_values(by, ascending=False, kind="stable").head(n)


def _times(
    seconds: pd.Series,
) -> tuple[datetime | None, datetime | None, tuple[tuple[int, int], ...]]:
    first, last = int(seconds.min()), int(seconds.max())
    if last == 0:
        return None, None, ()
    years = seconds.to_numpy().astype("datetime64[s]").astype("datetime64[Y]").astype(int) + 1970
    counts = np.bincount(years - years.min())
    by_year = tuple((int(years.min()) + i, int(n)) for i, n in enumerate(counts))
    return datetime.fromtimestamp(first, UTC), datetime.fromtimestamp(last, UTC), by_year


def _coverage(counts: NDArray[np.int64]) -> Coverage:
    descending = np.sort(counts)[::-1]
    share = np.cumsum(descending) / counts.sum()
    kept = np.unique(np.linspace(1, len(counts), CURVE_POINTS).round().astype(np.int64))
    return Coverage(
        n=len(counts),
        fewest=int(descending[-1]),
        median=float(np.median(counts)),
        mean=float(counts.mean()),
        most=int(descending[0]),
        kept=kept,
        share=share[kept - 1],
        to_cover=int(np.searchsorted(share, SHARE_TO_COVER - 1e-12)) + 1,
    )


def _cross_tab(
    ratings: pd.DataFrame, per_user: pd.Series, per_movie: pd.Series, titles: Mapping[str, str]
) -> CrossTab:
    users = per_user.sort_values(ascending=False, kind="stable").index[:CROSS_TAB]
    movies = per_movie.sort_values(ascending=False, kind="stable").index[:CROSS_TAB]
    both = ratings[ratings[Col.USER].isin(users) & ratings[Col.MOVIE].isin(movies)]
    cells = np.full((len(users), len(movies)), np.nan)
    cells[users.get_indexer(both[Col.USER]), movies.get_indexer(both[Col.MOVIE])] = both[Col.RATING]
    return CrossTab(tuple(users), tuple(titles[movie] for movie in movies), cells)


def _genres(dataset: Dataset, per_movie: pd.DataFrame) -> tuple[GenreCount, ...]:
    movies = dataset.movies[[Col.MOVIE, Col.GENRES]].explode(Col.GENRES)
    joined = movies.dropna(subset=Col.GENRES).join(per_movie, on=Col.MOVIE)
    joined["sum"] = joined["size"] * joined["mean"].astype("float64")
    sums = joined.groupby(Col.GENRES)[["size", "sum"]].sum()
    sums["movies"] = joined.groupby(Col.GENRES).size()
    sums = sums.reindex(list(dataset.genres), fill_value=0)
    ordered = _largest(sums, "size", len(sums))
    return tuple(
        GenreCount(
            genre=str(genre),
            movies=int(row["movies"]),
            ratings=int(row["size"]),
            mean=float(row["sum"] / row["size"]) if row["size"] else float("nan"),
        )
        for genre, row in ordered.iterrows()
    )
