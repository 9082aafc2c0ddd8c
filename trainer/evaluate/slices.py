"""Groups of users and movies whose figures are shown apart, all by counts in training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from trainer.evaluate.question import Question

BoolArray = npt.NDArray[np.bool_]

WARM_FROM: Final = 20
HOT_FROM: Final = 100
HEAD_SHARE: Final = 0.8
ACTIVITY: Final = (0, 1, 10, 20, 50, 100, 200, 500)
"""Lower bounds of the buckets of training ratings."""


@dataclass(frozen=True, eq=False)
class Group:
    """Some users and some movies."""

    name: str
    definition: str
    users: BoolArray
    """[all users]"""
    movies: BoolArray
    """[N]"""


def user_groups(question: Question) -> list[Group]:
    """hot, warm and cold users, by the number of their training ratings."""
    n, all_movies = question.user_counts, np.ones(question.index.n_movies, bool)
    words = "users with {} training ratings"
    return [
        Group("hot", words.format(f"{HOT_FROM} or more"), n >= HOT_FROM, all_movies),
        Group(
            "warm",
            words.format(f"{WARM_FROM} to {HOT_FROM - 1}"),
            (n >= WARM_FROM) & (n < HOT_FROM),
            all_movies,
        ),
        Group("cold", words.format(f"fewer than {WARM_FROM}"), n < WARM_FROM, all_movies),
    ]


def movie_groups(question: Question) -> list[Group]:
    """Head movies, which hold most of the training ratings, and the tail of all others."""
    counts = question.movie_counts
    everybody = np.ones(question.index.n_users, bool)
    order = np.argsort(-counts, kind="stable")
    # A movie is head as long as those before it hold less than the share.
    before = np.cumsum(counts[order]) - counts[order]
    head = np.zeros(len(counts), bool)
    head[order[before < HEAD_SHARE * counts.sum()]] = True
    share = f"{HEAD_SHARE:.0%} of the training ratings"
    return [
        Group("head", f"the {head.sum():,} most-rated movies, which hold {share}", everybody, head),
        Group("tail", f"the other {(~head).sum():,} movies", everybody, ~head),
    ]


def activity_groups(question: Question) -> list[Group]:
    """Users by how much they rated, in buckets."""
    n, all_movies = question.user_counts, np.ones(question.index.n_movies, bool)
    found = []
    for low, after in zip(ACTIVITY, (*ACTIVITY[1:], None), strict=True):
        inside = (n >= low) & (n < (after or np.inf))
        name = (
            f"{low}+" if after is None else str(low) if after == low + 1 else f"{low}-{after - 1}"
        )
        found.append(Group(name, f"users with {name} training ratings", inside, all_movies))
    return found
