"""Predict calls that meet on their way to the model server travel as one.

A call costs the two processes as much for one user as for thirty, beside what the graph does for
each.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np

from server.codec import Array
from server.deadline import Budget
from server.errors import UpstreamUnavailable
from server.meeting import Lanes, Turn
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


@dataclass(frozen=True, slots=True, eq=False)
class _Row:
    """What one caller sends."""

    inputs: Tensors
    budget: Budget


class MergedCalls:
    """Predict for one user each, from many threads at once.

    Args:
      prediction: the way to the model server.
    """

    def __init__(self, prediction: PredictionClient) -> None:
        self._prediction = prediction
        self._lanes: Lanes[_Row, dict[str, Array]] = Lanes(
            LARGEST_BATCH, lambda row: row.budget.expires_at
        )

    @property
    def n_waiting(self) -> int:
        """Calls that wait for the one before them."""
        return self._lanes.n_waiting

    def predict(self, question: Question, inputs: Tensors, budget: Budget) -> dict[str, Array]:
        """The outputs of one row.

        Args:
          question: what to call, and what to send back.
          inputs: one row each; a row of numbers may be widened by zeros.
          budget: the time left to the request.

        Raises:
          UpstreamUnavailable, DeadlineExceeded, ContractViolation: as of PredictionClient.
        """
        if self._prediction.breaker.is_open:
            # Nobody queues behind the one call that tries a server that hangs.
            return self._ask(question, inputs, budget)
        # Whose time is over leaves before it stands in anybody's way.
        patience_s = self._prediction.patience_s(budget)
        kind = (question, *_widths(inputs))
        turn = self._lanes.enter(kind, _Row(inputs, budget))
        if turn is None:
            try:
                return self._ask(question, inputs, budget)
            finally:
                self._lanes.hand_over(kind)
        if not turn.wait(patience_s):
            self._wait_on(kind, turn, patience_s)
        if turn.leads:
            self._lanes.serve(kind, turn, partial(self._ask_together, question))
        if isinstance(turn.error, UpstreamUnavailable):
            # An exception belongs to one thread.
            raise UpstreamUnavailable(
                str(turn.error), timed_out=turn.error.timed_out
            ) from turn.error
        if turn.answer is not None:
            return turn.answer
        # The merged call failed in a way that one row alone may be the reason for.
        return self._ask(question, inputs, budget)

    def _ask(self, question: Question, inputs: Tensors, budget: Budget) -> dict[str, Array]:
        n_rows = len(next(iter(inputs.values())))
        sizes = {**dict(question.sizes), "B": n_rows}
        return self._prediction.predict(question.call, inputs, question.outputs, budget, sizes)

    def _ask_together(self, question: Question, rows: Sequence[_Row]) -> list[dict[str, Array]]:
        """The outputs of each of these rows, by one call."""
        if self._prediction.breaker.is_open:
            # It opened while they waited: that is answer enough for all of them.
            raise self._prediction.waited_in_vain(0)
        # As long as any of them can wait: a leader in a hurry would fail the others.
        budget = max((row.budget for row in rows), key=lambda one: one.expires_at)
        outputs = self._ask(question, _joined([row.inputs for row in rows]), budget)
        return [
            {name: values[at : at + 1] for name, values in outputs.items()}
            for at in range(len(rows))
        ]

    def _wait_on(self, kind: Hashable, turn: Turn[_Row, dict[str, Array]], waited_s: float) -> None:
        """Takes a call out of the queue whose time has passed there; one that is away goes on.

        Raises:
          UpstreamUnavailable: it was not even sent, or did not come back.
          DeadlineExceeded: the budget is spent.
        """
        if self._lanes.leave(kind, turn):
            # Only where nothing came back all the while does that say something of the server.
            raise self._prediction.waited_in_vain(0 if turn.saw_others_go else waited_s)
        if not turn.leads and not turn.wait(self._prediction.patience_s(turn.asked.budget)):
            raise self._prediction.waited_in_vain(0)


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
