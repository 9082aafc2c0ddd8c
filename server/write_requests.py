"""Requests that change something -> checked domain queries."""

from __future__ import annotations

import hashlib
import time
from typing import Final

from google.protobuf.message import Message

from protos.recommender.v1 import recommender_pb2 as pb
from server.checks import MAX_ID_BYTES, MAX_TEXT_BYTES, FieldChecks
from server.domain import AddedMovie, AddQuery, MovieId, RatingEvent, RecordQuery, UserId
from server.requests import MAX_TAGS, check_timestamp
from serving.contract import Manifest

MAX_RATINGS: Final = 1_000
MAX_MOVIES: Final = 1_000


def record_query(request: pb.RecordRatingsRequest, manifest: Manifest) -> RecordQuery:
    """The query of a RecordRatingsRequest; a rating without a time was given now.

    Raises:
      InvalidRequest: a field is outside its range.
    """
    checks = FieldChecks()
    checks.text("request_id", request.request_id, MAX_ID_BYTES)
    checks.count("ratings", len(request.ratings), 1, MAX_RATINGS)
    now = int(time.time())
    events = tuple(
        _event(f"ratings[{position}]", message, manifest, now, checks)
        for position, message in enumerate(request.ratings[:MAX_RATINGS])
    )
    checks.done()
    return RecordQuery(events, request.request_id, digest(request))


def _event(
    field: str,
    message: pb.RecordRatingsRequest.RatingEvent,
    manifest: Manifest,
    now: int,
    checks: FieldChecks,
) -> RatingEvent:
    checks.text(f"{field}.user_id", message.user_id, MAX_ID_BYTES, required=True)
    checks.movie_id(f"{field}.movie_id", message.movie_id)
    match message.WhichOneof("action"):
        case "rating":
            checks.between(f"{field}.rating", message.rating, *manifest.rating_range)
        case "remove" if message.remove:
            pass
        case _:
            checks.refuse(field, "says nothing, allowed is a rating or remove = true")
    if message.HasField("rated_at"):
        check_timestamp(f"{field}.rated_at", message.rated_at, checks)
    return RatingEvent(
        user_id=UserId(message.user_id),
        movie_id=MovieId(message.movie_id),
        rating=None if message.remove else message.rating,
        rated_at=message.rated_at.seconds if message.HasField("rated_at") else now,
    )


def add_query(request: pb.AddMoviesRequest, manifest: Manifest) -> AddQuery:
    """The query of an AddMoviesRequest.

    Raises:
      InvalidRequest: a field is outside its range, or a movie repeats.
    """
    checks = FieldChecks()
    checks.text("request_id", request.request_id, MAX_ID_BYTES)
    checks.count("movies", len(request.movies), 1, MAX_MOVIES)
    movies: dict[MovieId, AddedMovie] = {}
    for position, message in enumerate(request.movies[:MAX_MOVIES]):
        movie = _added_movie(f"movies[{position}]", message, manifest, checks)
        if movie.movie_id in movies:
            checks.refuse(f"movies[{position}].movie_id", "repeats, allowed is each movie once")
        movies[movie.movie_id] = movie
    checks.done()
    return AddQuery(tuple(movies.values()), request.request_id, digest(request))


def _added_movie(
    field: str, message: pb.AddMoviesRequest.AddedMovie, manifest: Manifest, checks: FieldChecks
) -> AddedMovie:
    checks.movie_id(f"{field}.movie_id", message.movie_id)
    checks.text(f"{field}.title", message.title, MAX_TEXT_BYTES, required=True)
    if message.title.isspace():
        checks.refuse(f"{field}.title", "is blank, allowed is a title")
    checks.year(f"{field}.year", message.year)
    checks.known(f"{field}.genres", message.genres, manifest.genres)
    checks.count(f"{field}.tags", len(message.tags), 0, MAX_TAGS)
    for position, tag in enumerate(message.tags[:MAX_TAGS]):
        checks.text(f"{field}.tags[{position}]", tag, MAX_ID_BYTES)
    return AddedMovie(
        movie_id=MovieId(message.movie_id),
        title=message.title,
        year=message.year,
        # In one order, whatever the caller's: it is no part of what the movie is.
        genres=tuple(sorted(set(message.genres))),
        tags=tuple(sorted(set(message.tags))),
    )


def digest(request: Message) -> str:
    """Hex SHA-256 of a request's kind and content."""
    content = request.SerializeToString(deterministic=True)
    return hashlib.sha256(request.DESCRIPTOR.full_name.encode() + b"\n" + content).hexdigest()
