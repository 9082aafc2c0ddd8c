"""A RecommendUserResponse as protobuf writes it, around movies that were written once.

A page of ten shows up to forty movies, cited ones included; to make, copy and write each as message
would cost as much as to rank the catalogue. https://protobuf.dev/programming-guides/encoding
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from protos.recommender.v1 import recommender_pb2 as pb
from server.domain import NOBODY, Movie, Page, Popular, Reason, SharedGenre, Source

MOVIES_KEPT: Final = 8192
"""Movies that are not written anew, listed ones and cited ones; about 200 bytes each."""

SOURCE_NUMBERS: Final[Mapping[Source, pb.Source]] = {
    Source.RETRIEVAL: pb.SOURCE_RETRIEVAL,
    Source.CONTENT: pb.SOURCE_CONTENT,
    Source.POPULAR: pb.SOURCE_POPULAR,
    Source.MEAN: pb.SOURCE_MEAN,
    Source.ENGINE: pb.SOURCE_ENGINE,
}

_Response = pb.RecommendUserResponse
_Row = _Response.Recommendation
_Cited = pb.Reason.BecauseOfMovie

_BYTES, _DOUBLE, _VARINT = 2, 1, 0
"""Wire types."""

_SMALL: Final = tuple(bytes((number,)) for number in range(0x80))
"""Numbers of one byte."""


def _tag(number: int, wire_type: int) -> bytes:
    return bytes((number << 3 | wire_type,))


_ROW: Final = _tag(_Response.RECOMMENDATIONS_FIELD_NUMBER, _BYTES)
_USER_STATE: Final = _tag(_Response.USER_STATE_FIELD_NUMBER, _VARINT)
_RECOMMENDATION_ID: Final = _tag(_Response.RECOMMENDATION_ID_FIELD_NUMBER, _BYTES)
_PAGE_TOKEN: Final = _tag(_Response.NEXT_PAGE_TOKEN_FIELD_NUMBER, _BYTES)
_ANSWER: Final = _tag(_Response.ANSWER_FIELD_NUMBER, _BYTES)
_MOVIE: Final = _tag(_Row.MOVIE_FIELD_NUMBER, _BYTES)
_REASON: Final = _tag(_Row.REASONS_FIELD_NUMBER, _BYTES)
_BECAUSE: Final = _tag(pb.Reason.BECAUSE_OF_MOVIE_FIELD_NUMBER, _BYTES)
_SHARED_GENRE: Final = _tag(pb.Reason.SHARED_GENRE_FIELD_NUMBER, _BYTES)
_POPULAR: Final = _tag(pb.Reason.POPULAR_FIELD_NUMBER, _VARINT) + b"\x01"
_RATING: Final = _tag(_Row.PREDICTED_RATING_FIELD_NUMBER, _DOUBLE)
_SCORE: Final = _tag(_Row.SCORE_FIELD_NUMBER, _DOUBLE)
_WEIGHT: Final = _tag(_Cited.WEIGHT_FIELD_NUMBER, _DOUBLE)
_DOUBLE_BYTES: Final = 9
"""Of a field, with its tag."""
_pack_number: Final = struct.Struct("<cd").pack
_pack_numbers: Final = struct.Struct("<cdcd").pack
_SOURCES: Final = {
    source: _tag(_Row.SOURCE_FIELD_NUMBER, _VARINT) + _SMALL[number]
    for source, number in SOURCE_NUMBERS.items()
}


def recommend_user_response(page: Page, user_state: int, how: bytes) -> bytes:
    """The message, with its fields in the order of their numbers.

    Args:
      page: what it says.
      user_state: pb.UserState of the page.
      how: the field `answer`, as it is written.
    """
    token = page.next_page_token
    return b"".join(
        [
            *_recommendations(page),
            _USER_STATE,
            _varint(user_state),
            _field(_RECOMMENDATION_ID, page.recommendation_id.encode()),
            # An empty string is not written.
            _field(_PAGE_TOKEN, token.encode()) if token else b"",
            _field(_ANSWER, how),
        ]
    )


def _recommendations(page: Page) -> list[bytes]:
    """The field `recommendations` in pieces."""
    citations = {place: _cited(movie) for place, movie in page.history.items()}
    written: list[bytes] = []
    # One loop, and calls for what is rare alone: a call for each movie and each reason would take
    # as long as all the rest of it.
    for movie, rating, score, source, places, drops, reasons in zip(
        page.movies,
        page.predicted_ratings,
        page.scores,
        page.sources,
        page.cited,
        page.drops,
        page.reasons,
        strict=True,
    ):
        numbers = (
            _pack_numbers(_RATING, rating, _SCORE, score)
            if rating and score
            else _with_zeros(rating, score)
        )
        parts = [_movie(movie), numbers, _SOURCES[source]]
        for place, drop in zip(places, drops, strict=True):
            if place != NOBODY:
                parts += citations[place], _pack_number(_WEIGHT, drop)
        if reasons:
            parts += map(_reason, reasons)
        row = b"".join(parts)
        written += _ROW, _varint(len(row)), row
    return written


def _reason(reason: Reason) -> bytes:
    match reason:
        case SharedGenre(genre):
            return _field(_REASON, _field(_SHARED_GENRE, genre.encode()))
        case Popular():
            return _field(_REASON, _POPULAR)


def _with_zeros(rating: float, score: float) -> bytes:
    """A rating and a score: as an empty string, 0 is not written; -0.0 is."""
    return b"".join(
        _pack_number(tag, value)
        for tag, value in ((_RATING, rating), (_SCORE, score))
        if value or math.copysign(1, value) < 0
    )


@lru_cache(MOVIES_KEPT)
def _cited(movie: Movie) -> bytes:
    """A reason that cites a movie, all but the weight, which stands at its end."""
    content = _movie(movie)
    because = _BECAUSE + _varint(len(content) + _DOUBLE_BYTES) + content
    return _REASON + _varint(len(because) + _DOUBLE_BYTES) + because


@lru_cache(MOVIES_KEPT)
def _movie(movie: Movie) -> bytes:
    """The field `movie`, which has one number in a Recommendation and in a BecauseOfMovie."""
    return _field(_MOVIE, movie_message(movie).SerializeToString())


def movie_message(movie: Movie) -> pb.Movie:
    """A movie as the public API shows it."""
    return pb.Movie(
        movie_id=movie.movie_id,
        title=movie.title,
        year=movie.year,
        genres=movie.genres,
        rating_count=movie.rating_count,
        mean_rating=movie.mean_rating,
    )


def _field(tag: bytes, content: bytes) -> bytes:
    return tag + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    """Seven bits a byte, the lowest first; the high bit says that more follow."""
    if number < 1 << 7:
        return _SMALL[number]
    # Lengths of rows: without a call of its own for the second byte.
    if number < 1 << 14:
        return bytes((number & 0x7F | 0x80, number >> 7))
    return bytes((number & 0x7F | 0x80,)) + _varint(number >> 7)
