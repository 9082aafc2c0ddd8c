"""The data sets that have a name, and what their publishers say about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

FLAG_GENRES: Final = (
    *("Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary"),
    *("Drama", "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance"),
    *("Sci-Fi", "Thriller", "War", "Western"),
)
"""MovieLens 100K's and 1M's; the genre flags of u.item stand in this order."""

ML_1M_OCCUPATIONS: Final = (
    *("other", "academic/educator", "artist", "clerical/admin", "college/grad student"),
    *("customer service", "doctor/health care", "executive/managerial", "farmer", "homemaker"),
    *("K-12 student", "lawyer", "programmer", "retired", "sales/marketing", "scientist"),
    *("self-employed", "technician/engineer", "tradesman/craftsman", "unemployed", "writer"),
)
"""Occupation of each number, as the README of MovieLens 1M defines them."""


@dataclass(frozen=True)
class Known:
    """What is known about a data set before its files are read."""

    title: str
    rating_range: tuple[float, float] = (0.5, 5.0)
    genres: tuple[str, ...] | None = None
    """None = those that the files name, in alphabetical order."""
    occupations: tuple[str, ...] = ()
    """Names that stand for the numbers 0, 1, ... in the users' file."""


DATASETS: Final[Mapping[str, Known]] = {
    "ml-100k": Known("MovieLens 100K", (1.0, 5.0), FLAG_GENRES),
    "ml-1m": Known("MovieLens 1M", (1.0, 5.0), FLAG_GENRES, ML_1M_OCCUPATIONS),
    "ml-10m": Known("MovieLens 10M"),
    "ml-latest-small": Known("MovieLens latest-small"),
    "ml-20m": Known("MovieLens 20M"),
    "ml-25m": Known("MovieLens 25M"),
    "ml-32m": Known("MovieLens 32M"),
}
