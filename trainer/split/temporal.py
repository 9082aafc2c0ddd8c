"""Splits by time: the newest ratings are held out, by (timestamp, file order)."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from trainer.datasets import Col, DataError
from trainer.split.parts import PARTS, Split, cut, in_time_order

MIN_ROWS_TO_HOLD_OUT: Final = 5
"""A user with fewer ratings keeps all of them for training."""


def per_user_temporal(ratings: pd.DataFrame, test: float = 0.1, validation: float = 0.1) -> Split:
    """Holds out each user's newest ratings, by (timestamp, file order).

    Of a user with n ratings the last floor(test * n) are test and the floor(validation * n)
    before them validation, each at least 1 where n >= 5 and 0 where n < 5. A fraction of 0
    means an empty part. Every user keeps at least one rating in train.

    Args:
      ratings: the whole table of a `Dataset`.
      test: 0 <= test, and test + validation < 1.
      validation: 0 <= validation.

    Raises:
      DataError: a fraction is out of range.
    """
    check_fractions(test, validation)
    n_rows = _rows_of_the_user(ratings)
    n_test = _held_out(n_rows, test)
    n_validation = np.minimum(_held_out(n_rows, validation), n_rows - n_test - 1)
    part = _newest_of_each_user(ratings, n_test, n_validation)
    return cut("per-user-temporal", {"test": test, "validation": validation}, ratings, part)


def ls_temporal(ratings: pd.DataFrame) -> Split:
    """A fifth of each user's ratings is test, a fifth of the others validation.

    The last floor(0.2 n) of a user's n ratings, at least 1, are test; of the other m the last
    floor(0.2 m), at least 1, are validation; the oldest rating always stays in train.
    """
    n_rows = _rows_of_the_user(ratings)
    n_test = np.minimum(np.maximum(_floors(n_rows, 0.2), 1), n_rows - 1)
    n_left = n_rows - n_test
    n_validation = np.minimum(np.maximum(_floors(n_left, 0.2), 1), n_left - 1)
    part = _newest_of_each_user(ratings, n_test, n_validation)
    return cut("ls-temporal", {"test": 0.2, "validation": 0.2}, ratings, part)


def leave_last_out(ratings: pd.DataFrame) -> Split:
    """Each user's last rating is test and the one before it validation.

    A user with fewer than three ratings keeps all of them for training.
    """
    enough = (_rows_of_the_user(ratings) >= 3).astype(np.int64)
    part = _newest_of_each_user(ratings, enough, enough)
    return cut("leave-last-out", {}, ratings, part)


def global_temporal(ratings: pd.DataFrame, test: float = 0.1, validation: float = 0.1) -> Split:
    """The newest floor(test * n) of all ratings are test, the ones before them validation.

    Users and movies that came later than the cut are cold.

    Raises:
      DataError: a fraction is out of range.
    """
    check_fractions(test, validation)
    n = np.array([len(ratings)])
    n_test, n_validation = _floors(n, test)[0], _floors(n, validation)[0]
    order = np.argsort(ratings[Col.TIME].to_numpy(), kind="stable")
    part = np.empty(len(ratings), np.int64)
    codes = np.full(len(ratings), PARTS.index("train"))
    codes[len(ratings) - n_test - n_validation :] = PARTS.index("validation")
    codes[len(ratings) - n_test :] = PARTS.index("test")
    part[order] = codes
    return cut("global-temporal", {"test": test, "validation": validation}, ratings, part)


def check_fractions(test: float, validation: float) -> None:
    """Stops where nothing would be left to learn from.

    Raises:
      DataError: a fraction is below 0, or both together are not below 1.
    """
    if not (test >= 0 and validation >= 0 and test + validation < 1):
        raise DataError(
            f"split fractions test={test}, validation={validation}: "
            "each must be at least 0 and their sum below 1"
        )


def _rows_of_the_user(ratings: pd.DataFrame) -> npt.NDArray[np.int64]:
    return ratings.groupby(Col.USER, sort=False)[Col.MOVIE].transform("size").to_numpy()


def _newest_of_each_user(
    ratings: pd.DataFrame, n_test: npt.NDArray[np.int64], n_validation: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """[rows] part of each row, given for each row how many of its user's are held out."""
    by_user = in_time_order(ratings).groupby(Col.USER, sort=False)
    from_the_end = by_user.cumcount(ascending=False).reindex(ratings.index).to_numpy()
    return np.select(
        [from_the_end < n_test, from_the_end < n_test + n_validation],
        [PARTS.index("test"), PARTS.index("validation")],
        PARTS.index("train"),
    )


def _held_out(n_rows: npt.NDArray[np.int64], fraction: float) -> npt.NDArray[np.int64]:
    if fraction == 0:
        return np.zeros_like(n_rows)
    return np.where(n_rows >= MIN_ROWS_TO_HOLD_OUT, np.maximum(_floors(n_rows, fraction), 1), 0)


def _floors(n_rows: npt.NDArray[np.int64], fraction: float) -> npt.NDArray[np.int64]:
    # 0.29 * 100 is 28.999...: a product that is whole on paper must not be floored below it.
    return np.floor(fraction * n_rows + 1e-9).astype(np.int64)
