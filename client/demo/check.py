"""Is it any good? Held-out Recall@10 against popularity, and whether lists are personal."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from statistics import fmean
from typing import Final

from client.client import RecommenderClient
from client.demo.failures import USER_ERROR, DemoError
from client.demo.holdout import Holdout

LIST_SIZE: Final = 10
MAX_USERS: Final = 200
MAX_OVERLAP: Final = 0.5


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What the check measured."""

    n_users: int
    recall: float
    """Mean over users of the share of their held-out movies among the 10 recommended."""
    popularity_recall: float
    """The same of the 10 most rated movies that each user has not rated."""
    pair: tuple[str, str]
    """The two users whose lists are compared."""
    overlap: float
    """Share of the shorter list that the other one has too, 0..1."""
    n_degraded: int
    """Answers that were second best because something was away."""

    def problems(self) -> list[str]:
        """A sentence for each check that does not hold."""
        found = []
        if not self.recall > self.popularity_recall:
            found.append(
                f"Recall@{LIST_SIZE} is {self.recall:.3f} over {self.n_users} users, "
                f"not above popularity's {self.popularity_recall:.3f}"
            )
        if not self.overlap < MAX_OVERLAP:
            found.append(
                f"users {self.pair[0]} and {self.pair[1]} share {self.overlap:.0%} of their "
                f"lists, allowed is less than {MAX_OVERLAP:.0%}"
            )
        if found and self.n_degraded:
            found.append(f"{self.n_degraded} of {self.n_users} answers were degraded")
        return found


def check(client: RecommenderClient, holdout: Holdout) -> CheckResult:
    """Asks for the lists of up to 200 held-out users; the first two are compared.

    Raises:
      DemoError: the hold-out has fewer than two users with ratings.
      RecommenderError: a call failed.
    """
    users = list(islice((user for user, held in holdout.ratings.items() if held), MAX_USERS))
    if len(users) < 2:
        message = f"the check needs 2 held-out users, the hold-out file has {len(users)}"
        raise DemoError(message, exit_code=USER_ERROR)
    lists = {}
    recalls, popularity_recalls = [], []
    n_degraded = 0
    for user in users:
        held_out = holdout.ratings[user]
        answer = client.recommend_user(user, page_size=LIST_SIZE)
        seen = {rated.movie_id for rated in client.get_user(user).ratings}
        lists[user] = answer.movie_ids
        recalls.append(recall(answer.movie_ids, held_out))
        popularity_recalls.append(recall(most_popular(holdout.popularity, seen), held_out))
        n_degraded += answer.answer.degraded
    first, second = users[:2]
    return CheckResult(
        n_users=len(users),
        recall=fmean(recalls),
        popularity_recall=fmean(popularity_recalls),
        pair=(first, second),
        overlap=overlap(lists[first], lists[second]),
        n_degraded=n_degraded,
    )


def recall(recommended: Iterable[str], held_out: Collection[str]) -> float:
    """Share of the held-out movies that were recommended, 0..1."""
    return len(set(recommended) & set(held_out)) / len(held_out)


def most_popular(popularity: Iterable[str], seen: Collection[str]) -> list[str]:
    """The 10 most rated movies without those that the user has rated."""
    return list(islice((movie for movie in popularity if movie not in seen), LIST_SIZE))


def overlap(one: Sequence[str], other: Sequence[str]) -> float:
    """Share of the shorter list that is in the other as well, 0..1; empty lists are alike."""
    shorter = min(len(one), len(other))
    return len(set(one) & set(other)) / shorter if shorter else 1.0
