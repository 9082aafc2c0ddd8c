"""A rating model that ends in a small feed-forward network, as plain arrays.

For the source's models that are no dot product. What the network computes for a user alone or a
movie alone is stored as rows; what is left joins two rows and ends in one number. A first layer
over two concatenated rows is the sum of a layer over each, so it is stored in the rows as well.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
IndexArray = NDArray[np.int64]

Join = Literal["sum", "product"]
JOINS: Final[tuple[Join, ...]] = ("sum", "product")


@dataclass(frozen=True, eq=False)
class RatingNet:
    """rating = scale(dense layers(join(user row, movie row))), clipped by the caller.

    Layers but the last are ReLU; the last has one output. Dropout is for training alone.
    """

    user_rows: FloatArray
    """[U, R]"""
    stranger_row: FloatArray
    """[R]: a user whom training did not see."""
    movie_rows: FloatArray
    """[N, R]"""
    join: Join
    """sum = ReLU(user row + movie row); product = user row * movie row."""
    kernels: tuple[FloatArray, ...]
    """[inputs, outputs] of each layer."""
    biases: tuple[FloatArray, ...]
    """[outputs] of each layer."""
    output_range: tuple[float, float] | None
    """The last number goes through a sigmoid into this range; None = it is the rating."""
    mean: float
    """Of the training ratings: what is said of a user and a movie of whom nothing is known."""
    fold_in_strength: float
    """Pseudo-ratings that hold back the bias of a stranger with a history."""

    @property
    def dim(self) -> int:
        return self.movie_rows.shape[1]

    def of_users(self, users: IndexArray) -> RatingNet:
        """The same network for these users alone, in this order."""
        return replace(self, user_rows=self.user_rows[users])

    def ratings(self, users: IndexArray, movies: IndexArray) -> FloatArray:
        """[n] ratings of pairs, not clipped; a user index of -1 is a stranger."""
        rows = np.where((users >= 0)[:, None], self.user_rows[users], self.stranger_row)
        return self._of_rows(rows, movies)

    def stranger_bias(self, movies: IndexArray, ratings: FloatArray) -> float:
        """What a stranger's history adds to each of their ratings: the mean residual, held back.

        Args:
          movies: [H]
          ratings: [H]; NaN does not count.
        """
        rated = np.isfinite(ratings)
        strangers = np.full(int(rated.sum()), -1)
        residuals = ratings[rated] - self.ratings(strangers, movies[rated])
        return float(residuals.sum() / (rated.sum() + self.fold_in_strength))

    def _of_rows(self, users: FloatArray, movies: IndexArray) -> FloatArray:
        items = self.movie_rows[movies]
        rows = users * items if self.join == "product" else np.maximum(users + items, 0)
        last = len(self.kernels) - 1
        for number, (kernel, bias) in enumerate(zip(self.kernels, self.biases, strict=True)):
            # Not @, which now and then warns of an invalid value although all of them are finite:
            # it reads the processor's flags, and BLAS also computes with what pads its blocks.
            rows = rows.dot(kernel) + bias
            if number < last:
                rows = np.maximum(rows, 0)
        outputs = rows[:, 0]
        if self.output_range is None:
            return outputs
        low, high = self.output_range
        return np.asarray(low + (high - low) / (1 + np.exp(-outputs)), np.float32)
