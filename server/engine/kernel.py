"""The compiled kernel of a release, where it was built."""

from __future__ import annotations

from collections.abc import Callable

from server.engine.arrays import EngineArrays, FloatArray
from server.engine.merged import MergedProducts
from server.engine.retrieval import liking_line
from serving.contract import Manifest

try:
    from server.engine._kernel import Kernel
except ImportError:
    # There was no compiler when this was installed: NumPy does the same in more steps.
    Kernel = None  # type: ignore[assignment,misc]

Products = Callable[[FloatArray], FloatArray]


def kernel_of(
    arrays: EngineArrays, manifest: Manifest, products: Products, *, reads_history: bool
) -> Kernel | None:
    """The kernel for a release; None where it was not built or a release has no movies.

    Args:
      arrays: the release's part.
      manifest: of the release.
      products: [N] of a [D] vector with all movies.
      reads_history: whether stored users' histories say something of their ratings.
    """
    if Kernel is None or not arrays.item_vectors.size:
        return None
    # A part from before there were columns has a view of the rows in their place.
    multiplies = arrays.item_columns.flags.c_contiguous and not isinstance(products, MergedProducts)
    rows = arrays.rating_items
    return Kernel(
        arrays,
        products=None if multiplies else products,
        rating_products=lambda row: rows @ row,
        liking=(*liking_line(arrays.description), arrays.description.disliked),
        rating_range=manifest.rating_range,
        rating_weight=manifest.rating_weight,
        reads_history=reads_history,
    )
