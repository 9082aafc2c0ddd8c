"""Page tokens: the rest of a ranking, compressed and signed, so that no server must remember it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import zlib
from typing import Any, Final

from protos.recommender.v1 import recommender_pb2 as pb
from server.domain import (
    BecauseOfMovie,
    DegradedReason,
    MovieId,
    Popular,
    RankedList,
    RankedMovie,
    Reason,
    SharedGenre,
    Source,
    UserState,
    Version,
)
from server.errors import FieldViolation, InvalidRequest

_FORMAT: Final = b"\x01"
_TAG_BYTES: Final = 16
_HASH_BYTES: Final = 16


def hash_of(request: pb.RecommendUserRequest) -> bytes:
    """Names the query of a request: all of it but the page wanted."""
    query = pb.RecommendUserRequest()
    query.CopyFrom(request)
    query.ClearField("page_token")
    query.ClearField("page_size")
    return hashlib.sha256(query.SerializeToString(deterministic=True)).digest()[:_HASH_BYTES]


class PageTokens:
    """Seals and opens tokens; every replica with the same key opens them.

    Args:
      key: secret; whoever has it can make up rankings.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def seal(self, rest: RankedList, query_hash: bytes) -> str:
        """A token, printable ASCII, for a ranking that answers the query with this hash."""
        content = zlib.compress(json.dumps(_plain(rest), separators=(",", ":")).encode())
        signed = _FORMAT + query_hash + content
        return base64.urlsafe_b64encode(self._tag(signed) + signed).decode()

    def open(self, token: str, query_hash: bytes) -> RankedList:
        """The ranking of a token.

        Raises:
          InvalidRequest: the token is not ours, was changed, or belongs to another query.
        """
        try:
            sealed = base64.b64decode(token, altchars=b"-_", validate=True)
        except (binascii.Error, ValueError) as error:
            raise _refused("is no page token of this service") from error
        tag, signed = sealed[:_TAG_BYTES], sealed[_TAG_BYTES:]
        if not hmac.compare_digest(tag, self._tag(signed)) or signed[:1] != _FORMAT:
            raise _refused("is no page token of this service")
        if not hmac.compare_digest(signed[1 : 1 + _HASH_BYTES], query_hash):
            raise _refused("belongs to another query; only page_size may change between pages")
        return _ranked_list(json.loads(zlib.decompress(signed[1 + _HASH_BYTES :])))

    def _tag(self, signed: bytes) -> bytes:
        return hmac.digest(self._key, signed, "sha256")[:_TAG_BYTES]


def _refused(fault: str) -> InvalidRequest:
    return InvalidRequest([FieldViolation("page_token", f"{fault}, allowed is next_page_token")])


def _plain(rest: RankedList) -> list[Any]:
    return [
        rest.user_state.value,
        rest.recommendation_id,
        rest.release_version,
        [reason.value for reason in rest.degraded_reasons],
        [
            [
                m.movie_id,
                m.predicted_rating,
                m.score,
                m.source.value,
                *map(_plain_reason, m.reasons),
            ]
            for m in rest.movies
        ],
    ]


def _ranked_list(plain: list[Any]) -> RankedList:
    state, recommendation_id, version, degraded, movies = plain
    return RankedList(
        movies=tuple(
            RankedMovie(MovieId(i), rating, score, Source(source), tuple(map(_reason, reasons)))
            for i, rating, score, source, *reasons in movies
        ),
        user_state=UserState(state),
        recommendation_id=recommendation_id,
        release_version=Version(version),
        degraded_reasons=tuple(map(DegradedReason, degraded)),
    )


def _plain_reason(reason: Reason) -> list[Any]:
    match reason:
        case BecauseOfMovie(movie_id, weight):
            return [movie_id, weight]
        case SharedGenre(genre):
            return [genre]
        case Popular():
            return []


def _reason(plain: list[Any]) -> Reason:
    match plain:
        case [movie_id, weight]:
            return BecauseOfMovie(MovieId(movie_id), weight)
        case [genre]:
            return SharedGenre(genre)
        case _:
            return Popular()
