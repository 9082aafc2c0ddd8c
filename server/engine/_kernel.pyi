"""A request's arithmetic in one or two calls, by the loops of _kernel.h."""

from collections.abc import Callable
from typing import Any

from server.engine.arrays import BoolArray, EngineArrays, FloatArray, IndexArray, PlaceArray
from server.engine.rating import RatingUser

class Kernel:
    """What `Engine.recommend` and `Engine.reasons` compute, for one release, from any thread.

    Args:
      arrays: the release's part, read where it lies.
      products: [N] of a [D] vector with the columns, which may be written into; None = the kernel
        multiplies itself.
      rating_products: [N] of a [R + 1] row with the rows of the rating model, likewise.
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
        products: Callable[[FloatArray], FloatArray] | None,
        rating_products: Callable[[FloatArray], FloatArray],
        liking: tuple[float, float, float],
        rating_range: tuple[float, float],
        rating_weight: float,
        reads_history: bool,
    ) -> None: ...
    def stored_place(self, user_id: str) -> int:
        """Where a user is stored; -1 for a stranger."""

    def recommend(
        self,
        stored: int,
        stranger: RatingUser | None,
        movies: IndexArray,
        ratings: FloatArray,
        excluded: IndexArray,
        allowed: BoolArray | None,
        by_rating: bool,
    ) -> tuple[Any, ...]:
        """The final order of the candidates.

        Args:
          stored: the user's place.
          stranger: the user in the rating model, where `stored` is -1.
          movies: [H] movie_index of the history, oldest first.
          ratings: [H] NaN = seen and not rated.
          excluded: [E] movie_index of what may not be listed.
          allowed: [N] what else may be listed; None = everything.
          by_rating: whether all movies are ordered by predicted rating.

        Returns:
          The fields of FinalOrder.

        Raises:
          IndexError: a movie or the user is not in the release.
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
