"""What callers recorded: ratings as part of a user's history, movies as stores keep them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import accumulate

from server.domain import AddedMovie, History, MovieId, Profile, RatingEvent, StoredUser


def movie_content(movie: AddedMovie) -> str:
    """What is said of an added movie, as stores keep it: equal for equal movies alone."""
    said = [movie.title, movie.year, movie.genres, movie.tags]
    return json.dumps(said, ensure_ascii=False, separators=(",", ":"))


def added_movie(movie_id: str, content: str) -> AddedMovie:
    """The movie of a `movie_content`."""
    title, year, genres, tags = json.loads(content)
    return AddedMovie(MovieId(movie_id), title, year, tuple(genres), tuple(tags))


def with_recorded(stored: StoredUser | None, latest: Sequence[RatingEvent]) -> StoredUser | None:
    """The user with the recorded ratings in their places by time; of equal times the recorded last.

    Args:
      stored: what the release has; None for a user whom it does not know.
      latest: the last event of each movie, in the order of recording.
    """
    if not latest:
        return stored
    user = stored or StoredUser(Profile(), History())
    history, replaced = user.history, {event.movie_id for event in latest}
    # A history is oldest first also where a time is unknown: it stays behind what came before it.
    entries = [
        (time, movie_id, rating, rated_at)
        for time, movie_id, rating, rated_at in zip(
            accumulate(history.rated_at, max),
            history.movie_ids,
            history.ratings,
            history.rated_at,
            strict=True,
        )
        if movie_id not in replaced
    ]
    entries += [
        (event.rated_at, event.movie_id, event.rating, event.rated_at)
        for event in latest
        if event.rating is not None
    ]
    if not entries:
        return StoredUser(user.profile, History())
    entries.sort(key=lambda entry: entry[0])
    _, movie_ids, ratings, times = zip(*entries, strict=True)
    return StoredUser(user.profile, History(movie_ids, ratings, times))
