"""A RecommendUserResponse as protobuf writes it, around movies that were written once.

A page of ten shows up to forty movies, cited ones included; to make, copy and write each as message
would cost as much as to rank the catalogue. https://protobuf.dev/programming-guides/encoding
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from protos.recommender.v1 import recommender_pb2 as pb
from server.domain import (
    BecauseOfMovie,
    Movie,
    Popular,
    Recommendation,
    Recommendations,
    SharedGenre,
)

MOVIES_KEPT: Final = 8192
"""Movies that are not written anew, listed ones and cited ones; about 200 bytes each."""

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
_SOURCE: Final = _tag(_Row.SOURCE_FIELD_NUMBER, _VARINT)
_REASON: Final = _tag(_Row.REASONS_FIELD_NUMBER, _BYTES)
_BECAUSE: Final = _tag(pb.Reason.BECAUSE_OF_MOVIE_FIELD_NUMBER, _BYTES)
_SHARED_GENRE: Final = _tag(pb.Reason.SHARED_GENRE_FIELD_NUMBER, _BYTES)
_POPULAR: Final = _tag(pb.Reason.POPULAR_FIELD_NUMBER, _VARINT) + b"\x01"
_RATING_AND_SCORE: Final = struct.Struct("<cdcd")
_RATING: Final = _tag(_Row.PREDICTED_RATING_FIELD_NUMBER, _DOUBLE)
_SCORE: Final = _tag(_Row.SCORE_FIELD_NUMBER, _DOUBLE)
_WEIGHT: Final = _tag(_Cited.WEIGHT_FIELD_NUMBER, _DOUBLE)
_DOUBLE_FIELD: Final = struct.Struct("<cd")


def recommend_user_response(
    answer: Recommendations, user_state: int, sources: Sequence[int], how: pb.Answer
) -> bytes:
    """The message, with its fields in the order of their numbers.

    Args:
      answer: what it says.
      user_state: pb.UserState of the answer.
      sources: pb.Source of each of its movies.
      how: the field `answer`.
    """
    return b"".join(
        [
            _recommendations(answer.movies, sources),
            _USER_STATE,
            _varint(user_state),
            _field(_RECOMMENDATION_ID, answer.recommendation_id.encode()),
            # An empty string is not written.
            *([_field(_PAGE_TOKEN, token.encode())] if (token := answer.next_page_token) else []),
            _field(_ANSWER, how.SerializeToString()),
        ]
    )


def _recommendations(movies: Sequence[Recommendation], sources: Sequence[int]) -> bytes:
    written: list[bytes] = []
    for (movie, rating, score, _, reasons), source in zip(movies, sources, strict=True):
        parts = [
            _movie(movie),
            _rating_and_score(rating, score),
            _SOURCE,
            _varint(source),
        ]
        for reason in reasons:
            match reason:
                case BecauseOfMovie(cited, weight):
                    parts += _cited(cited), _DOUBLE_FIELD.pack(_WEIGHT, weight)
                case SharedGenre(genre):
                    parts.append(_field(_REASON, _field(_SHARED_GENRE, genre.encode())))
                case Popular():
                    parts.append(_field(_REASON, _POPULAR))
        row = b"".join(parts)
        written += _ROW, _varint(len(row)), row
    return b"".join(written)


def _rating_and_score(rating: float, score: float) -> bytes:
    if rating and score:
        return _RATING_AND_SCORE.pack(_RATING, rating, _SCORE, score)
    # As an empty string, 0 is not written; -0.0 is.
    return b"".join(
        _DOUBLE_FIELD.pack(tag, value)
        for tag, value in ((_RATING, rating), (_SCORE, score))
        if value or math.copysign(1, value) < 0
    )


@lru_cache(MOVIES_KEPT)
def _cited(movie: Movie) -> bytes:
    """A reason that cites a movie, all but the weight, which stands at its end."""
    content = _movie(movie)
    because = _BECAUSE + _varint(len(content) + _DOUBLE_FIELD.size) + content
    return _REASON + _varint(len(because) + _DOUBLE_FIELD.size) + because


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
    if number < len(_SMALL):
        return _SMALL[number]
    return bytes((number & 0x7F | 0x80,)) + _varint(number >> 7)
