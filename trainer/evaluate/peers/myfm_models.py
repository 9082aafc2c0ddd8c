"""myfm: a Bayesian factorisation machine, by Gibbs sampling.

"plain" has a column for each user and movie; "implicit" adds what the user rated and who rated the
movie, each divided by the root of its count; "implicit+side" adds age decade, gender and
occupation, genres and the five years of the release. Each group of columns has its own priors.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from trainer.datasets import Col
from trainer.evaluate.peers.fitting import FittedPeer, PeerTraining
from trainer.evaluate.question import Shown
from trainer.evaluate.scorers import FloatArray
from trainer.features.index import Histories, IndexArray

with warnings.catch_warnings():
    # It asks pkg_resources for its version, which is deprecated.
    warnings.filterwarnings("ignore", message="pkg_resources is deprecated", category=UserWarning)
    from myfm import MyFMGibbsRegressor, RelationBlock

_YEARS = 5
_DECADE = 10


def fit(
    training: PeerTraining, algorithm: str, settings: Mapping[str, Any], seed: int
) -> FittedPeer:
    """Fits one of the three variants.

    Args:
      settings: rank and n_iter.
    """
    implicit, side = algorithm != "plain", algorithm == "implicit+side"
    blocks = _Blocks.of(training, implicit=implicit, side=side)
    rows = training.rows
    model = MyFMGibbsRegressor(rank=settings["rank"], random_seed=seed)
    model.fit(
        sparse.csr_matrix((len(rows), 0)),
        rows.ratings.astype(np.float64),
        X_rel=[RelationBlock(rows.users, blocks.users), RelationBlock(rows.movies, blocks.movies)],
        n_iter=settings["n_iter"],
        group_shapes=list(blocks.group_shapes),
    )
    n_columns = blocks.users.shape[1] + blocks.movies.shape[1]
    # Of one sample; the prediction is the mean over all kept ones.
    parameters = 1 + n_columns * (1 + settings["rank"])
    return FittedPeer(_Ratings(model, blocks), None, parameters)


@dataclass(frozen=True, eq=False)
class _Blocks:
    users: sparse.csr_matrix
    """[U, columns]"""
    movies: sparse.csr_matrix
    """[N, columns]"""
    n_side: int
    """Columns of side features at the end of `users`."""
    implicit: bool
    group_shapes: tuple[int, ...]
    """Columns of each group, of users and then of movies."""

    @classmethod
    def of(cls, training: PeerTraining, *, implicit: bool, side: bool) -> _Blocks:
        users = [sparse.identity(training.n_users, format="csr")]
        movies = [sparse.identity(training.n_movies, format="csr")]
        user_side = _user_side(training.users) if side else []
        if implicit:
            rated = sparse.csr_matrix(
                (np.ones(len(training.rows)), (training.rows.users, training.rows.movies)),
                shape=(training.n_users, training.n_movies),
            )
            users.append(_by_root_of_count(rated))
            movies.append(_by_root_of_count(rated.T.tocsr()))
        users += user_side
        movies += _movie_side(training.movies) if side else []
        return cls(
            users=sparse.hstack(users, format="csr"),
            movies=sparse.hstack(movies, format="csr"),
            n_side=sum(group.shape[1] for group in user_side),
            implicit=implicit,
            group_shapes=tuple(group.shape[1] for group in (*users, *movies)),
        )

    def strangers(self, histories: Histories) -> sparse.csr_matrix:
        """[B, columns] rows of users without a column of their own, of whom nothing is said."""
        n_users, n_movies = self.users.shape[0], self.movies.shape[0]
        parts = [sparse.csr_matrix((len(histories), n_users))]
        if self.implicit:
            owner = np.repeat(np.arange(len(histories)), histories.lengths())
            seen = np.concatenate(histories.movies).astype(np.int64)
            shape = (len(histories), n_movies)
            parts.append(
                _by_root_of_count(sparse.csr_matrix((np.ones(len(seen)), (owner, seen)), shape))
            )
        parts.append(sparse.csr_matrix((len(histories), self.n_side)))
        return sparse.hstack(parts, format="csr")


@dataclass(frozen=True, eq=False)
class _Ratings:
    model: Any
    blocks: _Blocks

    def rate(self, shown: Shown, position: IndexArray, movies: IndexArray) -> FloatArray:
        users = (
            RelationBlock(position, self.blocks.strangers(shown.histories))
            if shown.strangers
            else RelationBlock(shown.users[position], self.blocks.users)
        )
        relations = [users, RelationBlock(movies, self.blocks.movies)]
        return np.asarray(self.model.predict(sparse.csr_matrix((len(movies), 0)), relations))


def _by_root_of_count(rows: sparse.csr_matrix) -> sparse.csr_matrix:
    count = np.maximum(np.diff(rows.indptr), 1)
    return (sparse.diags(1 / np.sqrt(count)) @ rows).tocsr()


def _user_side(users: pd.DataFrame) -> list[sparse.csr_matrix]:
    ages = users[Col.AGE].to_numpy(np.int64) // _DECADE
    known = users[Col.AGE].to_numpy(np.int64) > 0
    return [
        _one_hot(np.where(known, ages.astype(str), "")),
        _one_hot(users[Col.GENDER].to_numpy(str)),
        _one_hot(users[Col.OCCUPATION].to_numpy(str)),
    ]


def _movie_side(movies: pd.DataFrame) -> list[sparse.csr_matrix]:
    genres = sorted({genre for own in movies[Col.GENRES] for genre in own})
    column = {genre: number for number, genre in enumerate(genres)}
    pairs = [(row, column[g]) for row, own in enumerate(movies[Col.GENRES]) for g in own]
    rows, columns = np.array(pairs, np.int64).reshape(-1, 2).T
    shape = (len(movies), len(genres))
    multi_hot = sparse.csr_matrix((np.ones(len(rows)), (rows, columns)), shape)
    years = movies[Col.YEAR].to_numpy(np.int64)
    return [
        _by_root_of_count(multi_hot),
        _one_hot(np.where(years > 0, (years // _YEARS).astype(str), "")),
    ]


def _one_hot(values: npt.NDArray[np.str_]) -> sparse.csr_matrix:
    """[n, distinct values]; "" is unknown and has no column."""
    known = np.flatnonzero(values != "")
    names, columns = np.unique(values[known], return_inverse=True)
    shape = (len(values), len(names))
    return sparse.csr_matrix((np.ones(len(known)), (known, columns)), shape)
