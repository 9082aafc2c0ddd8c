"""The values of the API that callers send and receive: frozen dataclasses and enums.

What a call returns is in answers.py. Ids are strings everywhere.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime


class UserState(enum.Enum):
    """How much the service knows about a user."""

    UNKNOWN = "unknown"
    """A value that this client is too old to know."""
    HOT = "hot"
    """At least one stored rating."""
    WARM = "warm"
    """Nothing stored, but history, profile or favourite genres in the request."""
    COLD = "cold"
    """Nothing at all."""


class Source(enum.Enum):
    """Where a movie or a rating of an answer comes from."""

    UNKNOWN = "unknown"
    """A value that this client is too old to know."""
    RETRIEVAL = "retrieval"
    CONTENT = "content"
    POPULAR = "popular"
    ENGINE = "engine"
    """The gateway's own engine, while the model server was away."""
    MEAN = "mean"
    """A movie's shrunk mean rating."""


class OrderBy(enum.Enum):
    """How a list is ordered."""

    DEFAULT = "default"
    """What measured best: retrieval, plus a weight on the predicted rating."""
    PREDICTED_RATING = "predicted rating"
    """The whole allowed catalogue by predicted rating."""


class SimilarityMode(enum.Enum):
    """What makes two movies alike."""

    HYBRID = "hybrid"
    COLLABORATIVE = "collaborative"
    """Who watched them."""
    CONTENT = "content"
    """What they are: genres, year, title, tags."""


class PopularList(enum.Enum):
    """A ranking that is the same for everybody."""

    POPULAR = "popular"
    """The one that measured best for new users."""
    MOST_RATED = "most rated"
    HIGHEST_RATED = "highest rated"
    BAYESIAN = "bayesian"


@dataclass(frozen=True, slots=True)
class Movie:
    """A movie of the catalogue."""

    movie_id: str
    title: str = ""
    """Without the year."""
    year: int = 0
    """0 = unknown."""
    genres: tuple[str, ...] = ()
    rating_count: int = 0
    """Ratings in the training data."""
    mean_rating: float = 0.0
    """Their mean; 0 without ratings."""

    def __str__(self) -> str:
        name = self.title or self.movie_id
        return f"{name} ({self.year})" if self.year else name


@dataclass(frozen=True, slots=True)
class RatedMovie:
    """A rating that a user gave."""

    movie_id: str
    rating: float
    """Inside the release's rating range."""
    rated_at: datetime | None = None
    """With a time zone; None = unknown."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What a user says about himself or herself; everything is optional."""

    age: int = 0
    """In years, 0..120; 0 = unknown."""
    gender: str = ""
    occupation: str = ""
    favorite_genres: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MovieFilter:
    """Which movies are wanted; all conditions hold together."""

    genres_any: tuple[str, ...] = ()
    """At least one of these, when any is named."""
    genres_all: tuple[str, ...] = ()
    genres_none: tuple[str, ...] = ()
    min_year: int = 0
    """Inclusive; 0 = unset. A movie without a year fails any set bound."""
    max_year: int = 0
    """Inclusive; 0 = unset."""


@dataclass(frozen=True, slots=True)
class NewMovie:
    """A movie outside the catalogue, to ask what it resembles."""

    title: str
    year: int = 0
    """0 = unknown."""
    genres: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AddedMovie:
    """A movie to put into the catalogue."""

    movie_id: str
    title: str
    year: int = 0
    """0 = unknown."""
    genres: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RatingEvent:
    """A rating to store, or to forget."""

    user_id: str
    movie_id: str
    rating: float | None
    """Inside the release's rating range; None = forget the stored one."""
    rated_at: datetime | None = None
    """With a time zone; None = now."""


@dataclass(frozen=True, slots=True)
class RecommendQuery:
    """One user's part of a batch; the fields are the arguments of `recommend_user`."""

    user_id: str = ""
    """Empty = a guest."""
    page_size: int = 0
    """1..100; 0 = 10."""
    exclude_seen: bool = True
    exclude_movie_ids: tuple[str, ...] = ()
    filter: MovieFilter | None = None
    history: tuple[RatedMovie, ...] = ()
    """Oldest first."""
    profile: Profile | None = None
    diversity: float = 0.0
    """0..1; 0 = pure score order."""
    order_by: OrderBy = OrderBy.DEFAULT
    page_token: str = ""
    """Empty in a batch, which has no pages."""
