"""A split: the three parts, and what may be known when a test user is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from trainer.datasets import Col

PARTS: Final = ("train", "validation", "test")


@dataclass(frozen=True, eq=False)
class Asking:
    """What is known of a test user at asking time, and which movies are ranked for them."""

    given: pd.DataFrame
    """Ratings that may be shown to the model, each user's in order of time. A cold user's stand in
    no part of the split: nothing is learnt from them."""
    candidates: pd.Index
    """Movie ids. A user is ranked all of them but those in the user's `given`, however few of
    those rows are shown."""
    ladder: tuple[int, ...] = ()
    """The figure is taken once for each of these numbers of shown rows; () = all rows are shown."""

    def history(self, n: int | None = None) -> pd.DataFrame:
        """The rows that the model is shown: each user's first `n`; None = all."""
        if n is None:
            return self.given
        return self.given[self.given.groupby(Col.USER, sort=False).cumcount() < n]


@dataclass(frozen=True, eq=False)
class Split:
    """Ratings in three disjoint parts, each in file order with the index of `ratings`."""

    name: str
    parameters: Mapping[str, Any]
    """What makes the split again, for the manifest."""
    train: pd.DataFrame
    validation: pd.DataFrame
    test: pd.DataFrame
    unassigned: int = 0
    """Ratings that belong to no part."""
    refit: bool = True
    """The model that is tested is fitted on train and validation; False = on train alone."""
    cold: Asking | None = None
    """Where it differs from the rule of `asking`: protocols for users or movies never seen."""

    @property
    def history(self) -> pd.DataFrame:
        """Train and validation: all that may be known of a user when test rows are asked for."""
        return pd.concat([self.train, self.validation]).sort_index()

    @property
    def final_train(self) -> pd.DataFrame:
        """What the model that is tested is fitted on, once all choices are made."""
        return self.history if self.refit else self.train

    @property
    def asking(self) -> Asking:
        """Everything in `final_train` is known, and every rated movie may be the answer."""
        if self.cold is not None:
            return self.cold
        rated = pd.concat([self.train, self.validation, self.test])[Col.MOVIE].unique()
        return Asking(in_time_order(self.final_train), pd.Index(rated))

    def counts(self) -> dict[str, int]:
        """Rows by part."""
        return {part: len(getattr(self, part)) for part in PARTS}


def in_time_order(ratings: pd.DataFrame) -> pd.DataFrame:
    """Rows by (timestamp, file order)."""
    return ratings.sort_values(Col.TIME, kind="stable")


def cut(
    name: str,
    parameters: dict[str, Any],
    ratings: pd.DataFrame,
    part: npt.NDArray[np.int64],
    *,
    refit: bool = True,
) -> Split:
    """A split from each row's index in PARTS; -1 = no part."""
    tables = {label: ratings[part == code] for code, label in enumerate(PARTS)}
    return Split(name, parameters, **tables, unassigned=int((part < 0).sum()), refit=refit)
