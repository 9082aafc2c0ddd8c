"""Tunes a ScaNN index against exact search, and stages a release that has it.

The parts of the release that it starts from are linked, not made again; a published release is
immutable, so the outcome is a new one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Final

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from serving.contract import (
    CONTRACT_VERSION,
    FEATURES_PART,
    K_MAX,
    MANIFEST_FILE,
    OPTIONAL_SERVABLES,
    ContractError,
    Manifest,
    ModelsDir,
    list_files,
    read_manifest,
)
from trainer.export import durable
from trainer.export.graphs import CANDIDATES
from trainer.export.ingredients import Towers
from trainer.export.scann_graphs import SPARE, RecommendScann, RetrievalScann
from trainer.export.scann_index import IndexParameters, ScannError, ScannIndex, default_leaves
from trainer.export.stage import complete, new_staging, write_extras
from trainer.export.towers_file import read_towers
from trainer.export.verify import stored_histories
from trainer.features.index import Histories

INDEX_FROM: Final = 50_000
"""Movies from which on ScaNN pays; below, exact search is as fast and misses nothing."""

N_QUERIES: Final = 256
N_TIMED: Final = 50
_LEAVES: Final = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0)
"""Shares of the leaves that are tried."""


@dataclass(frozen=True, slots=True)
class Point:
    """One way to search."""

    leaves_to_search: int
    """0 = exact search."""
    recall: float
    """Share of the exact top 200 that it finds."""
    ms: float
    """Median of one query alone."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Exact search, and the index from few leaves to all."""

    num_leaves: int
    reorder: int
    exact: Point
    points: tuple[Point, ...]

    def chosen(self, target_recall: float) -> Point:
        """The cheapest point that reaches the target, or the one with the highest recall."""
        enough = [point for point in self.points if point.recall >= target_recall]
        return enough[0] if enough else max(self.points, key=lambda point: point.recall)


def user_vectors(towers: Towers, features: Path, count: int) -> NDArray[np.float32]:
    """[Q, D] of users of the snapshot, evenly drawn; what the index will be asked for."""
    index = {movie_id: number for number, movie_id in enumerate(towers.movie_ids)}
    stored = list(stored_histories(features).values())
    drawn = stored[:: max(1, len(stored) // count)][:count]
    histories = Histories(
        [np.array([index[movie_id] for movie_id in ids], np.int64) for ids, _ in drawn],
        [np.array(ratings, np.float32) for _, ratings in drawn],
    )
    return towers.retrieval.user_vectors(histories).astype(np.float32)


def measure(vectors: NDArray[np.float32], queries: NDArray[np.float32]) -> Curve:
    """Recall and latency of the index over `vectors` [N, D] for `queries` [Q, D].

    Raises:
      ScannError: no ScaNN, or too few movies.
    """
    n_movies = len(vectors)
    k = min(K_MAX, n_movies)
    asked = min(CANDIDATES + SPARE, n_movies)
    leaves = default_leaves(n_movies)
    index = ScannIndex(vectors, IndexParameters(leaves, leaves, asked))
    table = tf.constant(vectors)
    wanted = np.argsort(-(queries @ vectors.T), axis=1, kind="stable")[:, :k]

    def exact(query: tf.Tensor) -> tf.Tensor:
        return tf.math.top_k(tf.matmul(query, table, transpose_b=True), k)

    points = []
    for searched in sorted({max(1, round(share * leaves)) for share in _LEAVES}):
        search = tf.function(lambda query, searched=searched: index.search(query, asked, searched))
        movies, _, valid = (tensor.numpy() for tensor in search(tf.constant(queries)))
        found = [
            len(np.intersect1d(row[there], best)) / k
            for row, there, best in zip(movies, valid, wanted, strict=True)
        ]
        points.append(Point(searched, float(np.mean(found)), _median_ms(search, queries)))
    exactly = Point(0, 1.0, _median_ms(tf.function(exact), queries))
    return Curve(leaves, asked, exactly, tuple(points))


@dataclass(frozen=True, eq=False)
class Tuned:
    """What the tuning of one release's index found."""

    parts: Callable[[str], Path]
    """Folder of each part of that release."""
    manifest: Manifest
    towers: Towers
    curve: Curve
    point: Point
    """The cheapest that reaches the target, or the one with the highest recall."""

    def why_exact_is_better(self, target_recall: float) -> str:
        """A sentence; "" when the index is the better choice."""
        if self.towers.n_movies < INDEX_FROM:
            return f"{self.towers.n_movies:,} movies are fewer than {INDEX_FROM:,}"
        if self.point.recall < target_recall:
            return f"no setting reaches recall {target_recall:g}"
        return ""


def tune(
    models: ModelsDir, release: int | str, target_recall: float, queries: int = N_QUERIES
) -> Tuned:
    """Measures an index for a release.

    Args:
      release: version of a published one, or id of a staged one.
      target_recall: share of the exact top 200 that is enough, above 0, at most 1.

    Raises:
      ScannError: no ScaNN, too few movies, or no such target.
      ContractError: the release was made by an older version.
    """
    if not 0 < target_recall <= 1:
        raise ScannError(f"target recall is {target_recall:g}, allowed above 0 and up to 1")
    if isinstance(release, int):
        version, manifest_file = release, models.manifest(release)
        parts = lambda part: models.part(part, version)  # noqa: E731 - one of two, side by side
    else:
        folder, manifest_file = models.staging / release, models.staging / release / MANIFEST_FILE
        parts = lambda part: folder / part  # noqa: E731
    manifest = read_manifest(manifest_file)
    if manifest.contract_version < CONTRACT_VERSION:
        # The flavours would have signatures that what they stand in for has not.
        raise ContractError(
            f"{manifest_file}: contract {manifest.contract_version}; train again, then tune"
            " the index"
        )
    towers = read_towers(parts("recommend"))
    vectors = user_vectors(towers, parts(FEATURES_PART), queries)
    curve = measure(towers.retrieval.item_vectors, vectors)
    return Tuned(parts, manifest, towers, curve, curve.chosen(target_recall))


def stage_with_index(models: ModelsDir, tuned: Tuned, target_recall: float) -> str:
    """Stages a release that has the ScaNN flavours beside what it starts from.

    Returns:
      Its id, which `publish` takes.

    Raises:
      VerificationError: the index doesn't answer as it should in a clean process.
    """
    curve, point, manifest, parts = tuned.curve, tuned.point, tuned.manifest, tuned.parts
    towers = tuned.towers
    parameters = IndexParameters(curve.num_leaves, point.leaves_to_search, curve.reorder)
    kept = [part for part in manifest.parts if part not in OPTIONAL_SERVABLES]
    created = datetime.now(UTC)
    with new_staging(models, created) as folder:
        for part in kept:
            durable.link_tree(parts(part), folder / part)
            durable.place(folder / part)
        examples = [(g.servable, g.signature, g.inputs) for g in manifest.golden_requests]
        for flavour in (RecommendScann(towers, parameters), RetrievalScann(towers, parameters)):
            flavour.save(str(folder / flavour.servable))
            write_extras(folder / flavour.servable, flavour.servable, examples)
        described = {
            **asdict(parameters),
            "target_recall": target_recall,
            f"recall@{K_MAX}": point.recall,
        }
        complete(
            folder,
            replace(
                manifest,
                release_version=0,
                created_at=created.isoformat(timespec="seconds"),
                models={
                    **manifest.models,
                    **{
                        flavour: f"{manifest.models[exact]}, by ScaNN"
                        for flavour, exact in OPTIONAL_SERVABLES.items()
                    },
                },
                hyper_parameters={**manifest.hyper_parameters, "scann_index": described},
                parts=_listed_parts(folder, manifest, kept),
            ),
        )
    return folder.name


def _listed_parts(
    folder: Path, manifest: Manifest, kept: list[str]
) -> Mapping[str, Mapping[str, str]]:
    same = {part: manifest.parts[part] for part in kept}
    return same | {flavour: list_files(folder / flavour) for flavour in OPTIONAL_SERVABLES}


def _median_ms(search: Callable[[tf.Tensor], object], queries: NDArray[np.float32]) -> float:
    alone = [tf.constant(query[None]) for query in queries[:N_TIMED]]
    search(alone[0])
    seconds = []
    for query in alone:
        started = perf_counter()
        search(query)
        seconds.append(perf_counter() - started)
    return float(np.median(seconds)) * 1e3
