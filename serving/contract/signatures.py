"""Contract 2: the parts of a release, their signatures, dtypes and shapes.

Dimensions are letters that mean the same everywhere:

====  =========================================================================
B     batch, always dimension 0; any size from 1
H     history width, P profile width, E excluded width, C candidate width,
      G genre width, T tag width: padded with "" wherever a row is shorter
W     words of a genre mask: bit g of word w is genre 64 w + g
K     K_MAX columns, always; fewer movies allowed: id "", score 0, rating 0
D     dimension of the retrieval vectors, R of the rating vectors (manifest)
====  =========================================================================

Every input has rank >= 1 with dimension 0 = batch, and the first element of a
padded row is neutral: TensorFlow Serving pads merged calls with a tensor's own
first element.

A movie's number is 1 + its movie_index in the release's snapshot; 0 is padding
and no movie. Numbers travel as raw bytes, while each of a thousand strings of a
call is made, checked and looked up on both sides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal

CONTRACT_VERSION: Final = 2

READABLE_VERSIONS: Final = (1, 2)
"""Of manifests. A release of contract 1 has no signature `by_number`; all else is the same."""

K_MAX: Final = 200
"""Columns of every ranked output, and the deepest page."""

REASONS_MAX: Final = 3
"""History movies cited for each recommended movie."""

GENRES_PER_WORD: Final = 64

YEAR_UNSET: Final = (-(2**63), 2**63 - 1)
"""`years` of a request without bounds: the int64 extremes."""

DEFAULT_SIGNATURE: Final = "serving_default"

BY_NUMBER: Final = "by_number"
"""The signature of `recommend` that names movies by number."""

WIDTH_BUCKETS: Final = (1, 16, 64, 256, 1024, 16384)
"""Widths to which callers pad; only calls of one bucket may be merged."""

ORDER_DEFAULT: Final = 0
ORDER_PREDICTED_RATING: Final = 1

MODE_HYBRID: Final = 0
MODE_COLLABORATIVE: Final = 1
MODE_CONTENT: Final = 2

Dtype = Literal["string", "float32", "int64"]


@dataclass(frozen=True, slots=True)
class TensorDef:
    """One named input or output: its dtype and its dimensions by letter or number."""

    dtype: Dtype
    dims: tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Signature:
    """A callable of a servable."""

    inputs: Mapping[str, TensorDef]
    outputs: Mapping[str, TensorDef] = field(default_factory=dict)


def _string(*dims: str | int) -> TensorDef:
    return TensorDef("string", dims)


def _float(*dims: str | int) -> TensorDef:
    return TensorDef("float32", dims)


def _int64(*dims: str | int) -> TensorDef:
    return TensorDef("int64", dims)


_HISTORY = {"history_ids": _string("B", "H"), "history_ratings": _float("B", "H")}
_USER = {"user_id": _string("B"), **_HISTORY, "profile": _string("B", "P")}
_MASKS = {
    "genres_any": _int64("B", "W"),
    "genres_all": _int64("B", "W"),
    "genres_none": _int64("B", "W"),
    "years": _int64("B", 2),
}
_MOVIE_FEATURES = {
    "title": _string("B"),
    "genres": _string("B", "G"),
    "year": _int64("B"),
    "tags": _string("B", "T"),
}
_RANKED = {"movie_ids": _string("B", K_MAX), "scores": _float("B", K_MAX)}
_WISH = {**_MASKS, "order": _int64("B", 1)}
_PLACED_USER = {
    "user_vector": _float("B", "D"),
    "rating_vector": _float("B", "R"),
    "rating_bias": _float("B", 1),
    # Mean and deviation of the retrieval scores, then of the ratings,
    # over the candidates of the final order; a deviation of 0 means z = 0.
    "score_stats": _float("B", 4),
}

SIGNATURES: Final[Mapping[str, Mapping[str, Signature]]] = MappingProxyType(
    {
        "recommend": {
            DEFAULT_SIGNATURE: Signature(
                inputs={**_USER, "exclude_ids": _string("B", "E"), **_WISH},
                outputs={
                    **_RANKED,
                    "ratings": _float("B", K_MAX),
                    "reason_ids": _string("B", K_MAX, REASONS_MAX),
                    "reason_drops": _float("B", K_MAX, REASONS_MAX),
                    **_PLACED_USER,
                },
            ),
            BY_NUMBER: Signature(
                inputs={
                    "user_id": _string("B"),
                    "history_numbers": _int64("B", "H"),
                    "history_ratings": _float("B", "H"),
                    "profile": _string("B", "P"),
                    "exclude_numbers": _int64("B", "E"),
                    **_WISH,
                },
                outputs={
                    "movie_numbers": _int64("B", K_MAX),
                    "scores": _float("B", K_MAX),
                    "ratings": _float("B", K_MAX),
                    # 1 + the column of history_numbers; 0 = none is cited.
                    "reason_places": _int64("B", K_MAX, REASONS_MAX),
                    "reason_drops": _float("B", K_MAX, REASONS_MAX),
                    **_PLACED_USER,
                },
            ),
        },
        "ranking": {
            DEFAULT_SIGNATURE: Signature(
                inputs={"user_id": _string("B"), "movie_id": _string("B")},
                outputs={"rating": _float("B")},
            ),
            "rank": Signature(
                inputs={**_USER, "movie_ids": _string("B", "C")},
                outputs={"ratings": _float("B", "C")},
            ),
        },
        "retrieval": {
            DEFAULT_SIGNATURE: Signature(inputs=_USER, outputs=_RANKED),
            "similar": Signature(
                inputs={"movie_id": _string("B"), "mode": _int64("B", 1), **_MASKS},
                outputs=_RANKED,
            ),
        },
        "content": {
            "embed_movie": Signature(
                inputs=_MOVIE_FEATURES,
                outputs={
                    "item_vector": _float("B", "D"),
                    "rating_vector": _float("B", "R"),
                    "rating_bias": _float("B", 1),
                },
            ),
            "embed_user": Signature(
                inputs={"profile": _string("B", "P")},
                outputs={"user_vector": _float("B", "D")},
            ),
            "similar": Signature(inputs={**_MOVIE_FEATURES, **_MASKS}, outputs=_RANKED),
        },
    }
)
"""The required SavedModels, by servable and signature name."""

LIST_OUTPUTS: Final = ("movie_numbers", "scores", "ratings")
REASON_OUTPUTS: Final = ("reason_places", "reason_drops")
"""Of `by_number`: what is fetched for a list, and for its reasons where no engine says them."""

FETCHED: Final[Mapping[tuple[str, str], tuple[tuple[str, ...], ...]]] = MappingProxyType(
    {("recommend", BY_NUMBER): (LIST_OUTPUTS, LIST_OUTPUTS + REASON_OUTPUTS)}
)
"""What most calls fetch of a (servable, signature), where that is not all: a model server prepares
each choice of outputs when it is fetched first, which takes a second."""

REQUIRED_SERVABLES: Final = tuple(SIGNATURES)

OPTIONAL_SERVABLES: Final[Mapping[str, str]] = MappingProxyType(
    {"retrieval_scann": "retrieval", "recommend_scann": "recommend"}
)
"""ScaNN flavours, each with the signatures of the servable that it stands in for."""


def signatures_of(servable: str) -> Mapping[str, Signature]:
    """The signatures of a required or an optional servable.

    Raises:
      KeyError: no servable has this name.
    """
    return SIGNATURES[OPTIONAL_SERVABLES.get(servable, servable)]


FEATURES_PART: Final = "features"
"""The snapshot: a required part that is no SavedModel."""


def bucket_width(n_values: int) -> int:
    """The bucket that holds a neutral first element and `n_values` more.

    Raises:
      ValueError: more values than the widest bucket holds.
    """
    for width in WIDTH_BUCKETS:
        if n_values == 0 or n_values + 1 <= width:
            return width
    raise ValueError(f"{n_values} values, at most {WIDTH_BUCKETS[-1] - 1} fit")


def genre_words(n_genres: int) -> int:
    """Words (W) that the masks of `n_genres` genres take; at least 1."""
    return max(1, -(-n_genres // GENRES_PER_WORD))


def genre_mask(indexes: list[int], n_genres: int) -> list[int]:
    """The W signed 64-bit words with the bits of these genre indexes set.

    Raises:
      ValueError: an index outside 0..n_genres-1.
    """
    words = [0] * genre_words(n_genres)
    for index in indexes:
        if not 0 <= index < n_genres:
            raise ValueError(f"genre index {index} outside 0..{n_genres - 1}")
        words[index // GENRES_PER_WORD] |= 1 << (index % GENRES_PER_WORD)
    return [word - 2**64 if word >= 2**63 else word for word in words]
