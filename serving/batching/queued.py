"""Merging without waiting: calls that are queued behind a running one become one call.

Only for servables that say so themselves. A call that finds a free place runs at once and alone;
the others run together when a place becomes free, on the thread of the first of them.
"""

from __future__ import annotations

import os
import threading
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from tensorflow.core.protobuf import meta_graph_pb2

from serving.batching.hints import MergeHints
from serving.batching.rows import divided, joined
from serving.errors import ServingError
from serving.servables.loaded import Call, Runner

Outputs = list[np.ndarray]


@dataclass(slots=True)
class _Waiting:
    """A call in a queue, until it leads a batch, has its outputs, or is to go alone.

    `news` is a lock that is held until then: a tenth of what an Event costs.
    """

    call: Call
    rows: int
    news: threading.Lock = field(default_factory=threading.Lock)
    leads: bool = False
    outputs: Outputs | None = None

    def __post_init__(self) -> None:
        self.news.acquire()


@dataclass(slots=True)
class _Lane:
    """Calls that may be merged with each other."""

    n_running: int = 0
    queue: deque[_Waiting] = field(default_factory=deque)


class QueuedCalls:
    """Runs calls of one model; those that meet in a queue are run as one."""

    def __init__(
        self,
        run: Runner,
        hints: MergeHints,
        signatures: Mapping[str, meta_graph_pb2.SignatureDef],
        n_running: int | None = None,
    ) -> None:
        """`n_running`: runs of one lane at a time; None = as many as there are cores to run on.

        With fewer cores would idle, with more calls would not meet.
        """
        self._run = run
        self._hints = hints
        self._n_running = n_running or len(os.sched_getaffinity(0))
        self._widths = {
            (name, info.name): _declared_widths(info)
            for name, signature in signatures.items()
            for info in signature.inputs.values()
        }
        self._lanes: dict[Hashable, _Lane] = {}
        self._lock = threading.Lock()

    def __call__(self, call: Call) -> Outputs:
        """The call's own outputs.

        Raises:
          ServingError: what running it alone raises.
        """
        key = self._lane_of(call)
        if key is None:
            return self._run(call)
        waiting = None
        with self._lock:
            lane = self._lanes.setdefault(key, _Lane())
            if lane.n_running < self._n_running:
                lane.n_running += 1
            else:
                waiting = _Waiting(call, call.values[0].shape[0])
                lane.queue.append(waiting)
        if waiting is None:
            try:
                return self._run(call)
            finally:
                self._hand_over(key, lane)
        waiting.news.acquire()
        if waiting.leads:
            batch = self._take_batch(lane, waiting)
            if len(batch) > 1:
                self._run_merged(batch, lambda: self._hand_over(key, lane))
            else:
                try:
                    return self._run(call)
                finally:
                    self._hand_over(key, lane)
        # Without outputs the merged call failed: alone, each gets its own answer or error.
        return self._run(call) if waiting.outputs is None else waiting.outputs

    def _hand_over(self, key: Hashable, lane: _Lane) -> None:
        """Gives this thread's place to the first call in the queue."""
        with self._lock:
            if lane.queue:
                leader = lane.queue.popleft()
                leader.leads = True
                leader.news.release()
                return
            lane.n_running -= 1
            if lane.n_running == 0:
                del self._lanes[key]

    def _take_batch(self, lane: _Lane, leader: _Waiting) -> list[_Waiting]:
        batch, rows = [leader], leader.rows
        with self._lock:
            while lane.queue and rows + lane.queue[0].rows <= self._hints.largest_batch:
                batch.append(lane.queue.popleft())
                rows += batch[-1].rows
        return batch

    def _run_merged(self, batch: Sequence[_Waiting], hand_over: Callable[[], None]) -> None:
        """Fills in the outputs of a batch; of calls that fail together, of none."""
        rows = [waiting.rows for waiting in batch]
        try:
            try:
                outputs = self._run(self._merged(batch, sum(rows)))
            finally:
                # Before the others of this batch wake up: the next one is not to wait for them.
                hand_over()
            for waiting, own in zip(batch, divided(outputs, rows, sum(rows)), strict=True):
                waiting.outputs = own
        except ServingError:
            # One caller's input may have failed all: see __call__.
            return
        finally:
            for waiting in batch[1:]:
                waiting.news.release()

    def _merged(self, batch: Sequence[_Waiting], n_rows: int) -> Call:
        first = batch[0].call
        values = [
            joined(name, [waiting.call.values[index] for waiting in batch], n_rows, self._neutral)
            for index, name in enumerate(first.feeds)
        ]
        return replace(first, values=values)

    def _neutral(self, array: np.ndarray) -> object:
        return self._hints.padding[array.dtype]

    def _lane_of(self, call: Call) -> Hashable | None:
        """What calls that may be merged have in common; None for one that runs alone."""
        rows = call.values[0].shape[0] if call.values and call.values[0].ndim else 0
        if not 0 < rows <= self._hints.largest_batch:
            return None
        kinds: list[Hashable] = []
        for name, value in zip(call.feeds, call.values, strict=True):
            declared = self._widths[call.signature, name]
            if declared is None or value.ndim != len(declared) + 1 or value.shape[0] != rows:
                return None
            may_widen = value.dtype in self._hints.padding
            for size, wanted in zip(value.shape[1:], declared, strict=True):
                if wanted < 0:
                    kinds.append(self._bucket(size) if may_widen else size)
                elif size != wanted:
                    return None
            kinds.append(value.dtype.char)
        return (call.signature, call.fetches, call.timeout_ms, *kinds)

    def _bucket(self, width: int) -> int:
        buckets = self._hints.width_buckets
        index = bisect_left(buckets, width)
        return buckets[index] if width and index < len(buckets) else -width


def _declared_widths(info: meta_graph_pb2.TensorInfo) -> tuple[int, ...] | None:
    """Sizes of all dimensions but the 0th, -1 for any; None if rows are not declared."""
    shape = info.tensor_shape
    if shape.unknown_rank or not shape.dim or shape.dim[0].size >= 0:
        return None
    return tuple(dim.size for dim in shape.dim[1:])
