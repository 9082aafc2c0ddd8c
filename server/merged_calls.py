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


@dataclass(slots=True, eq=False)
class _Waiting:
    """A call in the queue, until it has its answer, leads a batch, or is to go alone.

    `news` is a lock that is held until then: a tenth of what an Event costs.
    """

    inputs: Tensors
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
        key = (question, *_widths(inputs))
        with self._lock:
            lane = self._lanes.get(key)
            waiting = None if lane is None else _Waiting(inputs)
            if lane is None or waiting is None:
                lane = self._lanes[key] = _Lane()
            else:
                lane.queue.append(waiting)
        if waiting is None:
            try:
                return self._ask(question, inputs, budget)
            finally:
                self._hand_over(key, lane)
        patience_s = self._prediction.patience_s(budget)
        if not waiting.news.acquire(timeout=patience_s):
            self._leave(key, lane, waiting)
            raise self._prediction.waited_in_vain(patience_s)
        if waiting.leads:
            self._lead(question, key, lane, waiting, budget)
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
            leader = lane.queue.popleft()
            leader.leads = True
            leader.news.release()

    def _leave(self, key: Hashable, lane: _Lane, waiting: _Waiting) -> None:
        """Takes back a call whose time has passed while the one before it was away."""
        with self._lock:
            if not waiting.leads and waiting in lane.queue:
                lane.queue.remove(waiting)
        if waiting.leads:
            self._hand_over(key, lane)

    def _lead(
        self, question: Question, key: Hashable, lane: _Lane, leader: _Waiting, budget: Budget
    ) -> None:
        """Asks for all that wait, and tells each of them.

        Raises:
          DeadlineExceeded: the leader's time is over; the others ask for themselves.
        """
        batch = [leader]
        with self._lock:
            while lane.queue and len(batch) < LARGEST_BATCH:
                batch.append(lane.queue.popleft())
        is_hurried = self._prediction.is_hurried(budget)
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
            leader.failure = error
            # That the leader was in a hurry says nothing to the others.
            if not (error.timed_out and is_hurried):
                for waiting in batch:
                    waiting.failure = error
        except ContractViolation:
            # One row may have failed all of them: alone, each gets its own answer or error.
            return
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
