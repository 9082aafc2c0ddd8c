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
from server import native
from server.domain import DegradedReason, UserState, Version
from server.errors import FieldViolation, InvalidRequest
from server.features.catalogue import Catalogue
from server.ranking import RankedList, Reasons
from server.reasons import Taste
from serving.contract import REASONS_MAX

_FORMAT: Final = b"\x05"
_TAG_BYTES: Final = 16
_HASH_BYTES: Final = 16
_HEAD: Final = struct.Struct("<QB?HHI")
"""The release; state and newcomer; bytes of the recommendation id, of the reasons for being
degraded and of the taste, which follow as text."""
_SIZES: Final = struct.Struct("<IIHH?")
"""Before the columns: movies, those of the history, the bytes of an id of each, and whether there
are reasons."""
_USER_STATES: Final = tuple(UserState)
_WIDE_ID: Final = 16
"""Bytes, from which on it pays to look for the longest id of a list."""


def hash_of(request: pb.RecommendUserRequest) -> bytes:
    """Names the query of a request: all of it but the page wanted."""
    query = request
    if request.page_token or request.page_size:
        query = pb.RecommendUserRequest()
        query.CopyFrom(request)
        query.ClearField("page_token")
        query.ClearField("page_size")
    # Hashed however short it is: tokens stand in logs, and user ids need not.
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
        signed = _packed(ranked, n_shown, _FORMAT + query_hash + _head(ranked))
        return _text_of(self._tag(signed), signed)

    def open(self, token: str, query_hash: bytes, catalogue: Catalogue) -> RankedList:
        """The ranking of a token.

        Args:
          token: as a caller sends it.
          query_hash: of the query that came with it.
          catalogue: that pages are cut from.

        Raises:
          InvalidRequest: the token is not ours, was changed, or belongs to another query.
        """
        try:
            sealed = base64.b64decode(token, altchars=b"-_", validate=True)
        except (binascii.Error, ValueError) as error:
            raise _refused("is no page token of this service") from error
        # Base64 reads other texts as the same bytes: by their padding and the last unused bits.
        tag, signed = sealed[:_TAG_BYTES], sealed[_TAG_BYTES:]
        if len(tag) < _TAG_BYTES or _text_of(tag, signed) != token:
            raise _refused("is no page token of this service")
        if not hmac.compare_digest(tag, self._tag(signed)) or signed[:1] != _FORMAT:
            raise _refused("is no page token of this service")
        if not hmac.compare_digest(signed[1 : 1 + _HASH_BYTES], query_hash):
            raise _refused("belongs to another query; only page_size may change between pages")
        return _unpacked(signed[1 + _HASH_BYTES :], catalogue)

    def _tag(self, signed: bytes) -> bytes:
        return hmac.digest(self._key, signed, "sha256")[:_TAG_BYTES]


def _refused(fault: str) -> InvalidRequest:
    return InvalidRequest([FieldViolation("page_token", f"{fault}, allowed is next_page_token")])


def _head(ranked: RankedList) -> bytes:
    """What is said once of a ranking."""
    recommendation_id = ranked.recommendation_id.encode()
    reasons = ranked.degraded_reasons
    degraded = ",".join([reason.value for reason in reasons]).encode() if reasons else b""
    taste = ranked.taste.as_json
    numbers = _HEAD.pack(
        ranked.release_version,
        _USER_STATES.index(ranked.user_state),
        ranked.is_newcomer,
        len(recommendation_id),
        len(degraded),
        len(taste),
    )
    return numbers + recommendation_id + degraded + taste


def packed_in_python(ranked: RankedList, n_shown: int, head: bytes) -> bytes:
    """The columns of a ranking as they lie in memory: text would take ten times as long to write.

    `_pages.packed` writes the same bytes.

    Args:
      ranked: as the page was cut from it.
      n_shown: movies of the page.
      head: what stands before them.
    """
    ids, history_ids = _narrowed(ranked.movie_ids[n_shown:]), _narrowed(ranked.history_ids)
    reasons, further = ranked.reasons, slice(n_shown, None)
    sizes = _SIZES.pack(
        len(ids), len(history_ids), ids.itemsize, history_ids.itemsize, reasons is not None
    )
    columns = [
        ids,
        history_ids,
        ranked.predicted_ratings[further].astype("<f4", copy=False),
        ranked.scores[further].astype("<f4", copy=False),
        ranked.sources[further],
    ]
    if reasons is None:
        columns.append(ranked.history_ratings.astype("<f4", copy=False))
    else:
        columns.append(reasons.cited[further].astype("<i2", copy=False))
        columns.append(reasons.drops[further].astype("<f4", copy=False))
    return b"".join([head, sizes, *[column.tobytes() for column in columns]])


def _narrowed(ids: NDArray[np.bytes_]) -> NDArray[np.bytes_]:
    """The same as wide as the longest of them: one long id of a catalogue is not in every list."""
    if ids.itemsize <= _WIDE_ID:
        return ids
    return ids.astype(f"S{np.char.str_len(ids).max(initial=1)}")


def text_in_python(tag: bytes, signed: bytes) -> str:
    """A token of these bytes, as `_pages.text_of` writes it."""
    return base64.urlsafe_b64encode(tag + signed).decode()


_packed = packed_in_python if native.PAGES is None else native.PAGES.packed
_text_of = text_in_python if native.PAGES is None else native.PAGES.text_of


def _unpacked(content: bytes, catalogue: Catalogue) -> RankedList:
    version, state, is_newcomer, *lengths = _HEAD.unpack_from(content)
    at, texts = _HEAD.size, []
    for length in lengths:
        texts.append(content[at : at + length])
        at += length
    recommendation_id, degraded, taste = texts
    n_movies, n_history, id_size, history_id_size, has_reasons = _SIZES.unpack_from(content, at)
    at += _SIZES.size

    def column(dtype: str, n_values: int) -> NDArray[Any]:
        nonlocal at
        values = np.frombuffer(content, dtype, n_values, at)
        at += values.nbytes
        return values

    movie_ids = column(f"S{id_size}", n_movies)
    history_ids = column(f"S{history_id_size}", n_history)
    ratings, scores = column("<f4", n_movies), column("<f4", n_movies)
    sources = column("i1", n_movies)
    reasons = None
    if has_reasons:
        history_ratings = np.full(n_history, np.nan, np.float32)
        cited, drops = column("<i2", n_movies * REASONS_MAX), column("<f4", n_movies * REASONS_MAX)
        reasons = Reasons(cited.reshape(-1, REASONS_MAX), drops.reshape(-1, REASONS_MAX))
    else:
        history_ratings = column("<f4", n_history)
    return RankedList(
        movies=catalogue.rows_of(movie_ids),
        movie_ids=movie_ids,
        predicted_ratings=ratings,
        scores=scores,
        sources=sources,
        history=catalogue.rows_of(history_ids),
        history_ids=history_ids,
        history_ratings=history_ratings,
        reasons=reasons,
        is_trained=False,
        taste=Taste.from_json(taste),
        is_newcomer=is_newcomer,
        user_state=_USER_STATES[state],
        recommendation_id=recommendation_id.decode(),
        release_version=Version(version),
        degraded_reasons=tuple(map(DegradedReason, filter(None, degraded.decode().split(",")))),
    )
