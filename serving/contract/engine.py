"""The arrays of the in-process engine `engine/<version>/`: npy and JSON, never pickle.

An optional part: a release whose ratings no dot product tells (a network) has none. Each array is
a file of its own that a reader maps into memory and need not copy; `ENGINE_ARRAYS` says what is in
it. N movies in the order of the snapshot's movie_index; U users by rising id; letters beside those
of signatures.py:

====  =========================================================================
Q     R + 1: a rating vector and, in the last column, its bias
X     directions in which strangers differ
Z     towers of the retrieval model, A ages, V rows of the gate
Y     columns of a profile row: the constant, then `profile_tokens`
F     columns of a movie's feature row: 1, genres, year buckets from 0 = unknown,
      single years, words, tags; each group of unit length
S     dimension of the similarity vectors, whose rows have unit length or are 0
====  =========================================================================
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from serving.contract.manifest import ContractError
from serving.contract.signatures import FEATURES_PART, TensorDef

ENGINE_PART: Final = "engine"
"""An optional part that is no SavedModel."""

ENGINE_FORMAT: Final = 1
"""Of the files; a reader leaves another one alone and says so."""

ARRAY_PARTS: Final = (FEATURES_PART, ENGINE_PART)
"""Parts that no model server loads."""

ENGINE_FILE: Final = "engine.json"

MAX_USER_ID_BYTES: Final = 256


def _floats(*dims: str) -> TensorDef:
    return TensorDef("float32", dims)


def _int64(*dims: str) -> TensorDef:
    return TensorDef("int64", dims)


ENGINE_ARRAYS: Final[Mapping[str, TensorDef]] = MappingProxyType(
    {
        # A user's retrieval vector: base + sum of liking * age weight * history vector, then
        # the gate's weight over the deviation of each tower's scores.
        "item_vectors": _floats("N", "D"),
        # The same turned over: all movies at once are multiplied faster so, single ones are read
        # faster as rows.
        "item_columns": _floats("D", "N"),
        "history_vectors": _floats("N", "D"),
        "base_vector": _floats("D"),
        "tower_of_column": _int64("D"),
        "age_weights": _floats("A", "Z"),
        "covariance": _floats("D", "D"),
        "gate_from": _int64("V"),
        "gate": _floats("V", "Z"),
        # A user's rating vector and bias: what is stored + sum of history rows / sqrt(n), or for
        # a stranger nobody's + (profile - usual profile) @ profile rows + sum of history rows /
        # sqrt(n + history_hold), moved by z @ spread where z = (G'G + noise E)^-1 G'r: G is
        # spread_items of the rated movies, r their residuals, both less `mood` of their mean.
        "rating_items": _floats("N", "Q"),
        "rating_history": _floats("N", "Q"),
        "user_ids": TensorDef("string", ("U",)),
        "stored_users": _floats("U", "Q"),
        "nobody": _floats("Q"),
        "profile_rows": _floats("Y", "Q"),
        "usual_profile": _floats("Y"),
        "spread": _floats("X", "Q"),
        "spread_items": _floats("N", "X"),
        # Movies like a movie.
        "similar_hybrid": _floats("N", "S"),
        "similar_collaborative": _floats("N", "S"),
        "similar_content": _floats("N", "S"),
        "confidence": _floats("N"),
        # Movies that training never saw: a feature row times these.
        "content_to_retrieval": _floats("F", "D"),
        "content_to_rating": _floats("F", "Q"),
        "content_to_similarity": _floats("F", "S"),
    }
)
"""dtype and shape by name; strings are UTF-8 bytes of one width, padded with NUL."""


LATER_ENGINE_ARRAYS: Final = frozenset({"item_columns"})
"""Those that a part of this format may lack, because it was written before there were any."""


def engine_array_file(name: str) -> str:
    """File of one of ENGINE_ARRAYS."""
    return f"{name}.npy"


@dataclass(frozen=True, slots=True)
class EngineDescription:
    """`engine.json`: the numbers and vocabularies beside the arrays."""

    format: int
    candidates: int
    """Movies that retrieval hands to the final order."""
    mean: float
    """Of the training ratings."""
    liking_low: float
    """Ratings up to this count `disliked`."""
    liking_high: float
    """Ratings from this on count 1; between the two linear."""
    disliked: float
    history_hold: float
    """Movies that a stranger's history is thought longer."""
    noise: float
    """Variance of a rating, above 0."""
    mood: float
    """From 0 to below 1."""
    profile_tokens: tuple[str, ...]
    age_bounds: tuple[int, ...]
    """Ascending lower bounds in years."""
    age_tokens: tuple[str, ...]
    """The token that stands for each bucket."""
    genres: tuple[str, ...]
    words: tuple[str, ...]
    """Lower-case runs of letters and digits of a title."""
    tags: tuple[str, ...]
    """Lower-case, single spaces, without `tag_edges` at either end."""
    tag_edges: str
    first_year: int
    last_year: int
    """Exclusive."""
    years_per_bucket: int

    def to_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False, indent=1) + "\n"

    @property
    def n_year_buckets(self) -> int:
        """The first one is the unknown year."""
        return (self.last_year - self.first_year) // self.years_per_bucket + 1

    @property
    def n_features(self) -> int:
        """F."""
        single_years = self.last_year - self.first_year
        bags = len(self.genres) + len(self.words) + len(self.tags)
        return 1 + self.n_year_buckets + single_years + bags


def read_engine_description(path: Path) -> EngineDescription:
    """The description at `path`.

    Raises:
      ContractError: it is missing, damaged, or of another format.
    """
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        found = content["format"]
        named: dict[str, Any] = {
            field.name: content.get(field.name) for field in fields(EngineDescription)
        }
    except (OSError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise ContractError(f"{path}: no description of an engine: {error!r}") from error
    if found != ENGINE_FORMAT:
        raise ContractError(f"{path}: format is {found!r}, this code reads {ENGINE_FORMAT}")
    if missing := sorted(name for name, value in named.items() if value is None):
        raise ContractError(f"{path}: missing fields: {', '.join(missing)}")
    named |= {name: tuple(value) for name, value in named.items() if isinstance(value, list)}
    return EngineDescription(**named)
