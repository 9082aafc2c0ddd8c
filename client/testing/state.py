"""What a fake knows: movies, ratings and profiles, and which writes it has seen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, cast

from client import calls
from client.models import AddedMovie, Profile, RatingEvent
from protos.recommender.v1 import recommender_pb2 as pb

RATING_RANGE: Final = (1.0, 5.0)
RELEASE: Final = 1

Event = pb.RecordRatingsRequest.RatingEvent
NewMovie = pb.AddMoviesRequest.AddedMovie


@dataclass(frozen=True, slots=True)
class Film:
    """A movie with what only the fake knows about it."""

    message: pb.Movie
    """What callers see of it."""
    content: NewMovie
    """As it was added, with its tags."""
    raters: Mapping[str, float]
    """user_id -> rating, from before the fake started, like training data."""


@dataclass
class State:
    """Everything that a call may read or change."""

    films: dict[str, Film] = field(default_factory=dict)
    """By movie_id, in the order added."""
    ratings: dict[str, dict[str, pb.RatedMovie]] = field(default_factory=dict)
    """By user_id and movie_id, oldest first."""
    profiles: dict[str, pb.Profile] = field(default_factory=dict)
    genres: frozenset[str] = frozenset()

    def add(self, content: NewMovie, raters: Mapping[str, float]) -> None:
        """Puts a movie into the catalogue."""
        mean = sum(raters.values()) / len(raters) if raters else 0.0
        message = pb.Movie(
            movie_id=content.movie_id,
            title=content.title,
            year=content.year,
            genres=content.genres,
            rating_count=len(raters),
            mean_rating=mean,
        )
        self.films[content.movie_id] = Film(message, content, raters)

    def rate(self, event: Event, now_s: int) -> None:
        """Stores or forgets one rating of a movie that the catalogue has."""
        ratings = self.ratings.setdefault(event.user_id, {})
        ratings.pop(event.movie_id, None)
        if event.WhichOneof("action") == "rating":
            rated = pb.RatedMovie(movie_id=event.movie_id, rating=event.rating)
            if event.HasField("rated_at"):
                rated.rated_at.MergeFrom(event.rated_at)
            else:
                rated.rated_at.seconds = now_s
            ratings[event.movie_id] = rated
        oldest_first = sorted(
            ratings.values(), key=lambda r: (r.rated_at.seconds, r.rated_at.nanos)
        )
        self.ratings[event.user_id] = {rated.movie_id: rated for rated in oldest_first}


def same_movie(one: NewMovie, other: NewMovie) -> bool:
    """Whether two contents say the same; the order of genres and tags says nothing."""
    return (one.title, one.year, set(one.genres), set(one.tags)) == (
        other.title,
        other.year,
        set(other.genres),
        set(other.tags),
    )


def initial_state(
    movies: Iterable[AddedMovie],
    ratings: Iterable[RatingEvent],
    profiles: Mapping[str, Profile],
) -> State:
    """The state before the first call.

    Raises:
      ValueError: a rating's movie is not among the movies.
    """
    contents = cast("pb.AddMoviesRequest", calls.add_movies(movies, None).request)
    events = cast("pb.RecordRatingsRequest", calls.record_ratings(ratings, None).request)
    state = State()
    raters: dict[str, dict[str, float]] = {movie.movie_id: {} for movie in contents.movies}
    for event in events.ratings:
        if event.movie_id not in raters:
            raise ValueError(f"a rating names the movie {event.movie_id!r}, which is not there")
        if event.WhichOneof("action") == "rating":
            raters[event.movie_id][event.user_id] = event.rating
    for content in contents.movies:
        state.add(content, raters[content.movie_id])
    for event in events.ratings:
        state.rate(event, now_s=0)
    state.profiles = {user_id: _profile(profile) for user_id, profile in profiles.items()}
    state.genres = frozenset(
        genre for film in state.films.values() for genre in film.message.genres
    )
    return state


def _profile(profile: Profile) -> pb.Profile:
    return pb.Profile(
        age=profile.age,
        gender=profile.gender,
        occupation=profile.occupation,
        favorite_genres=profile.favorite_genres,
    )
