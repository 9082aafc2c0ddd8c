"""What calls return: frozen dataclasses.

An answer with items is a sequence of them, and every answer to a question says in `answer` which
release it comes from and whether something was away when it was made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar, overload

from client.errors import RecommenderError
from client.models import Movie, Profile, RatedMovie, Source, UserState

T = TypeVar("T")


class Listing(Sequence[T]):
    """A sequence of its `items`, best first or in the order of the request."""

    __slots__ = ()
    items: tuple[T, ...]

    def __len__(self) -> int:
        return len(self.items)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[T, ...]: ...
    def __getitem__(self, index: int | slice) -> T | tuple[T, ...]:
        return self.items[index]


@dataclass(frozen=True, slots=True)
class Answer:
    """How an answer came about."""

    release_version: int = 0
    """The one release that it comes from, whole."""
    degraded: bool = False
    """True when something was away and the answer is second best."""
    degraded_reasons: tuple[str, ...] = ()
    unknown_movie_ids: tuple[str, ...] = ()
    """Movie ids of the request that the catalogue does not have."""


@dataclass(frozen=True, slots=True)
class BecauseOfMovie:
    """A movie of the user's history pulled this one up."""

    movie: Movie
    weight: float
    """What the retrieval score would lose without it; positive."""


@dataclass(frozen=True, slots=True)
class SharedGenre:
    """The user likes this genre."""

    genre: str


@dataclass(frozen=True, slots=True)
class Popular:
    """Many people like the movie."""


Reason = BecauseOfMovie | SharedGenre | Popular
"""Why a movie is in an answer."""


@dataclass(frozen=True, slots=True)
class Recommendation:
    """One movie of a user's list."""

    movie: Movie
    predicted_rating: float
    """Inside the release's rating range."""
    score: float
    """Unbounded; does not rise along the list at diversity 0."""
    source: Source
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class Recommendations(Listing[Recommendation]):
    """A user's list, best first."""

    items: tuple[Recommendation, ...]
    user_state: UserState = UserState.UNKNOWN
    recommendation_id: str = ""
    """To attribute feedback to this answer."""
    next_page_token: str = ""
    """Empty at the end of the ranking."""
    answer: Answer = field(default_factory=Answer)

    @property
    def movie_ids(self) -> tuple[str, ...]:
        return tuple(item.movie.movie_id for item in self.items)


@dataclass(frozen=True, slots=True)
class PredictedRating:
    """The rating that a user would give to one movie."""

    movie_id: str
    rating: float
    """Inside the release's rating range."""
    source: Source


@dataclass(frozen=True, slots=True)
class PredictedRatings(Listing[PredictedRating]):
    """In the order of the request; unknown movies are listed in `answer` instead."""

    items: tuple[PredictedRating, ...]
    answer: Answer = field(default_factory=Answer)

    def as_dict(self) -> dict[str, float]:
        """{movie_id: rating}."""
        return {item.movie_id: item.rating for item in self.items}


@dataclass(frozen=True, slots=True)
class SimilarMovie:
    """A movie like the one asked about."""

    movie: Movie
    score: float
    """Cosine, -1..1; does not rise along the list."""


@dataclass(frozen=True, slots=True)
class SimilarMovies(Listing[SimilarMovie]):
    """Movies like one movie, most similar first; never the movie itself."""

    items: tuple[SimilarMovie, ...]
    answer: Answer = field(default_factory=Answer)


@dataclass(frozen=True, slots=True)
class User:
    """What the service knows about one user."""

    user_id: str
    ratings: tuple[RatedMovie, ...] = ()
    """Oldest first."""
    profile: Profile = field(default_factory=Profile)
    user_state: UserState = UserState.UNKNOWN
    answer: Answer = field(default_factory=Answer)


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """A movie as the catalogue of one release has it."""

    movie: Movie
    answer: Answer = field(default_factory=Answer)


@dataclass(frozen=True, slots=True)
class FoundMovie:
    """A movie whose title resembles a query."""

    movie: Movie
    match: float
    """0..1; 1 = the same title."""


@dataclass(frozen=True, slots=True)
class FoundMovies(Listing[FoundMovie]):
    """What a search found, best match first."""

    items: tuple[FoundMovie, ...]
    answer: Answer = field(default_factory=Answer)


@dataclass(frozen=True, slots=True)
class PopularMovie:
    """A movie of a ranking that is the same for everybody."""

    movie: Movie
    score: float


@dataclass(frozen=True, slots=True)
class PopularMovies(Listing[PopularMovie]):
    """A ranking that is the same for everybody, best first."""

    items: tuple[PopularMovie, ...]
    answer: Answer = field(default_factory=Answer)


@dataclass(frozen=True, slots=True)
class RecordedRatings:
    """What became of the ratings sent; they are durable."""

    recorded: int
    unknown_movie_ids: tuple[str, ...] = ()
    """Not stored: the catalogue does not have them."""


@dataclass(frozen=True, slots=True)
class AddedMovies:
    """What became of the movies sent; they are durable."""

    added: int


BatchResult = Recommendations | RecommenderError
"""One user's list, or the error that this user's request alone met."""


@dataclass(frozen=True, slots=True)
class BatchResults(Listing[BatchResult]):
    """In the order of the queries."""

    items: tuple[BatchResult, ...]


@dataclass(frozen=True, slots=True)
class Releases:
    """Which releases there are; 0 = none."""

    stable: int = 0
    candidate: int = 0
    active: int = 0
    """What the gateway answers from."""
    why_not_switched: str = ""
    """Empty when stable is active and a candidate, where there is one, answers its share."""
    candidate_share: float = 0.0
    """Share of users that the candidate answers, 0..1."""


@dataclass(frozen=True, slots=True)
class Part:
    """One SavedModel of the active release."""

    name: str
    state: str
    """The model server's word (AVAILABLE, LOADING, ...), or UNREACHABLE."""
    required: bool


@dataclass(frozen=True, slots=True)
class Counts:
    """How much the active release holds."""

    movies: int = 0
    users: int = 0
    ratings: int = 0


@dataclass(frozen=True, slots=True)
class ServingStatus:
    """Which release answers, and how its parts are."""

    releases: Releases = field(default_factory=Releases)
    parts: tuple[Part, ...] = ()
    store_state: str = ""
    counts: Counts = field(default_factory=Counts)
    answer: Answer = field(default_factory=Answer)

    @property
    def ready(self) -> bool:
        """True when a release is active and every part that it needs is AVAILABLE."""
        required = [part for part in self.parts if part.required]
        available = all(part.state == "AVAILABLE" for part in required)
        return self.releases.active > 0 and bool(required) and available
