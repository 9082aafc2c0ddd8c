"""Several questions to the model server at once: one Predict where it will do, an answer each."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from server.breaker import Breaker
from server.deadline import Budget
from server.domain import MovieFilter, Order, UserId, Version
from server.errors import ContractViolation, DeadlineExceeded, UpstreamUnavailable
from server.features.snapshot import read_catalogue
from server.merged_calls import LARGEST_BATCH
from server.placed_user import ModelUser
from server.prediction import ServableCall
from server.releases import ActiveRelease
from server.servables import Asked, RankingQuery, Recommended, ServableModels
from tests.releases import GENRES, write_release

UNHURRIED = Budget.unhurried()
Outputs = Mapping[str, Any]


@dataclass
class Server:
    """In the model server's place.

    Who has seen a movie is told of the one before it in the catalogue; by ids, of the same.
    """

    says: Callable[[ServableCall, Outputs, Budget], None] = lambda _call, _inputs, _budget: None
    """May raise something in place of the answer, or change what is asked."""
    breaker: Breaker = field(default_factory=lambda: Breaker(3600))
    calls: list[tuple[ServableCall, list[str], tuple[str, ...]]] = field(default_factory=list)
    """Of each Predict: what is called, the users, the outputs."""
    budgets: list[Budget] = field(default_factory=list)

    def predict(
        self,
        call: ServableCall,
        inputs: Outputs,
        outputs: Collection[str],
        budget: Budget,
        sizes: Mapping[str, int],
    ) -> Outputs:
        users = inputs["user_id"].tolist()
        assert sizes == {"B": len(users), "D": 2, "R": 2}
        self.calls.append((call, users, tuple(outputs)))
        self.budgets.append(budget)
        self.says(call, inputs, budget)
        n_rows = len(users)
        said = {
            "scores": np.full((n_rows, 1), 2.5, np.float32),
            "ratings": np.full((n_rows, 1), 4, np.float32),
            "user_vector": np.arange(2.0 * n_rows).reshape(n_rows, 2),
            "rating_vector": np.ones((n_rows, 2)),
            "rating_bias": np.ones((n_rows, 1)),
            "score_stats": np.ones((n_rows, 4)),
        }
        if "movie_ids" in outputs:
            said["movie_ids"] = inputs["history_ids"][:, 1:2]
        else:
            # Number n is movie_index n - 1: the movie before the one seen has its index as number.
            said["movie_numbers"] = inputs["history_numbers"][:, 1:2] - 1
        return {name: said[name] for name in outputs}

    def patience_s(self, budget: Budget) -> float:
        return budget.stage(20, 0)

    @property
    def rows(self) -> list[list[str]]:
        """The users of each Predict."""
        return [users for _, users, _ in self.calls]


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def models(server: Server) -> ServableModels:
    return ServableModels(server)  # type: ignore[arg-type] - has what it calls


@pytest.fixture
def release(tmp_path: Path) -> ActiveRelease:
    return written(tmp_path / "new", 1)


def written(folder: Path, version: int, **manifest: int) -> ActiveRelease:
    """A release of twelve movies."""
    said = write_release(folder, version, **manifest)
    catalogue = read_catalogue(folder / "features" / str(version), GENRES)
    return ActiveRelease(Version(version), said, catalogue, catalogue)


def asked(
    release: ActiveRelease, name: str, *seen: int, budget: Budget = UNHURRIED, **wishes: Any
) -> Asked:
    """Somebody who has seen the movies of these movie_index."""
    movies = np.array(seen, np.int64)
    user = ModelUser(UserId(name), movies, np.full(len(seen), 3, np.float32), ())
    return Asked(release, RankingQuery(user, movies, **wishes), budget)


def listed(answer: object) -> list[int]:
    assert isinstance(answer, Recommended)
    return answer.ranking.movies.tolist()


def test_one_predict_answers_all(
    server: Server, models: ServableModels, release: ActiveRelease
) -> None:
    """Whose histories are of other lengths travel together, too; each is told its own."""
    few, many = asked(release, "a", 5), asked(release, "b", 3, *range(100))
    answers = models.recommend_all([few, many, asked(release, "c", 9)])

    assert server.rows == [["a", "b", "c"]]
    assert [listed(answer) for answer in answers] == [[4], [2], [8]]
    assert models.recommend_all([]) == []
    assert len(server.calls) == 1


def test_what_is_asked_otherwise_goes_by_another_call(
    server: Server, models: ServableModels, release: ActiveRelease, tmp_path: Path
) -> None:
    """Another order, other outputs, another release, much wider rows; answers keep their places."""
    other = written(tmp_path / "other", 2)
    answers = models.recommend_all(
        [
            asked(release, "a", 1),
            asked(release, "b", 2, order=Order.PREDICTED_RATING),
            asked(other, "c", 3),
            asked(release, "d", 4, wants_vectors=True),
            asked(release, "e", 5, *[0] * 256),
            asked(release, "f", 6),
            asked(other, "g", 7),
            asked(release, "h", 8, wants_vectors=True, filter=MovieFilter(min_year=1990)),
        ]
    )

    assert server.rows == [["a", "f"], ["b"], ["c", "g"], ["d", "h"], ["e"]]
    assert [call.version for call, _, _ in server.calls] == [1, 1, 2, 1, 1]
    assert [listed(answer) for answer in answers] == [[0], [1], [2], [3], [4], [5], [6], [7]]
    vectors = [answer.vectors for answer in answers if isinstance(answer, Recommended)]
    assert [None if v is None else v.retrieval.tolist() for v in vectors] == [
        *[None] * 3,
        [0, 1],
        *[None] * 3,
        [2, 3],
    ]


def test_an_earlier_release_is_asked_one_by_one(
    server: Server, models: ServableModels, release: ActiveRelease, tmp_path: Path
) -> None:
    """Contract 1 has no `by_number`: each goes by ids, the others together."""
    old = written(tmp_path / "old", 2, contract_version=1)
    mixed = [asked(old, "a", 1), asked(release, "b", 2), asked(old, "c", 3), asked(release, "d", 4)]
    answers = models.recommend_all(mixed)

    assert server.rows == [["a"], ["b", "d"], ["c"]]
    assert [call.signature for call, _, _ in server.calls] == [
        "serving_default",
        "by_number",
        "serving_default",
    ]
    assert [listed(answer) for answer in answers] == [[1], [1], [3], [3]]


def test_more_than_a_batch_holds_go_by_several_calls(
    server: Server, models: ServableModels, release: ActiveRelease
) -> None:
    """No call has more rows than model servers are warmed up for."""
    answers = models.recommend_all([asked(release, "a", 2)] * (LARGEST_BATCH + 1))

    assert [len(users) for users in server.rows] == [LARGEST_BATCH, 1]
    assert [listed(answer) for answer in answers] == [[1]] * (LARGEST_BATCH + 1)


def test_a_bad_answer_is_one_users(
    server: Server, models: ServableModels, release: ActiveRelease
) -> None:
    """The second one is told of movie 13 of twelve."""

    def mistaken(call: ServableCall, inputs: Outputs, budget: Budget) -> None:
        inputs["history_numbers"][1, 1] = 14

    server.says = mistaken
    first, bad, last = models.recommend_all([asked(release, str(n), n) for n in (1, 2, 3)])

    assert isinstance(bad, ContractViolation)
    assert (listed(first), listed(last)) == ([0], [2])
    assert len(server.calls) == 1


def test_a_call_that_is_refused_is_repeated_row_by_row(
    server: Server, models: ServableModels, release: ActiveRelease
) -> None:
    """One row alone may be the reason: it fails, with its own time, and the others do not."""

    def refuses(call: ServableCall, inputs: Outputs, budget: Budget) -> None:
        if "bad" in inputs["user_id"]:
            raise ContractViolation("bad")

    server.says = refuses
    budgets = [Budget(time.monotonic() + seconds) for seconds in (60, 90, 30)]
    first, bad, last = models.recommend_all(
        [
            asked(release, "a", 1, budget=budgets[0]),
            asked(release, "bad", 2, budget=budgets[1]),
            asked(release, "c", 3, budget=budgets[2]),
        ]
    )

    assert isinstance(bad, ContractViolation)
    assert (listed(first), listed(last)) == ([0], [2])
    assert server.rows == [["a", "bad", "c"], ["a"], ["bad"], ["c"]]
    # Together they may take as long as any of them can wait.
    assert server.budgets == [budgets[1], *budgets]


def test_a_server_that_is_away_is_asked_once(
    server: Server, models: ServableModels, release: ActiveRelease
) -> None:
    """All hear of it, each by an error of its own: they are raised on."""

    def away(call: ServableCall, inputs: Outputs, budget: Budget) -> None:
        raise UpstreamUnavailable("away", timed_out=True)

    server.says = away
    answers = models.recommend_all([asked(release, "a", 1), asked(release, "b", 2)])

    assert [(type(e), str(e), e.timed_out) for e in answers] == [  # type: ignore[union-attr]
        (UpstreamUnavailable, "away", True)
    ] * 2
    assert len(set(map(id, answers))) == 2
    assert len(server.calls) == 1


def test_who_has_no_time_leaves_the_others_theirs(
    server: Server, models: ServableModels, release: ActiveRelease
) -> None:
    """Alone or in other company: a spent budget is an answer, not an exception."""
    spent = Budget(time.monotonic() - 1)
    late = asked(release, "late", 1, budget=spent, order=Order.PREDICTED_RATING)
    answers = models.recommend_all([late, asked(release, "b", 2)])

    assert isinstance(answers[0], DeadlineExceeded)
    assert listed(answers[1]) == [1]
    with pytest.raises(DeadlineExceeded):
        models.recommend(*late)


def test_the_index_answers_those_whom_it_suits(
    server: Server, models: ServableModels, release: ActiveRelease
) -> None:
    """Without a filter and with few exclusions; unloaded since, exact search answers them all."""
    indexed = replace(release, index_parts=frozenset({"recommend_scann"}))
    everybody = [
        asked(indexed, "a", 1),
        asked(indexed, "b", 2, filter=MovieFilter(min_year=1990)),
        asked(indexed, "c", 3),
        asked(indexed, "d", 4, *[0] * 200),
    ]
    models.recommend_all(everybody)
    assert [(call.servable, users) for call, users, _ in server.calls] == [
        ("recommend_scann", ["a", "c"]),
        ("recommend", ["b", "d"]),
    ]

    def unloaded(call: ServableCall, inputs: Outputs, budget: Budget) -> None:
        if call.servable == "recommend_scann":
            raise UpstreamUnavailable("not loaded")

    server.says = unloaded
    server.calls.clear()
    answers = models.recommend_all(everybody)
    assert [listed(answer) for answer in answers] == [[0], [1], [2], [3]]
    assert [(call.servable, users) for call, users, _ in server.calls] == [
        ("recommend_scann", ["a", "c"]),
        ("recommend", ["a", "c"]),
        ("recommend", ["b", "d"]),
    ]


def test_an_index_that_hangs_is_not_asked_again(
    server: Server, models: ServableModels, release: ActiveRelease
) -> None:
    """Exact search is on the same server, and the caps would add up."""
    indexed = replace(release, index_parts=frozenset({"recommend_scann"}))

    def hangs(call: ServableCall, inputs: Outputs, budget: Budget) -> None:
        raise UpstreamUnavailable("no answer", timed_out=True)

    server.says = hangs
    (answer,) = models.recommend_all([asked(indexed, "a", 1)])
    assert isinstance(answer, UpstreamUnavailable)
    assert len(server.calls) == 1
