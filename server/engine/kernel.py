"""The compiled kernel of a release, where it was built."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from threading import Lock
from typing import Final

import numpy as np

from server.engine.arrays import EngineArrays, FloatArray
from server.engine.merged import MergedProducts
from server.engine.rating import RatingTowers
from server.engine.retrieval import liking_line
from serving.contract import Manifest

try:
    from server.engine._kernel import TILE_MOVIES, Kernel, times_all
except ImportError:
    # There was no compiler when this was installed: NumPy does the same in more steps.
    Kernel = None  # type: ignore[assignment,misc]
    TILE_MOVIES = 1  # type: ignore[misc]

_LINE_BYTES: Final = 64
"""Of a processor's caches."""


TILES_MERGED_FROM_BYTES: Final = 64 * 2**20
"""From here on calls of all workers are multiplied together: to read the matrix takes so long that
none has company on its own."""


def kernel_of(arrays: EngineArrays, manifest: Manifest, towers: RatingTowers) -> Kernel | None:
    """The kernel for a release; None where it was not built or a release has no movies.

    Args:
      arrays: the release's part.
      manifest: of the release.
      towers: the release's users in the rating model.
    """
    if Kernel is None or not arrays.item_vectors.size:
        return None
    rows, vectors = arrays.rating_items, arrays.item_vectors
    # Where a model server answers, nobody multiplies, and no memory is taken for it.
    tiles = _made_once(lambda: tiles_of(vectors))
    merged = None
    if vectors.nbytes >= TILES_MERGED_FROM_BYTES:
        merged = MergedProducts(lambda users: times_all(tiles(), users)[:, : len(vectors)]).of_all
    return Kernel(
        arrays,
        tiles=tiles,
        merged=merged,
        rating_products=lambda row: rows @ row,
        stranger=towers.stranger,
        liking=(*liking_line(arrays.description), arrays.description.disliked),
        rating_range=manifest.rating_range,
        rating_weight=manifest.rating_weight,
        reads_history=towers.reads_history,
    )


def tiles_of(rows: FloatArray) -> FloatArray:
    """[ceil(N / TILE_MOVIES), D, TILE_MOVIES] of [N, D] rows: many of them, column by column.

    What one look at a tile needs stands together; behind the last row there are zeros.
    """
    (n_rows, dim), line = rows.shape, _LINE_BYTES // rows.itemsize
    n_whole = n_rows // TILE_MOVIES
    shape = -(-n_rows // TILE_MOVIES), dim, TILE_MOVIES
    size = int(np.prod(shape))
    room = np.zeros(size + line, np.float32)
    # No column stands in more lines of the cache than it needs.
    first = -room.ctypes.data % _LINE_BYTES // rows.itemsize
    tiles = room[first : first + size].reshape(shape)
    whole = rows[: n_whole * TILE_MOVIES].reshape(n_whole, TILE_MOVIES, dim)
    tiles[:n_whole] = whole.transpose(0, 2, 1)
    rest = rows[n_whole * TILE_MOVIES :]
    tiles[n_whole:, :, : len(rest)] = rest.T
    return tiles


def _made_once(make: Callable[[], FloatArray]) -> Callable[[], FloatArray]:
    """The same, also for threads that ask at the same time."""
    lock, made = Lock(), cache(make)

    def the_same() -> FloatArray:
        with lock:
            return made()

    return the_same
