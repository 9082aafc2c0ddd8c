"""Predict calls that meet on their way to the model server travel as one.

A call costs the two processes as much for one user as for thirty, beside what the graph does for
each.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, chain, pairwise
from typing import Final, Generic, NamedTuple, TypeVar

from server.codec import Array
from server.deadline import Budget
from server.errors import UpstreamUnavailable
from server.meeting import Lanes, Turn
from server.prediction import PredictionClient, ServableCall
from serving.contract import BATCH_SIZES

LARGEST_BATCH: Final = BATCH_SIZES[-1]
"""Rows; no model server is warmed up for more."""

Tensors = Mapping[str, Array]
"""By name, each [B, ...]."""

_Row = TypeVar("_Row")


@dataclass(frozen=True, slots=True)
class Question:
    """What rows that travel together have in common."""

    call: ServableCall
    outputs: tuple[str, ...]
    sizes: tuple[tuple[str, int], ...]
    """Sizes of the outputs' dimensions by letter, but the batch."""
    kind: Hashable = None
    """What else must be equal: all rows of a batch cost what the dearest of them does."""


class _Party(NamedTuple, Generic[_Row]):
    """What one caller sends."""

    rows: Sequence[_Row]
    budget: Budget


class MergedCalls(Generic[_Row]):
    """Predict for some rows each, from many threads at once.

    Args:
      prediction: the way to the model server.
      inputs_of: the inputs of a call for these rows, [B, ...] each.
    """

    def __init__(
        self, prediction: PredictionClient, inputs_of: Callable[[Sequence[_Row]], Tensors]
    ) -> None:
        self._prediction = prediction
        self._inputs_of = inputs_of
        self._lanes: Lanes[_Party[_Row], Tensors] = Lanes(
            LARGEST_BATCH,
            patience=lambda party: party.budget.expires_at,
            size=lambda party: len(party.rows),
        )

    @property
    def n_waiting(self) -> int:
        """Rows that wait for the call before them."""
        return self._lanes.n_waiting

    def predict(self, question: Question, rows: Sequence[_Row], budget: Budget) -> Tensors:
        """The outputs of a caller's rows, [B, ...] each.

        Args:
          question: what to call, and what to send back.
          rows: 1 to LARGEST_BATCH, which come back together: whoever cannot wait for that, with
            others or for others, is to be asked about alone.
          budget: the time left to the most patient of them.

        Raises:
          UpstreamUnavailable, DeadlineExceeded, ContractViolation: as of PredictionClient; but for
            the first of them one row alone may be the reason.
        """
        if self._prediction.breaker.is_open:
            # Nobody queues behind the one call that tries a server that hangs.
            return self._ask(question, rows, budget)
        # Whose time is over leaves before it stands in anybody's way.
        patience_s = self._prediction.patience_s(budget)
        turn = self._lanes.enter(question, _Party(rows, budget))
        if turn is None:
            try:
                return self._ask(question, rows, budget)
            finally:
                self._lanes.hand_over(question)
        if not turn.wait(patience_s):
            self._wait_on(question, turn, patience_s)
        if turn.leads:
            self._lanes.serve(question, turn, partial(self._ask_together, question))
        if isinstance(turn.error, UpstreamUnavailable):
            # An exception belongs to one thread.
            raise copy(turn.error) from turn.error
        if turn.answer is not None:
            return turn.answer
        # The merged call failed in a way that one row alone may be the reason for.
        return self._ask(question, rows, budget)

    def _ask(self, question: Question, rows: Sequence[_Row], budget: Budget) -> Tensors:
        return self._prediction.predict(
            question.call,
            self._inputs_of(rows),
            question.outputs,
            budget,
            {**dict(question.sizes), "B": len(rows)},
        )

    def _ask_together(self, question: Question, parties: Sequence[_Party[_Row]]) -> list[Tensors]:
        """The outputs of each of these callers' rows, by one call."""
        if self._prediction.breaker.is_open:
            # It opened while they waited: that is answer enough for all of them.
            raise self._prediction.waited_in_vain(0)
        # As long as any of them can wait: a leader in a hurry would fail the others.
        budget = max((party.budget for party in parties), key=lambda one: one.expires_at)
        rows = list(chain.from_iterable(party.rows for party in parties))
        outputs = self._ask(question, rows, budget)
        bounds = accumulate((len(party.rows) for party in parties), initial=0)
        return [
            {name: values[start:end] for name, values in outputs.items()}
            for start, end in pairwise(bounds)
        ]

    def _wait_on(
        self, question: Question, turn: Turn[_Party[_Row], Tensors], waited_s: float
    ) -> None:
        """Takes rows out of the queue whose time has passed there; those that are away go on.

        Raises:
          UpstreamUnavailable: they were not even sent, or did not come back.
          DeadlineExceeded: the budget is spent.
        """
        if self._lanes.leave(question, turn):
            # Only where nothing came back all the while does that say something of the server.
            raise self._prediction.waited_in_vain(0 if turn.saw_others_go else waited_s)
        if not turn.leads and not turn.wait(self._prediction.patience_s(turn.asked.budget)):
            raise self._prediction.waited_in_vain(0)
