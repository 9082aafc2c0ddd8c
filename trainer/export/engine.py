"""The optional part `engine/<version>/`: a release's arrays as the in-process engine reads them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from serving.contract import (
    ENGINE_ARRAYS,
    ENGINE_FILE,
    ENGINE_FORMAT,
    MAX_USER_ID_BYTES,
    ContractError,
    EngineDescription,
    engine_array_file,
    read_engine_description,
)
from trainer.datasets.tags import TAG_EDGES
from trainer.export.graphs import CANDIDATES
from trainer.export.ingredients import Ingredients
from trainer.features.movies import FIRST_YEAR, LAST_YEAR, YEARS_PER_BUCKET
from trainer.features.profiles import AGE_BOUNDS, AGE_TOKENS
from trainer.models.rating_net import RatingNet

_NORM_FLOOR: Final = 1e-12
"""Of squared lengths, as tf.math.l2_normalize has it."""


def why_no_engine(parts: Ingredients) -> str:
    """Why a release has no arrays for the engine; "" when it has them."""
    if isinstance(parts.rating, RatingNet):
        return "the rating model is a network, which is no dot product"
    longest = max((len(user_id.encode()) for user_id in parts.user_ids), default=0)
    if longest > MAX_USER_ID_BYTES:
        return f"a user id is {longest} bytes long, at most {MAX_USER_ID_BYTES} fit"
    if any(user_id.endswith("\0") for user_id in parts.user_ids):
        return "a user id ends with NUL, which is padding"
    return ""


def write_engine(folder: Path, parts: Ingredients) -> None:
    """Writes the part into `folder`, which is made; `why_no_engine` has said nothing."""
    folder.mkdir(parents=True)
    for name, array in _arrays(parts).items():
        np.save(folder / engine_array_file(name), array, allow_pickle=False)
    (folder / ENGINE_FILE).write_text(_description(parts).to_json(), encoding="utf-8")


def engine_problems(folder: Path, sizes: Mapping[str, int]) -> Iterator[str]:
    """How the part in `folder` differs from the contract.

    Args:
      sizes: those of the dimensions N, D and R.
    """
    try:
        description = read_engine_description(folder / ENGINE_FILE)
    except ContractError as error:
        yield str(error)
        return
    known = {**sizes, "Q": sizes["R"] + 1, "F": description.n_features}
    arrays: dict[str, NDArray[Any]] = {}
    for name, definition in ENGINE_ARRAYS.items():
        path = folder / engine_array_file(name)
        if not path.is_file():
            yield f"engine: {path.name} is missing"
            return
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        kind = "S" if definition.dtype == "string" else np.dtype(definition.dtype).kind
        if array.dtype.kind != kind:
            yield f"engine: {name} is {array.dtype}, the contract says {definition.dtype}"
        expected = tuple(
            known.setdefault(str(dim), size)
            for dim, size in zip(definition.dims, array.shape, strict=False)
        )
        if array.shape != expected or array.ndim != len(definition.dims):
            dims = ", ".join(map(str, definition.dims))
            yield f"engine: {name} has shape {array.shape}, the contract says [{dims}]"
        elif kind == "f" and not np.isfinite(array).all():
            yield f"engine: {name} has a number that is not finite"
        arrays[name] = array
    if not np.array_equal(arrays["item_columns"], arrays["item_vectors"].T):
        yield "engine: item_columns is another matrix than item_vectors"


def _arrays(parts: Ingredients) -> dict[str, NDArray[Any]]:
    rating, retrieval, content = parts.rating, parts.retrieval, parts.content
    if isinstance(rating, RatingNet):
        raise TypeError("a network has no arrays for the engine, see why_no_engine")
    fold = rating.fold_in
    user_ids = np.array([user_id.encode() for user_id in parts.user_ids], np.bytes_)
    by_id = np.argsort(user_ids, kind="stable")
    trust = parts.similarity.confidence[:, None]
    collaborative = parts.similarity.item_vectors
    arrays = {
        "item_vectors": retrieval.item_vectors,
        "item_columns": retrieval.item_vectors.T,
        "history_vectors": retrieval.history_vectors,
        "base_vector": retrieval.base_vector,
        "tower_of_column": retrieval.tower_of_column,
        "age_weights": retrieval.age_weights,
        "covariance": retrieval.covariance,
        "gate_from": retrieval.gate_from,
        "gate": retrieval.gate,
        "rating_items": _with_bias(rating.item_vectors, rating.item_bias),
        "rating_history": _with_bias(rating.history_vectors, rating.history_bias),
        "user_ids": user_ids[by_id],
        "stored_users": _with_bias(rating.stored_vectors, rating.stored_bias)[by_id],
        "nobody": np.append(fold.nobody_vector, fold.nobody_bias),
        "profile_rows": _with_bias(fold.profile_vectors, fold.profile_bias),
        "usual_profile": fold.usual_profile,
        "spread": fold.spread,
        "spread_items": rating.item_vectors @ fold.spread[:, :-1].T + fold.spread[:, -1],
        "similar_hybrid": _unit(trust * collaborative + (1 - trust) * parts.content_vectors),
        "similar_collaborative": _unit(collaborative),
        "similar_content": _unit(parts.content_vectors),
        "confidence": parts.similarity.confidence,
        "content_to_retrieval": content.retrieval,
        "content_to_rating": content.rating,
        "content_to_similarity": content.similarity,
    }
    return {
        name: np.ascontiguousarray(array, _dtype(name, array)) for name, array in arrays.items()
    }


def _dtype(name: str, array: NDArray[Any]) -> np.dtype[Any]:
    wanted = ENGINE_ARRAYS[name].dtype
    return array.dtype if wanted == "string" else np.dtype(wanted).newbyteorder("<")


def _description(parts: Ingredients) -> EngineDescription:
    rating, liking = parts.rating, parts.retrieval.liking
    if isinstance(rating, RatingNet):
        raise TypeError("a network has no arrays for the engine, see why_no_engine")
    vocabulary = parts.movie_features.vocabulary
    return EngineDescription(
        format=ENGINE_FORMAT,
        candidates=CANDIDATES,
        mean=float(rating.mean),
        liking_low=liking.low,
        liking_high=liking.high,
        disliked=liking.disliked,
        history_hold=float(rating.fold_in.history_hold),
        noise=float(rating.fold_in.noise),
        mood=float(rating.fold_in.mood),
        profile_tokens=parts.profile_tokens,
        age_bounds=AGE_BOUNDS,
        age_tokens=AGE_TOKENS,
        genres=vocabulary.genres,
        words=vocabulary.words,
        tags=vocabulary.tags,
        tag_edges=TAG_EDGES,
        first_year=FIRST_YEAR,
        last_year=LAST_YEAR,
        years_per_bucket=YEARS_PER_BUCKET,
    )


def _with_bias(vectors: NDArray[Any], bias: NDArray[Any]) -> NDArray[np.float32]:
    return np.concatenate([vectors, np.asarray(bias)[:, None]], axis=1).astype(np.float32)


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows of unit length; a row of zeros stays one."""
    squares = (vectors.astype(np.float64) ** 2).sum(axis=1, keepdims=True)
    return (vectors / np.sqrt(np.maximum(squares, _NORM_FLOOR))).astype(np.float32)
