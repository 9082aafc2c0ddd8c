"""Page tokens: the rest of a ranking, signed, so that no server must remember it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import struct
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from protos.recommender.v1 import recommender_pb2 as pb
from server.domain import DegradedReason, UserState, Version
from server.errors import FieldViolation, InvalidRequest
from server.ranking import RankedList
from server.reasons import Taste
from serving.contract import REASONS_MAX

_FORMAT: Final = b"\x04"
_TAG_BYTES: Final = 16
_HASH_BYTES: Final = 16
_HEAD: Final = struct.Struct("<QIIHHB?HHI")
"""The release; movies, those of the history, the bytes of an id of each; state and newcomer; bytes
of the recommendation id, of the reasons for being degraded and of the taste, which follow as
text."""
_USER_STATES: Final = tuple(UserState)
_WIDE_ID: Final = 16
"""Bytes, from which on it pays to look for the longest id of a list."""
_COLUMNS: Final = (
    ("predicted_ratings", "<f4", 1),
    ("scores", "<f4", 1),
    ("sources", "<i1", 1),
    ("cited", "<i2", REASONS_MAX),
    ("drops", "<f4", REASONS_MAX),
)
"""Name in a RankedList, dtype, values for each movie."""
_ITEM_BYTES: Final = {dtype: np.dtype(dtype).itemsize for _, dtype, _ in _COLUMNS}


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

    def seal(self, ranked: RankedList, n_shown: int, query_hash: bytes) -> str:
        """A token, printable ASCII, for what a ranking has left after a page.

        Args:
          ranked: as the page was cut from it.
          n_shown: movies of the page.
          query_hash: of the query that the ranking answers.
        """
        signed = _FORMAT + query_hash + _packed(ranked, n_shown)
        return _text_of(self._tag(signed) + signed)

    def open(self, token: str, query_hash: bytes) -> RankedList:
        """The ranking of a token.

        Raises:
          InvalidRequest: the token is not ours, was changed, or belongs to another query.
        """
        try:
            sealed = base64.b64decode(token, altchars=b"-_", validate=True)
        except (binascii.Error, ValueError) as error:
            raise _refused("is no page token of this service") from error
        # Base64 reads other texts as the same bytes: by their padding and the last unused bits.
        if _text_of(sealed) != token:
            raise _refused("is no page token of this service")
        tag, signed = sealed[:_TAG_BYTES], sealed[_TAG_BYTES:]
        if not hmac.compare_digest(tag, self._tag(signed)) or signed[:1] != _FORMAT:
            raise _refused("is no page token of this service")
        if not hmac.compare_digest(signed[1 : 1 + _HASH_BYTES], query_hash):
            raise _refused("belongs to another query; only page_size may change between pages")
        return _unpacked(signed[1 + _HASH_BYTES :])

    def _tag(self, signed: bytes) -> bytes:
        return hmac.digest(self._key, signed, "sha256")[:_TAG_BYTES]


def _text_of(sealed: bytes) -> str:
    return base64.urlsafe_b64encode(sealed).decode()


def _refused(fault: str) -> InvalidRequest:
    return InvalidRequest([FieldViolation("page_token", f"{fault}, allowed is next_page_token")])


def _packed(ranked: RankedList, n_shown: int) -> bytes:
    """All columns as they lie in memory: text would take ten times as long to write."""
    recommendation_id = ranked.recommendation_id.encode()
    degraded = ",".join([reason.value for reason in ranked.degraded_reasons]).encode()
    taste = ranked.taste.as_json
    ids, history_ids = _narrowed(ranked.movie_ids[n_shown:]), _narrowed(ranked.history_ids)
    head = _HEAD.pack(
        ranked.release_version,
        len(ranked) - n_shown,
        len(history_ids),
        ids.itemsize,
        history_ids.itemsize,
        _USER_STATES.index(ranked.user_state),
        ranked.is_newcomer,
        len(recommendation_id),
        len(degraded),
        len(taste),
    )
    written = [ids.tobytes(), history_ids.tobytes()]
    for column, dtype, width in _COLUMNS:
        # Whole, then cut: a part of an array is another array, which takes longer to make.
        content = getattr(ranked, column).astype(dtype, copy=False).tobytes()
        written.append(content[n_shown * width * _ITEM_BYTES[dtype] :])
    return b"".join([head, recommendation_id, degraded, taste, *written])


def _narrowed(ids: NDArray[np.bytes_]) -> NDArray[np.bytes_]:
    """The same as wide as the longest of them: one long id of a catalogue is not in every list."""
    if ids.itemsize <= _WIDE_ID or not len(ids):
        return ids
    return ids.astype(f"S{np.char.str_len(ids).max()}")


def _unpacked(content: bytes) -> RankedList:
    version, n_movies, n_history, id_size, history_id_size, state, is_newcomer, *sizes = (
        _HEAD.unpack_from(content)
    )
    at, texts = _HEAD.size, []
    for size in sizes:
        texts.append(content[at : at + size])
        at += size
    recommendation_id, degraded, taste = texts
    columns: dict[str, NDArray[Any]] = {}
    for name, dtype, n_values in (
        ("movie_ids", f"S{id_size}", n_movies),
        ("history_ids", f"S{history_id_size}", n_history),
        *((name, dtype, n_movies * width) for name, dtype, width in _COLUMNS),
    ):
        columns[name] = np.frombuffer(content, dtype, n_values, at)
        at += columns[name].nbytes
    for name, _, width in _COLUMNS:
        if width > 1:
            columns[name] = columns[name].reshape(n_movies, width)
    return RankedList(
        taste=Taste.from_json(taste),
        is_newcomer=is_newcomer,
        user_state=_USER_STATES[state],
        recommendation_id=recommendation_id.decode(),
        release_version=Version(version),
        degraded_reasons=tuple(map(DegradedReason, filter(None, degraded.decode().split(",")))),
        **columns,
    )
