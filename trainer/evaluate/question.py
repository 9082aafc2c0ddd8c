"""What is asked of every model alike: which users, what is shown of them, what should be found."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from trainer.datasets import Dataset
from trainer.features.index import DenseIndex, Histories, IndexArray, Interactions
from trainer.split import Split

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Shown:
    """B users as they are put before a model."""

    users: IndexArray
    """[B] user_index."""
    histories: Histories
    """B histories, oldest first."""
    strangers: bool
    """Training knows nothing of them, and their id is not told: the history is all there is."""

    def __len__(self) -> int:
        return len(self.users)

    def part(self, start: int, stop: int) -> Shown:
        """The users at positions start to stop."""
        positions = np.arange(start, min(stop, len(self)))
        return Shown(self.users[positions], self.histories.of(positions), self.strangers)


@dataclass(frozen=True, eq=False)
class Question:
    """One split as arrays by dense index."""

    index: DenseIndex
    train: Interactions
    """The rows that the tested model is fitted on: what popularity and activity are counted in."""
    test: Interactions
    """Ordered by user, then time. The ratings are what models are scored against."""
    given: Histories
    """Of all users: what may be shown, and is no candidate."""
    candidates: BoolArray
    """[N]"""
    ladder: tuple[int, ...]
    """As `Asking.ladder`; () = everything is shown."""
    rating_range: tuple[float, float]

    @cached_property
    def users(self) -> IndexArray:
        """[U] users with test rows, ascending."""
        return np.unique(self.test.users)

    @cached_property
    def test_position(self) -> IndexArray:
        """[n] position in `users` of each test row's user."""
        return np.searchsorted(self.users, self.test.users)

    @property
    def rungs(self) -> tuple[int | None, ...]:
        """Numbers of shown ratings; (None,) without a ladder."""
        return self.ladder or (None,)

    def shown(self, n: int | None) -> Shown:
        """All asked users, with their first `n` ratings; None = all that may be shown."""
        histories = self.given.of(self.users)
        return Shown(
            users=self.users,
            histories=histories if n is None else histories.first(n),
            strangers=bool(self.ladder),
        )

    def excluded(self, users: IndexArray) -> BoolArray:
        """[B, N] movies that are not ranked: no candidates, or in all that may be shown."""
        mask = np.repeat(~self.candidates[None, :], len(users), axis=0)
        for row, user in enumerate(users):
            mask[row, self.given.movies[user]] = True
        return mask

    def relevant(self, users: IndexArray) -> BoolArray:
        """[B, N] the movies that should be found: those of the test rows, whatever the rating."""
        mask = np.zeros((len(users), self.index.n_movies), bool)
        starts = np.searchsorted(self.test.users, users, side="left")
        ends = np.searchsorted(self.test.users, users, side="right")
        for row, (start, end) in enumerate(zip(starts, ends, strict=True)):
            mask[row, self.test.movies[start:end]] = True
        return mask

    @cached_property
    def movie_counts(self) -> IndexArray:
        """[N] training ratings of each movie."""
        return np.bincount(self.train.movies, minlength=self.index.n_movies)

    @cached_property
    def user_counts(self) -> IndexArray:
        """[all users] training ratings of each user."""
        return np.bincount(self.train.users, minlength=self.index.n_users)


def ask(dataset: Dataset, split: Split) -> Question:
    """The question that a split puts."""
    index, asking = DenseIndex(dataset), split.asking
    movie_ids = np.array(index.movie_ids, object)
    return Question(
        index=index,
        train=index.interactions(split.final_train),
        test=index.interactions(split.test),
        given=index.interactions(asking.given).histories(index.n_users),
        candidates=np.isin(movie_ids, asking.candidates.to_numpy(object)),
        ladder=asking.ladder,
        rating_range=dataset.rating_range,
    )
