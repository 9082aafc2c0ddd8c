"""Maps engine/<version>/ of a release into memory; nothing is read before it is used."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.contract import (
    ENGINE_ARRAYS,
    ENGINE_FILE,
    ENGINE_PART,
    LATER_ENGINE_ARRAYS,
    ContractError,
    EngineDescription,
    Manifest,
    engine_array_file,
    read_engine_description,
    verify_part,
)

FloatArray = NDArray[np.float32]
IndexArray = NDArray[np.int64]
PlaceArray = NDArray[np.int16]
"""Places in a history."""
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class EngineArrays:
    """The part of one release; shapes and meaning as serving/contract/engine.py has them."""

    description: EngineDescription
    item_vectors: FloatArray
    item_columns: FloatArray
    history_vectors: FloatArray
    base_vector: FloatArray
    tower_of_column: IndexArray
    age_weights: FloatArray
    covariance: FloatArray
    gate_from: IndexArray
    gate: FloatArray
    rating_items: FloatArray
    rating_history: FloatArray
    user_ids: NDArray[np.bytes_]
    stored_users: FloatArray
    nobody: FloatArray
    profile_rows: FloatArray
    usual_profile: FloatArray
    spread: FloatArray
    spread_items: FloatArray
    similar_hybrid: FloatArray
    similar_collaborative: FloatArray
    similar_content: FloatArray
    confidence: FloatArray
    content_to_retrieval: FloatArray
    content_to_rating: FloatArray
    content_to_similarity: FloatArray


def read_arrays(folder: Path, manifest: Manifest, n_movies: int) -> EngineArrays:
    """Verifies the part in `folder` and maps its arrays.

    Args:
      folder: engine/<version>/.
      manifest: of the release, which lists the part.
      n_movies: of the snapshot.

    Raises:
      ContractError: a file is missing or another one than the manifest's, or breaks the contract.
      OSError: a file cannot be read.
    """
    verify_part(manifest, ENGINE_PART, folder)
    description = read_engine_description(folder / ENGINE_FILE)
    sizes = {
        "N": n_movies,
        "D": manifest.vector_dim,
        "Q": manifest.rating_dim + 1,
        "Y": 1 + len(description.profile_tokens),
        "F": description.n_features,
    }
    files = manifest.parts[ENGINE_PART]
    lacking = {name for name in LATER_ENGINE_ARRAYS if engine_array_file(name) not in files}
    arrays: dict[str, Any] = {
        name: _mapped(folder, name, sizes) for name in ENGINE_ARRAYS if name not in lacking
    }
    # A view of the rows says the same, more slowly.
    arrays.setdefault("item_columns", arrays["item_vectors"].T)
    return EngineArrays(description, **arrays)


def _mapped(folder: Path, name: str, sizes: dict[str, int]) -> NDArray[Any]:
    """One array; `sizes` learns the dimensions that it is the first to have."""
    path, definition = folder / engine_array_file(name), ENGINE_ARRAYS[name]
    try:
        mapped = np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError as error:
        raise ContractError(f"{path}: no array: {error}") from error
    wanted = "S" if definition.dtype == "string" else np.dtype(definition.dtype)
    if mapped.dtype != wanted and not (wanted == "S" and mapped.dtype.kind == "S"):
        raise ContractError(f"{path}: dtype {mapped.dtype}, expected {definition.dtype}")
    letters = [str(dim) for dim in definition.dims]
    if mapped.ndim == len(letters):
        for letter, size in zip(letters, mapped.shape, strict=True):
            sizes.setdefault(letter, size)
    expected = tuple(sizes.get(letter) for letter in letters)
    if mapped.shape != expected:
        raise ContractError(f"{path}: shape {mapped.shape}, expected {expected}")
    # A plain view of the mapping: every slice of a memmap would cost a Python call.
    return np.asarray(mapped)
