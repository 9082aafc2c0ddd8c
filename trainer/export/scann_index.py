"""A ScaNN index over retrieval vectors, guarded: its raw answers are not to be trusted.

ScaNN (Guo et al., "Accelerating large-scale inference with anisotropic vector quantization", ICML
2020) pads an answer that is shorter than asked for with index 0 and a score of NaN, and makes it as
wide as the longest of the batch. `ScannIndex.search` drops that, and repeated entries, and says
which entries count; what is then missing is for the caller to fill from exact search.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from math import isqrt
from types import ModuleType

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

MIN_MOVIES = 100
"""ScaNN's quantiser needs some points to learn from."""

SAVE_OPTIONS = tf.saved_model.SaveOptions(namespace_whitelist=["Scann"])


class ScannError(RuntimeError):
    """An index can't be built; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class IndexParameters:
    """How the index is partitioned and how far it is searched."""

    num_leaves: int
    leaves_to_search: int
    reorder: int
    """Candidates that are scored again with exact vectors."""

    def __post_init__(self) -> None:
        if not 1 <= self.leaves_to_search <= self.num_leaves:
            raise ValueError(
                f"leaves_to_search is {self.leaves_to_search}, allowed 1..{self.num_leaves}"
            )


def default_leaves(n_movies: int) -> int:
    """The square root of the number of movies, as ScaNN's authors advise."""
    return max(1, isqrt(n_movies))


def scann_ops() -> ModuleType:
    """ScaNN's TensorFlow ops; also what registers them for loading a SavedModel.

    Raises:
      ScannError: the package is not installed.
    """
    try:
        from scann.scann_ops.py import scann_ops as ops  # noqa: PLC0415 - an optional package
    except ImportError as error:
        raise ScannError("ScaNN is not installed: pip install 'recserve[scann]'") from error
    module: ModuleType = ops
    return module


class ScannIndex(tf.Module):
    """Approximate nearest neighbours by dot product.

    Args:
      vectors: [N, D], N of at least MIN_MOVIES.
      parameters: num_leaves at most N.

    Raises:
      ScannError: too few vectors, or no ScaNN.
    """

    def __init__(self, vectors: NDArray[np.float32], parameters: IndexParameters) -> None:
        super().__init__()
        n_movies = len(vectors)
        if n_movies < MIN_MOVIES:
            raise ScannError(f"{n_movies} movies, a ScaNN index needs at least {MIN_MOVIES}")
        if parameters.num_leaves > n_movies:
            raise ScannError(
                f"{parameters.num_leaves} leaves for {n_movies} movies, at most one each"
            )
        self._ops = scann_ops()
        self.parameters = parameters
        # Two indexes of one name in one process would be one; a digest is the same in every export.
        digest = hashlib.sha256(vectors.tobytes() + repr(parameters).encode()).hexdigest()
        self._name = f"scann-{digest[:16]}"
        searcher = (
            self._ops.builder(vectors, 10, "dot_product")
            .tree(
                num_leaves=parameters.num_leaves,
                num_leaves_to_search=parameters.leaves_to_search,
                min_partition_size=1,
            )
            .score_ah(2, anisotropic_quantization_threshold=0.2)
            .reorder(parameters.reorder)
            .build(shared_name=f"{self._name}-training")
        )
        self._state = searcher.serialize_to_module()
        self._vectors = tf.Variable(vectors, trainable=False)

    def search(
        self, queries: tf.Tensor, k: int, leaves_to_search: int | None = None
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """The k movies with the largest dot products, as far as they were found.

        Args:
          queries: [B, D].
          leaves_to_search: instead of the index's own.

        Returns:
          [B, k] int64 indexes, [B, k] exact scores, [B, k] bool: False where there is no movie, or
          one that stands earlier in the row. Not sorted.
        """
        state = self._state
        handle = self._ops.tensors_to_scann(
            state.dataset,
            state.scann_config,
            state.serialized_partitioner,
            state.datapoint_to_token,
            state.ah_codebook,
            state.hashed_dataset,
            state.int8_dataset,
            state.int8_multipliers,
            state.dp_norms,
            shared_name=self._name,
        )
        found = self._ops.scann_search_batched(
            handle,
            queries,
            k,
            max(k, self.parameters.reorder),
            leaves_to_search or self.parameters.leaves_to_search,
            False,
        )
        return guarded(found.indices, found.distances, queries, self._vectors, k)


def guarded(
    indices: tf.Tensor, distances: tf.Tensor, queries: tf.Tensor, vectors: tf.Tensor, k: int
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """What of ScaNN's answer may be used; see `ScannIndex.search` for what is returned.

    Args:
      indices: [B, W] of any width up to k; distances: [B, W], NaN for padding.
      queries: [B, D]; vectors: [N, D].
    """
    missing = k - tf.shape(indices)[1]
    movies = tf.pad(tf.cast(indices, tf.int64), [[0, 0], [0, missing]])
    valid = tf.pad(tf.math.is_finite(distances), [[0, 0], [0, missing]])
    movies = tf.ensure_shape(movies, [None, k])
    # An entry without a movie must not count as the first mention of movie 0.
    n_movies = tf.shape(vectors, tf.int64)[0]
    order = tf.argsort(tf.where(valid, movies, n_movies), stable=True)
    ascending = tf.gather(movies, order, batch_dims=1)
    repeats = tf.pad(ascending[:, 1:] == ascending[:, :-1], [[0, 0], [1, 0]])
    valid &= ~tf.gather(repeats, tf.argsort(order), batch_dims=1)
    scores = tf.linalg.matvec(tf.gather(vectors, movies), queries)
    return movies, scores, valid
