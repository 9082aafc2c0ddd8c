"""Page tokens: the rest of a ranking, signed, so that no server must remember it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import struct
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from protos.recommender.v1 import recommender_pb2 as pb
from server.domain import DegradedReason, MovieId, UserState, Version
from server.errors import FieldViolation, InvalidRequest
from server.ranking import RankedList
from server.reasons import Taste
from serving.contract import REASONS_MAX

_FORMAT: Final = b"\x02"
_TAG_BYTES: Final = 16
_HASH_BYTES: Final = 16
_SIZES: Final = struct.Struct("<II")
"""Bytes of the head, and of the ids."""
_JSON: Final = json.JSONEncoder(separators=(",", ":"))
_ID_SEPARATOR: Final = "\n"
"""Ids have no control characters."""
_COLUMNS: Final = (
    ("predicted_ratings", "<f4", 1),
    ("scores", "<f4", 1),
    ("sources", "<i1", 1),
    ("cited", "<i2", REASONS_MAX),
    ("drops", "<f4", REASONS_MAX),
)
"""Name in a RankedList, dtype, values for each movie."""


def hash_of(request: pb.RecommendUserRequest) -> bytes:
    """Names the query of a request: all of it but the page wanted."""
    query = request
    if request.page_token or request.page_size:
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
        signed = _FORMAT + query_hash + _packed(rest)
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
        return _unpacked(signed[1 + _HASH_BYTES :])

    def _tag(self, signed: bytes) -> bytes:
        return hmac.digest(self._key, signed, "sha256")[:_TAG_BYTES]


def _refused(fault: str) -> InvalidRequest:
    return InvalidRequest([FieldViolation("page_token", f"{fault}, allowed is next_page_token")])


def _packed(rest: RankedList) -> bytes:
    """All columns as they lie in memory: text would take ten times as long to write."""
    ids = _ID_SEPARATOR.join((*rest.movie_ids, *rest.cited_ids)).encode()
    taste = rest.taste
    head = _JSON.encode(
        [
            len(rest.movie_ids),
            len(rest.cited_ids),
            rest.user_state.value,
            rest.recommendation_id,
            rest.release_version,
            [reason.value for reason in rest.degraded_reasons],
            [taste.favorites, taste.n_seen, taste.is_newcomer],
        ]
    ).encode()
    columns = [getattr(rest, name).astype(dtype, copy=False) for name, dtype, _ in _COLUMNS]
    sizes = _SIZES.pack(len(head), len(ids))
    return b"".join([sizes, head, ids, *[column.tobytes() for column in columns]])


def _unpacked(content: bytes) -> RankedList:
    head_size, ids_size = _SIZES.unpack_from(content)
    ids_at = _SIZES.size + head_size
    n_movies, n_cited, state, recommendation_id, version, degraded, taste = json.loads(
        content[_SIZES.size : ids_at]
    )
    at = ids_at + ids_size
    ids = tuple(map(MovieId, content[ids_at:at].decode().split(_ID_SEPARATOR)))
    columns: dict[str, NDArray[Any]] = {}
    for name, dtype, width in _COLUMNS:
        flat = np.frombuffer(content, dtype, n_movies * width, at)
        columns[name] = flat if width == 1 else flat.reshape(n_movies, width)
        at += flat.nbytes
    favorites, n_seen, is_newcomer = taste
    return RankedList(
        movie_ids=ids[:n_movies],
        cited_ids=ids[n_movies : n_movies + n_cited],
        taste=Taste(tuple(favorites), n_seen, is_newcomer),
        user_state=UserState(state),
        recommendation_id=recommendation_id,
        release_version=Version(version),
        degraded_reasons=tuple(map(DegradedReason, degraded)),
        **columns,
    )
