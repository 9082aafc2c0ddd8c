"""A RecommendUserResponse as protobuf writes it, around movies that were written once.

A page of ten shows up to forty movies, cited ones included; to make, copy and write each as message
would cost as much as to rank the catalogue. https://protobuf.dev/programming-guides/encoding
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

from protos.recommender.v1 import recommender_pb2 as pb
from server import native
from server.domain import NOBODY, Reason, SharedGenre, Source
from server.movie_fields import field_of, varint
from server.page import Page
from server.ranking import SOURCES

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


def _tag(number: int, wire_type: int) -> bytes:
    return bytes((number << 3 | wire_type,))


_ROW: Final = _tag(_Response.RECOMMENDATIONS_FIELD_NUMBER, _BYTES)
_USER_STATE: Final = _tag(_Response.USER_STATE_FIELD_NUMBER, _VARINT)
_RECOMMENDATION_ID: Final = _tag(_Response.RECOMMENDATION_ID_FIELD_NUMBER, _BYTES)
_PAGE_TOKEN: Final = _tag(_Response.NEXT_PAGE_TOKEN_FIELD_NUMBER, _BYTES)
_ANSWER: Final = _tag(_Response.ANSWER_FIELD_NUMBER, _BYTES)
_REASON: Final = _tag(_Row.REASONS_FIELD_NUMBER, _BYTES)
_BECAUSE: Final = _tag(pb.Reason.BECAUSE_OF_MOVIE_FIELD_NUMBER, _BYTES)
_SHARED_GENRE: Final = _tag(pb.Reason.SHARED_GENRE_FIELD_NUMBER, _BYTES)
_IS_POPULAR: Final = field_of(_REASON, _tag(pb.Reason.POPULAR_FIELD_NUMBER, _VARINT) + b"\x01")
_RATING: Final = _tag(_Row.PREDICTED_RATING_FIELD_NUMBER, _DOUBLE)
_SCORE: Final = _tag(_Row.SCORE_FIELD_NUMBER, _DOUBLE)
_WEIGHT: Final = _tag(_Cited.WEIGHT_FIELD_NUMBER, _DOUBLE)
_SOURCE: Final = _tag(_Row.SOURCE_FIELD_NUMBER, _VARINT)
_NUMBERS: Final = bytes(SOURCE_NUMBERS[source] for source in SOURCES)
"""Of the public API, by position in SOURCES."""
_pack_number: Final = struct.Struct("<cd").pack
_pack_numbers: Final = struct.Struct("<cdcd").pack


def recommend_user_response(page: Page, user_state: int, how: bytes) -> bytes:
    """The message, with its fields in the order of their numbers.

    Args:
      page: what it says.
      user_state: pb.UserState of the page.
      how: the field `answer`, as it is written.
    """
    further: Sequence[bytes] = ()
    if page.further:
        further = [b"".join(map(_reason, reasons)) for reasons in page.further]
    return _response(page, further, _NUMBERS, user_state, how)


def response_in_python(
    page: Page, further: Sequence[bytes], source_numbers: bytes, user_state: int, how: bytes
) -> bytes:
    """As recommend_user_response; `_pages.response` writes the same bytes.

    Args:
      page: what it says.
      further: [n] the fields `reasons` that are not of cited movies; empty where there are none.
      source_numbers: pb.Source, below 128, by position in SOURCES.
      user_state: pb.UserState of the page.
      how: the field `answer`, as it is written.
    """
    ranked, fields, n_movies = page.ranked, page.catalogue.fields, len(page.sources)
    ids, history, history_ids = ranked.movie_ids, ranked.history.tolist(), ranked.history_ids
    written = []
    for number, (movie, rating, score, source, places, drops) in enumerate(
        zip(
            ranked.movies[:n_movies].tolist(),
            ranked.predicted_ratings[:n_movies].tolist(),
            ranked.scores[:n_movies].tolist(),
            page.sources,
            page.reasons.cited[:n_movies].tolist(),
            page.reasons.drops[:n_movies].tolist(),
            strict=True,
        )
    ):
        parts = [
            fields.of(movie) if movie != NOBODY else fields.bare(ids[number]),
            _pack_numbers(_RATING, rating, _SCORE, score)
            if rating and score
            else _unless_zero(_RATING, rating) + _unless_zero(_SCORE, score),
            _SOURCE,
            source_numbers[source : source + 1],
        ]
        for place, drop in zip(places, drops, strict=True):
            if place != NOBODY:
                cited = history[place]
                field = fields.of(cited) if cited != NOBODY else fields.bare(history_ids[place])
                because = field_of(_BECAUSE, field + _pack_number(_WEIGHT, drop))
                parts.append(field_of(_REASON, because))
        if further:
            parts.append(further[number])
        written.append(field_of(_ROW, b"".join(parts)))
    token = page.next_page_token
    written += [
        _USER_STATE,
        varint(user_state),
        field_of(_RECOMMENDATION_ID, ranked.recommendation_id.encode()),
        # An empty string is not written.
        field_of(_PAGE_TOKEN, token.encode()) if token else b"",
        field_of(_ANSWER, how),
    ]
    return b"".join(written)


_response = response_in_python if native.PAGES is None else native.PAGES.response


def _unless_zero(tag: bytes, value: float) -> bytes:
    """As an empty string, 0 is not written; -0.0 is."""
    return _pack_number(tag, value) if value or math.copysign(1, value) < 0 else b""


def _reason(reason: Reason) -> bytes:
    return _shared_genre(reason.genre) if isinstance(reason, SharedGenre) else _IS_POPULAR


@lru_cache(1024)
def _shared_genre(genre: str) -> bytes:
    return field_of(_REASON, field_of(_SHARED_GENRE, genre.encode()))
