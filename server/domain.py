"""The gateway's nouns: what a query asks and what an answer says, free of any protocol."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple, NewType

UserId = NewType("UserId", str)
MovieId = NewType("MovieId", str)
Version = NewType("Version", int)

GUEST = UserId("")
"""The user id of somebody who is never stored."""


class UserState(Enum):
    """How much is known about a user."""

    HOT = "HOT"
    WARM = "WARM"
    COLD = "COLD"

    # Each member is one object: Enum's own hash is a call of Python at each look-up.
    __hash__ = object.__hash__


class Source(Enum):
    """Where a movie or a rating of an answer comes from."""

    RETRIEVAL = "RETRIEVAL"
    CONTENT = "CONTENT"
    POPULAR = "POPULAR"
    MEAN = "MEAN"
    ENGINE = "ENGINE"

    __hash__ = object.__hash__


class DegradedReason(Enum):
    """Why an answer is second best; a bounded set, safe as a label."""

    MODEL_SERVER_UNAVAILABLE = "model_server_unavailable"
    MODEL_SERVER_TIMEOUT = "model_server_timeout"
    DEADLINE = "deadline"
    CONTRACT_VIOLATION = "contract_violation"
    FEATURE_STORE_UNAVAILABLE = "feature_store_unavailable"


@dataclass(frozen=True, slots=True, eq=False)
class Movie:
    """A movie of a catalogue, which has one object for each: two of them are never equal."""

    movie_id: MovieId
    title: str
    year: int
    """0 = unknown."""
    genres: tuple[str, ...]
    rating_count: int
    mean_rating: float
    """0 without ratings."""


@dataclass(frozen=True, slots=True)
class NewMovie:
    """A movie that the catalogue does not have."""

    title: str
    year: int
    genres: tuple[str, ...]
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AddedMovie:
    """A movie that a caller added to the catalogue."""

    movie_id: MovieId
    title: str
    year: int
    genres: tuple[str, ...]
    tags: tuple[str, ...]

    def as_new(self) -> NewMovie:
        """What is said about it."""
        return NewMovie(self.title, self.year, self.genres, self.tags)


@dataclass(frozen=True, slots=True)
class Profile:
    """What is known about a person; empty fields are unknown."""

    age: int = 0
    gender: str = ""
    occupation: str = ""
    favorite_genres: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything is known."""
        return self is not NO_PROFILE and self != NO_PROFILE

    def overridden_by(self, other: Profile) -> Profile:
        """This profile with every field that `other` knows taken from there."""
        return Profile(
            age=other.age or self.age,
            gender=other.gender or self.gender,
            occupation=other.occupation or self.occupation,
            favorite_genres=other.favorite_genres or self.favorite_genres,
        )

    def tokens(self) -> list[str]:
        """The bag of tokens that the graphs read, without its neutral first element."""
        named = (("gender", self.gender), ("occupation", self.occupation))
        return [
            *([f"age:{self.age}"] if self.age else []),
            *(f"{name}:{value}" for name, value in named if value),
            *(f"genre:{genre}" for genre in self.favorite_genres),
        ]


NO_PROFILE: Final = Profile()
"""Nothing is known."""


@dataclass(frozen=True, slots=True)
class History:
    """Ratings of one user, oldest first; three columns of one length."""

    movie_ids: tuple[MovieId, ...] = ()
    ratings: tuple[float, ...] = ()
    rated_at: tuple[int, ...] = ()
    """Seconds since 1970; 0 = unknown."""

    def __len__(self) -> int:
        return len(self.movie_ids)


NO_HISTORY: Final = History()


@dataclass(frozen=True, slots=True)
class StoredUser:
    """What the feature store holds of one user."""

    profile: Profile
    history: History

    @property
    def weight(self) -> int:
        """Ratings of as much memory: what is there without any counts for sixty."""
        return 60 + len(self.history)


@dataclass(frozen=True, slots=True)
class RatingEvent:
    """A rating that a caller recorded, or took back."""

    user_id: UserId
    movie_id: MovieId
    rating: float | None
    """None = taken back."""
    rated_at: int
    """Seconds since 1970."""


@dataclass(frozen=True, slots=True)
class MovieFilter:
    """Conditions that hold together; every genre is one of the release's."""

    genres_any: tuple[str, ...] = ()
    genres_all: tuple[str, ...] = ()
    genres_none: tuple[str, ...] = ()
    min_year: int = 0
    """Inclusive; 0 = unset, like max_year."""
    max_year: int = 0

    def __bool__(self) -> bool:
        """Whether there is any condition."""
        return self is not NO_FILTER and self != NO_FILTER


NO_FILTER: Final = MovieFilter()
"""Every movie passes."""

NOBODY: Final = -1
"""The place of no movie: where none of a history is cited."""


class Order(Enum):
    """What a list is ordered by; the values are the artifact contract's."""

    DEFAULT = 0
    """The release's final order."""
    PREDICTED_RATING = 1


class RecommendQuery(NamedTuple):
    """A checked RecommendUserRequest."""

    user_id: UserId
    page_size: int
    exclude_seen: bool = True
    diversity: float = 0.0
    """0..1; 0 = pure score order."""
    order: Order = Order.DEFAULT
    exclude_movie_ids: tuple[MovieId, ...] = ()
    filter: MovieFilter = NO_FILTER
    history: History = NO_HISTORY
    profile: Profile = NO_PROFILE


@dataclass(frozen=True, slots=True)
class RatingQuery:
    """A checked PredictRatingRequest."""

    user_id: UserId
    movie_ids: tuple[MovieId, ...]
    history: History = NO_HISTORY
    profile: Profile = NO_PROFILE


@dataclass(frozen=True, slots=True)
class SimilarQuery:
    """A checked SimilarMoviesRequest."""

    target: MovieId | NewMovie
    mode: int
    """A MODE_ constant of the artifact contract."""
    page_size: int
    filter: MovieFilter = NO_FILTER


class PopularList(Enum):
    """A ranking that is the same for everybody."""

    POPULAR = "POPULAR"
    """What measured best for new users."""
    MOST_RATED = "MOST_RATED"
    HIGHEST_RATED = "HIGHEST_RATED"
    BAYESIAN = "BAYESIAN"


@dataclass(frozen=True, slots=True)
class PopularQuery:
    """A checked PopularMoviesRequest."""

    ranking: PopularList
    page_size: int
    min_rating_count: int = 0
    min_mean_rating: float = 0.0
    filter: MovieFilter = NO_FILTER


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """A checked SearchMoviesRequest."""

    text: str
    page_size: int


@dataclass(frozen=True, slots=True)
class RecordQuery:
    """A checked RecordRatingsRequest."""

    events: tuple[RatingEvent, ...]
    request_id: str
    """"" = none."""
    digest: str
    """Of the request as it came."""


@dataclass(frozen=True, slots=True)
class AddQuery:
    """A checked AddMoviesRequest; no movie repeats."""

    movies: tuple[AddedMovie, ...]
    request_id: str
    """"" = none."""
    digest: str
    """Of the request as it came."""


@dataclass(frozen=True, slots=True)
class RecordedRatings:
    """The answer to a RecordQuery."""

    n_recorded: int
    unknown_movie_ids: tuple[MovieId, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """How an answer came about."""

    release_version: Version
    degraded_reasons: tuple[DegradedReason, ...] = ()
    """Empty = nothing was away."""
    unknown_movie_ids: tuple[MovieId, ...] = ()


class SharedGenre(NamedTuple):
    """The movie has a genre that the user likes."""

    genre: str


@dataclass(frozen=True, slots=True)
class Popular:
    """The movie is popular among people like the user."""


Reason = SharedGenre | Popular
"""Why a movie is listed, beside the movies of the history that pull it up."""


@dataclass(frozen=True, slots=True)
class PredictedRatings:
    """The answer to a RatingQuery, in its order, without the unknown movies."""

    movie_ids: tuple[MovieId, ...]
    ratings: tuple[float, ...]
    sources: tuple[Source, ...]
    answer: Answer


@dataclass(frozen=True, slots=True)
class SimilarMovies:
    """The answer to a SimilarQuery, most similar first."""

    movies: tuple[Movie, ...]
    scores: tuple[float, ...]
    answer: Answer


@dataclass(frozen=True, slots=True)
class PopularMovies:
    """The answer to a PopularQuery, best first; scores do not rise along `movies`."""

    movies: tuple[Movie, ...]
    scores: tuple[float, ...]
    answer: Answer


@dataclass(frozen=True, slots=True)
class FoundMovies:
    """The answer to a SearchQuery, best match first."""

    movies: tuple[Movie, ...]
    matches: tuple[float, ...]
    """0..1; 1 = the same title."""
    answer: Answer


@dataclass(frozen=True, slots=True)
class KnownUser:
    """The answer to GetUser."""

    stored: StoredUser
    user_state: UserState
    answer: Answer
