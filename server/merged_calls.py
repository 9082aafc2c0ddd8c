"""Predict calls that meet on their way to the model server travel as one.

Nobody waits for company. A call that finds its lane free is sent at once and alone; those that come
while it is away are sent together when it is back, on the thread of the first of them. A call
costs the two processes as much for one user as for thirty, beside what the graph does for each.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from server.codec import Array
from server.deadline import Budget
from server.errors import ContractViolation, UpstreamUnavailable
from server.prediction import PredictionClient, ServableCall
from serving.contract import BATCH_SIZES, bucket_width

LARGEST_BATCH: Final = BATCH_SIZES[-1]

Tensors = Mapping[str, Array]
"""By name, each [B, ...]."""


@dataclass(frozen=True, slots=True)
class Question:
    """What calls that travel together have in common."""

    call: ServableCall
    outputs: tuple[str, ...]
    sizes: tuple[tuple[str, int], ...]
    """Sizes of the outputs' dimensions by letter, but the batch."""
    kind: Hashable = None
    """What else must be equal: all rows of a batch cost what the dearest of them does."""


@dataclass(slots=True, eq=False)
class _Waiting:
    """A call in the queue, until it has its answer, leads a batch, or is to go alone.

    `news` is a lock that is held until then: a tenth of what an Event costs.
    """

    inputs: Tensors
    budget: Budget
    n_sent: int
    """By its lane, when this call joined the queue."""
    news: threading.Lock = field(default_factory=threading.Lock)
    leads: bool = False
    answer: dict[str, Array] | None = None
    failure: UpstreamUnavailable | None = None

    def __post_init__(self) -> None:
        self.news.acquire()


@dataclass(slots=True, eq=False)
class _Lane:
    """Calls that may travel together; there is one while one of them is away."""

    queue: deque[_Waiting] = field(default_factory=deque)
    n_sent: int = 1


class MergedCalls:
    """Predict for one user each, from many threads at once.

    Args:
      prediction: the way to the model server.
    """

    def __init__(self, prediction: PredictionClient) -> None:
        self._prediction = prediction
        self._lock = threading.Lock()
        self._lanes: dict[Hashable, _Lane] = {}

    @property
    def n_waiting(self) -> int:
        """Calls that wait for the one before them."""
        with self._lock:
            return sum(len(lane.queue) for lane in self._lanes.values())

    def predict(self, question: Question, inputs: Tensors, budget: Budget) -> dict[str, Array]:
        """The outputs of one row.

        Args:
          question: what to call, and what to send back.
          inputs: one row each; a row of numbers may be widened by zeros.
          budget: the time left to the request.

        Raises:
          UpstreamUnavailable, DeadlineExceeded, ContractViolation: as of PredictionClient.
        """
        # Whose time is over leaves before it stands in anybody's way.
        patience_s = self._prediction.patience_s(budget)
        key = (question, *_widths(inputs))
        with self._lock:
            lane = self._lanes.get(key)
            waiting = None if lane is None else _Waiting(inputs, budget, lane.n_sent)
            if lane is None or waiting is None:
                lane = self._lanes[key] = _Lane()
            else:
                lane.queue.append(waiting)
        if waiting is None:
            try:
                return self._ask(question, inputs, budget)
            finally:
                self._hand_over(key, lane)
        if not waiting.news.acquire(timeout=patience_s):
            self._wait_on(lane, waiting, patience_s)
        if waiting.leads:
            self._lead(question, key, lane, waiting)
        if waiting.failure is not None:
            # An exception belongs to one thread.
            raise UpstreamUnavailable(
                str(waiting.failure), timed_out=waiting.failure.timed_out
            ) from waiting.failure
        if waiting.answer is not None:
            return waiting.answer
        # The merged call failed in a way that one row alone may be the reason for.
        return self._ask(question, inputs, budget)

    def _ask(self, question: Question, inputs: Tensors, budget: Budget) -> dict[str, Array]:
        n_rows = len(next(iter(inputs.values())))
        sizes = {**dict(question.sizes), "B": n_rows}
        return self._prediction.predict(question.call, inputs, question.outputs, budget, sizes)

    def _hand_over(self, key: Hashable, lane: _Lane) -> None:
        """Lets the first call in the queue go; without one the lane is free."""
        with self._lock:
            if not lane.queue:
                del self._lanes[key]
                return
            lane.n_sent += 1
            leader = lane.queue.popleft()
            leader.leads = True
            leader.news.release()

    def _wait_on(self, lane: _Lane, waiting: _Waiting, waited_s: float) -> None:
        """Takes a call out of the queue whose time has passed there; one that is away goes on.

        Raises:
          UpstreamUnavailable: it was not even sent, or did not come back.
          DeadlineExceeded: the budget is spent.
        """
        with self._lock:
            is_queued = not waiting.leads and waiting in lane.queue
            if is_queued:
                lane.queue.remove(waiting)
        if is_queued:
            # Only where nothing came back all the while does that say something of the server.
            is_hung = lane.n_sent == waiting.n_sent
            raise self._prediction.waited_in_vain(waited_s if is_hung else 0)
        if waiting.leads:
            return
        if not waiting.news.acquire(timeout=self._prediction.patience_s(waiting.budget)):
            raise self._prediction.waited_in_vain(0)

    def _lead(self, question: Question, key: Hashable, lane: _Lane, leader: _Waiting) -> None:
        """Asks for all that wait, and tells each of them.

        Raises:
          ContractViolation: the leader was alone.
          DeadlineExceeded: nobody has any time left.
        """
        batch = [leader]
        with self._lock:
            while lane.queue and len(batch) < LARGEST_BATCH:
                batch.append(lane.queue.popleft())
        # As long as any of them can wait: a leader in a hurry would fail the others.
        budget = max((waiting.budget for waiting in batch), key=lambda one: one.expires_at)
        try:
            try:
                inputs = _joined([waiting.inputs for waiting in batch])
                outputs = self._ask(question, inputs, budget)
            finally:
                # Before the others of this batch wake up: the next one is not to wait for them.
                self._hand_over(key, lane)
            for row, waiting in enumerate(batch):
                waiting.answer = {name: rows[row : row + 1] for name, rows in outputs.items()}
        except UpstreamUnavailable as error:
            for waiting in batch:
                waiting.failure = error
        except ContractViolation:
            # One row may have failed all of them: alone, each gets its own answer or error.
            if len(batch) == 1:
                raise
        finally:
            for waiting in batch[1:]:
                waiting.news.release()


def _widths(inputs: Tensors) -> list[int]:
    """What calls must have in common: the bucket of each row, as widening costs the narrow ones."""
    return [bucket_width(rows.shape[1] - 1) for rows in inputs.values() if rows.ndim > 1]


def _joined(calls: Sequence[Tensors]) -> dict[str, Array]:
    """The rows of all calls below each other, the short ones widened at their end."""
    return {name: _below([inputs[name] for inputs in calls]) for name in calls[0]}


def _below(rows: Sequence[Array]) -> Array:
    first = rows[0]
    if len({row.shape for row in rows}) == 1:
        return np.concatenate(rows)
    width = max(row.shape[1] for row in rows)
    padding = "" if first.dtype == object else 0
    joined = np.full((len(rows), width), padding, first.dtype)
    for number, row in enumerate(rows):
        joined[number, : row.shape[1]] = row[0]
    return joined
