"""A request's arithmetic in one or two calls, by the loops of the headers beside this."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from server.engine.arrays import EngineArrays, FloatArray, IndexArray, PlaceArray
from server.engine.engine import Wanted
from server.engine.rating import RatingUser

TILE_MOVIES: Final[int]
"""Movies whose vectors stand together."""

class Kernel:
    """What `Engine.recommend_all` and `Engine.reasons` compute, for one release, from any thread.

    Args:
      arrays: the release's part, read where it lies.
      tiles: [ceil(N / TILE_MOVIES), D, TILE_MOVIES] the movies' vectors, column by column; called
        when they are needed first.
      merged: [B, N] of [B, D] vectors with the movies' ones, which may be written into; None = each
        call multiplies by itself.
      rating_products: [N] of a [R + 1] row with the rows of the rating model, likewise.
      stranger: who is not stored in the rating model, by history and profile.
      liking: slope, start and least value of what a rating counts.
      rating_range: lowest and highest rating.
      rating_weight: of the ratings' z-scores in the final order.
      reads_history: whether stored users' histories say something of their ratings.

    Raises:
      ValueError: arrays do not fit each other, or one has no numbers.
    """

    def __init__(
        self,
        arrays: EngineArrays,
        *,
        tiles: Callable[[], FloatArray],
        merged: Callable[[FloatArray], FloatArray] | None,
        rating_products: Callable[[FloatArray], FloatArray],
        stranger: Callable[[IndexArray, FloatArray, Sequence[str]], RatingUser],
        liking: tuple[float, float, float],
        rating_range: tuple[float, float],
        rating_weight: float,
        reads_history: bool,
    ) -> None: ...
    def stored_place(self, user_id: str) -> int:
        """Where a user is stored; -1 for a stranger."""

    def recommend_all(self, wanted: Sequence[Wanted]) -> list[tuple[Any, ...]]:
        """The final orders of the candidates of each, as the fields of FinalOrder.

        Raises:
          IndexError: a movie is not in the release.
          ValueError: lengths do not fit each other.
        """

    def reasons(
        self, movies: IndexArray, ratings: FloatArray, listed: IndexArray
    ) -> tuple[PlaceArray, FloatArray]:
        """See `Engine.reasons`.

        Raises:
          IndexError: a movie is not in the release.
          ValueError: lengths do not fit each other.
        """

def times_all(tiles: FloatArray, vectors: FloatArray) -> FloatArray:
    """[B, N] of [B, D] vectors with the N movies of whole tiles; other threads run meanwhile.

    Raises:
      ValueError: the shapes do not fit.
    """
