"""Splits that are drawn by chance, and those that take the file as it stands.

Each is drawn by scikit-learn over the rows in file order, as the source documents and ANCHORS.md
draw theirs, so that figures can be compared. Where a source has no validation part, a tenth of its
training part is drawn as u1 draws its own.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.model_selection import train_test_split

from trainer.datasets import Col, DataError
from trainer.split.parts import PARTS, Split, cut
from trainer.split.temporal import check_fractions

Positions = npt.NDArray[np.int64]

_ML_100K_ROWS: Final = 100_000
_FOLD_ROWS: Final = 20_000
_VALIDATION: Final = 0.1
_VALIDATION_SEED: Final = 42


def ml_100k_fold(ratings: pd.DataFrame, fold: int) -> Split:
    """u1 to u5 of MovieLens 100K: the first, second, ... 20,000 rows of u.data are test.

    Validation is a tenth of the other 80,000, drawn with seed 42 from the rows in the order of
    u.data; the tested model is fitted on all 80,000.

    Raises:
      DataError: the data set is not MovieLens 100K.
    """
    if len(ratings) != _ML_100K_ROWS:
        raise DataError(
            f"u{fold} is a split of MovieLens 100K's {_ML_100K_ROWS:,} ratings; "
            f"this data set has {len(ratings):,}"
        )
    is_test = np.arange(len(ratings)) // _FOLD_ROWS == fold - 1
    return _validated(f"u{fold}", {}, ratings, is_test)


def ls_random(ratings: pd.DataFrame) -> Split:
    """A tenth of each user's ratings is test, a ninth of the others validation; seed 42.

    The tested model is fitted on train alone.
    """
    strata = _strata(ratings)
    rest, test = _draw(_all(ratings), 0.1, 42, strata)
    _, validation = _draw(rest, 1 / 9, 42, strata)
    return _cut("ls-random", {"seed": 42}, ratings, validation, test, refit=False)


def random_rows(
    ratings: pd.DataFrame, seed: int = 42, test: float = 0.1, validation: float = 0.1
) -> Split:
    """Fractions of all ratings, whoever gave them.

    Raises:
      DataError: a fraction is out of range.
    """
    check_fractions(test, validation)
    rest, tested = _draw(_all(ratings), test, seed)
    _, chosen_on = _draw(rest, validation / (1 - test), seed)
    parameters = {"seed": seed, "test": test, "validation": validation}
    return _cut("random", parameters, ratings, chosen_on, tested)


def every_twentieth(ratings: pd.DataFrame) -> Split:
    """Rows 0, 20, 40, ... of the file are test (source 000)."""
    return _validated("index%20", {}, ratings, np.arange(len(ratings)) % 20 == 0)


def split_70_15_15(ratings: pd.DataFrame) -> Split:
    """Of all ratings 30 % are drawn, half validation and half test; seed 47005 (source 001)."""
    _, held_out = _draw(_all(ratings), 0.3, 47005)
    validation, test = _draw(held_out, 0.5, 47005)
    return _cut("70/15/15", {"seed": 47005}, ratings, validation, test, refit=False)


def split_85_15(ratings: pd.DataFrame) -> Split:
    """Of all ratings 15 % are test; seed 2137 (source 002)."""
    _, test = _draw(_all(ratings), 0.15, 2137)
    return _validated("85/15", {"seed": 2137}, ratings, np.isin(_all(ratings), test))


def split_72_8_20(ratings: pd.DataFrame) -> Split:
    """Of each user's ratings a fifth is test and a tenth of the others validation (source 003)."""
    strata = _strata(ratings)
    rest, test = _draw(_all(ratings), 0.2, 42, strata)
    _, validation = _draw(rest, 0.1, 42, strata)
    return _cut("72/8/20", {"seed": 42}, ratings, validation, test, refit=False)


def split_80_20(ratings: pd.DataFrame, seed: int = 42) -> Split:
    """Each rating is test with probability 0.2 (source 004, which sets no seed)."""
    is_test = np.random.RandomState(seed).rand(len(ratings)) >= 0.8
    return _validated("80/20", {"seed": seed}, ratings, is_test)


def _all(ratings: pd.DataFrame) -> Positions:
    return np.arange(len(ratings), dtype=np.int64)


def _strata(ratings: pd.DataFrame) -> Positions:
    """[rows] a number for each user. scikit-learn draws user by user in this order.

    The sources read ids as integers, so whole numbers are ordered as numbers.
    """
    codes, users = pd.factorize(ratings[Col.USER])
    try:
        keys = np.array([int(user) for user in users])
    except ValueError:
        keys = np.array(users, dtype=object)
    rank = np.empty(len(users), np.int64)
    rank[np.argsort(keys, kind="stable")] = np.arange(len(users))
    return rank[codes]


def _draw(
    positions: Positions, fraction: float, seed: int, strata: Positions | None = None
) -> tuple[Positions, Positions]:
    """(the others, the drawn ones), both in the order in which scikit-learn leaves them."""
    if fraction == 0:
        return positions, positions[:0]
    try:
        others, drawn = train_test_split(
            positions,
            test_size=fraction,
            random_state=seed,
            stratify=None if strata is None else strata[positions],
        )
    except ValueError as error:
        # A user with a single rating, or fewer rows to draw than there are users.
        raise DataError(f"the split cannot be drawn from {len(positions)} rows: {error}") from error
    return others, drawn


def _validated(
    name: str, parameters: dict[str, Any], ratings: pd.DataFrame, is_test: npt.NDArray[np.bool_]
) -> Split:
    positions = _all(ratings)
    _, validation = _draw(positions[~is_test], _VALIDATION, _VALIDATION_SEED)
    return _cut(name, parameters, ratings, validation, positions[is_test])


def _cut(
    name: str,
    parameters: dict[str, Any],
    ratings: pd.DataFrame,
    validation: Positions,
    test: Positions,
    *,
    refit: bool = True,
) -> Split:
    part = np.full(len(ratings), PARTS.index("train"))
    part[validation] = PARTS.index("validation")
    part[test] = PARTS.index("test")
    return cut(name, parameters, ratings, part, refit=refit)
