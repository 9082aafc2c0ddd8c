"""Calls that meet on their way travel as one, and each caller gets its own answer."""
# ruff: noqa: ARG002 - the stand-in has the client's signatures.

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from server.breaker import THRESHOLD, Breaker
from server.deadline import Budget
from server.domain import Version
from server.errors import ContractViolation, DeadlineExceeded, UpstreamUnavailable
from server.merged_calls import LARGEST_BATCH, MergedCalls, Question
from server.prediction import ServableCall
from tests.fault.waiting import eventually

QUESTION = Question(ServableCall("recommend", "by_number", Version(1)), ("sums",), (("D", 2),))
UNHURRIED = Budget.unhurried()
DEADLINE_S = 20


@dataclass
class Server:
    """In the model server's place: adds up each row; every call waits until it may go."""

    answer: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None
    patience: float = DEADLINE_S
    breaker: Breaker = field(default_factory=lambda: Breaker(3600))
    budgets: list[Budget] = field(default_factory=list)
    n_asked: int = 0
    """How often for its patience."""
    calls: list[tuple[Mapping[str, Any], Mapping[str, int]]] = field(default_factory=list)
    may_go: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    arrived: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    given_up: list[float] = field(default_factory=list)

    def predict(
        self,
        call: ServableCall,
        inputs: Mapping[str, Any],
        outputs: Collection[str],
        budget: Budget,
        sizes: Mapping[str, int],
    ) -> Mapping[str, Any]:
        self.calls.append((inputs, sizes))
        self.budgets.append(budget)
        self.arrived.release()
        assert self.may_go.acquire(timeout=DEADLINE_S)
        if self.answer:
            return self.answer(inputs)
        return {"sums": inputs["numbers"].sum(axis=1, keepdims=True)}

    def patience_s(self, budget: Budget) -> float:
        self.n_asked += 1
        return budget.stage(self.patience, 0)

    def waited_in_vain(self, waited_s: float) -> UpstreamUnavailable:
        self.given_up.append(waited_s)
        return UpstreamUnavailable("no answer", timed_out=True)

    @property
    def n_rows(self) -> list[int]:
        """Of each call that arrived."""
        return [sizes["B"] for _, sizes in self.calls]


def inputs_of(rows: Sequence[tuple[int, ...]]) -> Mapping[str, Any]:
    """Rows of numbers, each of the user with the last one."""
    numbers = np.zeros((len(rows), max(map(len, rows))), np.int64)
    for at, row in enumerate(rows):
        numbers[at, : len(row)] = row
    users = [str(row[-1]) for row in rows]
    return {"numbers": numbers, "user_id": np.array(users, object)}


class Crowd:
    """Callers, each on a thread of its own."""

    def __init__(self, server: Server, pool: ThreadPoolExecutor) -> None:
        self._merged = MergedCalls(server, inputs_of)  # type: ignore[arg-type] - has what it calls
        self._server, self._pool = server, pool

    def asks(
        self,
        *numbers: int,
        question: Question = QUESTION,
        budget: Budget = UNHURRIED,
    ) -> Future[Mapping[str, Any]]:
        return self.asks_for([numbers], question, budget)

    def asks_for(
        self,
        rows: Sequence[tuple[int, ...]],
        question: Question = QUESTION,
        budget: Budget = UNHURRIED,
    ) -> Future[Mapping[str, Any]]:
        return self._pool.submit(self._merged.predict, question, rows, budget)

    def has_queued(self, n_rows: int) -> None:
        """Returns once so many rows wait for the call before them."""
        eventually(lambda: self._merged.n_waiting == n_rows)

    @property
    def lanes(self) -> int:
        return len(self._merged._lanes)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def crowd(server: Server):
    with ThreadPoolExecutor(2 * LARGEST_BATCH) as pool:
        yield Crowd(server, pool)
        server.may_go.release(10 * LARGEST_BATCH)


def first(crowd: Crowd, server: Server) -> Future[Mapping[str, Any]]:
    """A call that is away."""
    call = crowd.asks(0, 1)
    assert server.arrived.acquire(timeout=DEADLINE_S)
    return call


def opened(breaker: Breaker) -> None:
    for _ in range(THRESHOLD):
        breaker.timed_out()


def sum_of(call: Future[Mapping[str, Any]]) -> int:
    (total,) = sums_of(call)
    return total


def sums_of(call: Future[Mapping[str, Any]]) -> list[int]:
    return call.result(DEADLINE_S)["sums"][:, 0].tolist()


def test_what_waits_behind_a_call_travels_as_one(crowd: Crowd, server: Server) -> None:
    """The first goes alone, the next three together, widened by zeros; each gets its own row."""
    alone = first(crowd, server)
    others = [crowd.asks(0, 2), crowd.asks(0, 3, 4), crowd.asks(0, 5, 6, 7)]
    crowd.has_queued(3)
    server.may_go.release(2)

    assert [sum_of(call) for call in (alone, *others)] == [1, 2, 7, 18]
    assert server.n_rows == [1, 3]
    inputs, _ = server.calls[1]
    rows = dict(zip(inputs["user_id"], inputs["numbers"].tolist(), strict=True))
    assert rows == {"2": [0, 2, 0, 0], "4": [0, 3, 4, 0], "7": [0, 5, 6, 7]}
    assert others[0].result()["sums"].shape == (1, 1)
    assert crowd.lanes == 0


def test_a_callers_rows_travel_together(crowd: Crowd, server: Server) -> None:
    """On a free way at once; behind a call with the rows of others, and all come back in order."""
    away = crowd.asks_for([(0, 1), (0, 2)])
    assert server.arrived.acquire(timeout=DEADLINE_S)
    three = crowd.asks_for([(0, 3), (0, 4), (0, 5)])
    one = crowd.asks(0, 6)
    two = crowd.asks_for([(0, 7, 1), (0, 8)])
    crowd.has_queued(6)
    server.may_go.release(2)

    assert [sums_of(call) for call in (away, three, one, two)] == [[1, 2], [3, 4, 5], [6], [8, 8]]
    assert server.n_rows == [2, 6]
    assert crowd.lanes == 0


def test_who_does_not_fit_waits_for_the_next_call(crowd: Crowd, server: Server) -> None:
    """A party is not split, and nobody smaller passes it."""
    first(crowd, server)
    patient = Budget(time.monotonic() + 3 * DEADLINE_S)
    nearly_full = [(0, n) for n in range(LARGEST_BATCH - 1)]
    leader = crowd.asks_for(nearly_full)
    crowd.has_queued(LARGEST_BATCH - 1)
    pair = crowd.asks_for([(0, 1), (0, 2)], budget=patient)
    crowd.has_queued(LARGEST_BATCH + 1)
    single = crowd.asks(0, 3, budget=patient)
    crowd.has_queued(LARGEST_BATCH + 2)
    server.may_go.release(3)

    assert sums_of(leader) == list(range(LARGEST_BATCH - 1))
    assert sums_of(pair) == [1, 2]
    assert sum_of(single) == 3
    assert server.n_rows == [1, LARGEST_BATCH - 1, 3]


def test_a_free_way_is_taken_alone(crowd: Crowd, server: Server) -> None:
    """One after the other, no call waits for company."""
    server.may_go.release(3)

    assert [sum_of(crowd.asks(0, n)) for n in (1, 2, 3)] == [1, 2, 3]
    assert server.n_rows == [1, 1, 1]


def test_a_batch_has_an_end(crowd: Crowd, server: Server) -> None:
    """No more rows than model servers are warmed up for; the rest follows."""
    first(crowd, server)
    others = [crowd.asks(0, n) for n in range(LARGEST_BATCH + 3)]
    crowd.has_queued(LARGEST_BATCH + 3)
    server.may_go.release(3)

    assert [sum_of(call) for call in others] == list(range(LARGEST_BATCH + 3))
    assert server.n_rows == [1, LARGEST_BATCH, 3]


@pytest.mark.parametrize(
    "question",
    [
        replace(QUESTION, kind="another"),
        replace(QUESTION, outputs=("sums", "more")),
        replace(QUESTION, call=ServableCall("recommend", "by_number", Version(2))),
    ],
    ids=["another kind", "another output", "another release"],
)
def test_what_is_asked_otherwise_does_not_wait(
    crowd: Crowd, server: Server, question: Question
) -> None:
    """Only calls of one question travel together."""
    first(crowd, server)
    other = crowd.asks(0, 2, question=question)

    # Sooner than the first one is done for.
    assert server.arrived.acquire(timeout=DEADLINE_S / 4)
    server.may_go.release(2)
    assert sum_of(other) == 2
    assert server.n_rows == [1, 1]


def test_one_bad_row_is_one_callers_error(crowd: Crowd, server: Server) -> None:
    """A merged call that is refused is repeated for each caller."""

    def refuses_13(inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        if 13 in inputs["numbers"]:
            raise ContractViolation("13")
        return {"sums": inputs["numbers"].sum(axis=1, keepdims=True)}

    server.answer = refuses_13
    first(crowd, server)
    good, bad = crowd.asks_for([(0, 2), (0, 3)]), crowd.asks(0, 13)
    crowd.has_queued(3)
    server.may_go.release(4)

    assert sums_of(good) == [2, 3]
    with pytest.raises(ContractViolation):
        bad.result(DEADLINE_S)
    assert server.n_rows[:2] == [1, 3]
    assert sorted(server.n_rows[2:]) == [1, 2]


@pytest.mark.parametrize("timed_out", [False, True], ids=["away", "hangs"])
def test_a_server_that_is_away_is_so_for_all(crowd: Crowd, server: Server, timed_out: bool) -> None:
    """All of a batch hear of it at once."""

    def away(inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        raise UpstreamUnavailable("away", timed_out=timed_out)

    server.answer = away
    calls = [first(crowd, server), *(crowd.asks(0, n) for n in (2, 3, 4))]
    crowd.has_queued(3)
    server.may_go.release(5)

    errors = [call.exception(DEADLINE_S) for call in calls]
    assert [(type(error), error.timed_out) for error in errors] == [
        (UpstreamUnavailable, timed_out)
    ] * 4
    # An exception carries the stack of one thread.
    assert len(set(map(id, errors))) == 4
    assert len(server.calls) == 2
    assert crowd.lanes == 0


def test_who_has_no_time_leaves_the_lane_as_it_was(crowd: Crowd, server: Server) -> None:
    """A call whose budget is spent behind one that is away: those after it go on as before."""
    away = first(crowd, server)
    spent = crowd.asks(0, 9, budget=Budget(time.monotonic() - 1))
    assert isinstance(spent.exception(DEADLINE_S), DeadlineExceeded)

    next_one = crowd.asks(0, 2)
    crowd.has_queued(1)
    server.may_go.release(2)

    assert [sum_of(call) for call in (away, next_one)] == [1, 2]
    assert crowd.lanes == 0


def test_who_is_on_the_way_waits_on(crowd: Crowd, server: Server) -> None:
    """Whose time passes while its batch is away is answered with it, and blames nobody."""
    away = first(crowd, server)
    server.patience = 2
    behind = [crowd.asks(0, n) for n in (2, 3)]
    crowd.has_queued(2)
    server.patience = DEADLINE_S
    server.may_go.release()
    assert server.arrived.acquire(timeout=DEADLINE_S)
    # One each at first; the second of the follower is that it waits on.
    eventually(lambda: server.n_asked == 4)
    server.may_go.release()

    assert [sum_of(call) for call in (away, *behind)] == [1, 2, 3]
    assert server.n_rows == [1, 2]
    assert server.given_up == []


def test_a_long_queue_is_no_sign_of_a_server_that_hangs(crowd: Crowd, server: Server) -> None:
    """Whose turn does not come while others' calls come back gives up, and blames nobody."""
    first(crowd, server)
    full = [crowd.asks(0, n) for n in range(LARGEST_BATCH)]
    crowd.has_queued(LARGEST_BATCH)
    server.patience = 2
    one_more = crowd.asks(0, 2)
    crowd.has_queued(LARGEST_BATCH + 1)
    server.patience = DEADLINE_S
    server.may_go.release()
    assert server.arrived.acquire(timeout=DEADLINE_S)

    error = one_more.exception(DEADLINE_S)
    assert isinstance(error, UpstreamUnavailable)
    assert server.given_up == [0]
    server.may_go.release(2)
    assert [sum_of(call) for call in full] == list(range(LARGEST_BATCH))
    assert crowd.lanes == 0


def test_a_batch_may_take_as_long_as_any_of_its_calls(crowd: Crowd, server: Server) -> None:
    """A leader with less time than the one behind it does not fail both."""
    first(crowd, server)
    leader = crowd.asks(0, 2, budget=Budget(time.monotonic() + DEADLINE_S))
    crowd.has_queued(1)
    other = crowd.asks(0, 3)
    crowd.has_queued(2)
    server.may_go.release(2)

    assert [sum_of(call) for call in (leader, other)] == [2, 3]
    assert server.n_rows == [1, 2]
    assert server.budgets[1] == UNHURRIED


def test_the_most_patient_leads(crowd: Crowd, server: Server) -> None:
    """Whose time ends while the batch is away hears so then, and not when the batch is back."""
    first(crowd, server)
    hurried = crowd.asks(0, 2, budget=Budget(time.monotonic() + DEADLINE_S / 4))
    crowd.has_queued(1)
    patient = crowd.asks(0, 3)
    crowd.has_queued(2)
    server.may_go.release()

    # Either way it counts as too late; which one depends on where its time ends.
    assert isinstance(hurried.exception(DEADLINE_S), DeadlineExceeded | UpstreamUnavailable)
    assert not patient.done()
    server.may_go.release()
    assert sum_of(patient) == 3


def test_nobody_queues_behind_the_try_of_a_server_that_hangs(crowd: Crowd, server: Server) -> None:
    """While the breaker is open each goes by itself: one is the try, the others are refused."""
    opened(server.breaker)
    first(crowd, server)
    crowd.asks(0, 2)

    assert server.arrived.acquire(timeout=DEADLINE_S / 4)
    assert server.n_rows == [1, 1]


def test_who_waits_when_the_breaker_opens_is_not_sent(crowd: Crowd, server: Server) -> None:
    """All of the queue hear at once that the server does not answer."""
    first(crowd, server)
    others = [crowd.asks(0, n) for n in (2, 3)]
    crowd.has_queued(2)
    opened(server.breaker)
    server.may_go.release()

    errors = [call.exception(DEADLINE_S) for call in others]
    assert [error.timed_out for error in errors] == [True, True]
    assert server.n_rows == [1]
    assert crowd.lanes == 0


def test_a_leader_without_time_leaves_the_others_theirs(crowd: Crowd, server: Server) -> None:
    """Whose budget is spent is told so; who waited behind it asks for itself."""

    def late(inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        if inputs["numbers"][0, 1] == 2:
            raise DeadlineExceeded
        return {"sums": inputs["numbers"].sum(axis=1, keepdims=True)}

    server.answer = late
    first(crowd, server)
    leader = crowd.asks(0, 2)
    crowd.has_queued(1)
    other = crowd.asks(0, 3)
    crowd.has_queued(2)
    server.may_go.release(4)

    assert isinstance(leader.exception(DEADLINE_S), DeadlineExceeded)
    assert sum_of(other) == 3


def test_nobody_waits_longer_than_a_call_may_take(crowd: Crowd, server: Server) -> None:
    """Behind a call that never comes back each gives up in its time; the lane goes on after it."""
    server.patience = 0.05
    stuck = first(crowd, server)
    others = [crowd.asks(0, 2), crowd.asks(0, 3)]

    for call in others:
        error = call.exception(DEADLINE_S)
        assert isinstance(error, UpstreamUnavailable)
        assert error.timed_out
    assert server.given_up == [0.05, 0.05]
    assert server.n_rows == [1]
    server.may_go.release(2)
    assert sum_of(stuck) == 1
    assert sum_of(crowd.asks(0, 4)) == 4
    assert crowd.lanes == 0
