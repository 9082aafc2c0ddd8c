"""`--enable_batching`: calls wait for each other in queues, and threads run full or ripe batches.

The rules are those of the real server's shared scheduler: one queue for each combination of
outputs of each model version, one pool of threads for all queues in turn.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Hashable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace

import grpc
import numpy as np

from serving.batching.parameters import BatchingParameters
from serving.batching.rows import count_rows, divided, first_element, joined, reraised
from serving.errors import ServingError, invalid_argument
from serving.monitoring.series import Series
from serving.servables.loaded import Call, Runner

_log = logging.getLogger(__name__)

Outputs = list[np.ndarray]


@dataclass(frozen=True, slots=True)
class _Task:
    call: Call
    rows: int
    enqueued: float
    """On the monotonic clock."""
    done: Future[Outputs] = field(default_factory=Future)

    def is_late(self, now: float) -> bool:
        return 0 < self.call.timeout_ms <= (now - self.enqueued) * 1000


@dataclass(slots=True)
class _Batch:
    opened: float
    tasks: list[_Task] = field(default_factory=list)
    rows: int = 0


@dataclass(frozen=True, slots=True)
class _Queue:
    run: Runner
    batches: deque[_Batch] = field(default_factory=deque)
    """The last one may still be filled."""


class BatchScheduler:
    """Queues and threads of one process; `close` ends the threads."""

    def __init__(self, parameters: BatchingParameters, series: Series) -> None:
        self._parameters = parameters
        self._series = series
        self._queues: OrderedDict[Hashable, _Queue] = OrderedDict()
        self._news = threading.Condition()
        self._is_closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"batch-{index}", daemon=True)
            for index in range(parameters.num_batch_threads)
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Runs what is queued, then ends the threads."""
        with self._news:
            self._is_closed = True
            self._news.notify_all()
        for thread in self._threads:
            thread.join()

    def runner(self, run: Runner) -> Runner:
        """Runs calls of one model in batches, which `run` runs."""
        model = object()

        def run_in_batches(call: Call) -> Outputs:
            rows = count_rows(call.values)
            for _ in call.values:  # the real server counts each input tensor
                self._series.input_batch_size.observe(rows)
            if rows == 0:
                return run(call)
            dtypes = tuple(value.dtype.str for value in call.values)
            tasks = self._enqueue((model, call.feeds, call.fetches, dtypes), run, call, rows)
            parts = [task.done.result() for task in tasks]
            if len(parts) == 1:
                return parts[0]
            return [np.concatenate(pieces) for pieces in zip(*parts, strict=True)]

        return run_in_batches

    def _enqueue(self, key: Hashable, run: Runner, call: Call, rows: int) -> list[_Task]:
        now = time.monotonic()
        with self._news:
            if self._is_closed:
                raise ServingError(grpc.StatusCode.UNAVAILABLE, "the model server is stopping")
            queue = self._queues.get(key) or _Queue(run)
            self._check_room(queue, rows)
            self._queues[key] = queue
            tasks = []
            for start, end in self._pieces(queue, rows):
                values = [value[start:end] for value in call.values]
                task = _Task(replace(call, values=values), end - start, now)
                self._add(queue, task)
                tasks.append(task)
            self._news.notify_all()
        return tasks

    def _check_room(self, queue: _Queue, rows: int) -> None:
        limits, n_batches = self._parameters, len(queue.batches)
        if rows > limits.max_batch_size:
            raise invalid_argument(
                f"Task size {rows} is larger than maximum input batch size {limits.max_batch_size}"
            )
        if limits.split_into is not None:
            open_rows = self._open_rows(queue)
            free_batches = limits.max_enqueued_batches - max(n_batches, 1)
            capacity = free_batches * limits.split_into + limits.split_into - open_rows
            if rows > capacity:
                raise _unavailable(
                    f"task size is {rows} but scheduling capacity is only {capacity} "
                    f"(num_enqueued_batches={n_batches}, "
                    f"max_enqueued_batches={limits.max_enqueued_batches}, "
                    f"open_batch_size={open_rows}, max_execution_batch_size={limits.split_into})"
                )
        elif (
            self._open_rows(queue) + rows > limits.max_batch_size
            and n_batches >= limits.max_enqueued_batches
        ):
            raise _unavailable(
                f"currently {n_batches} batches enqueued and max_enqueued_batches is "
                f"{limits.max_enqueued_batches}"
            )

    def _pieces(self, queue: _Queue, rows: int) -> list[tuple[int, int]]:
        """(start, end) rows of the tasks that a call becomes."""
        size = self._parameters.split_into
        if size is None:
            return [(0, rows)]
        bounds, start = [], 0
        room = size - self._open_rows(queue) or size
        while start < rows:
            end = min(start + room, rows)
            bounds.append((start, end))
            start, room = end, size
        return bounds

    @staticmethod
    def _open_rows(queue: _Queue) -> int:
        return queue.batches[-1].rows if queue.batches else 0

    def _add(self, queue: _Queue, task: _Task) -> None:
        if (
            not queue.batches
            or queue.batches[-1].rows + task.rows > self._parameters.execution_size
        ):
            queue.batches.append(_Batch(task.enqueued))
        queue.batches[-1].tasks.append(task)
        queue.batches[-1].rows += task.rows

    def _work(self) -> None:
        while (taken := self._take()) is not None:
            batch, run = taken
            try:
                for task, outputs in zip(batch.tasks, self._process(batch, run), strict=True):
                    task.done.set_result(outputs)
            # Whatever happened, every caller must hear of it, and the thread must live on.
            except Exception as error:  # noqa: BLE001
                if not isinstance(error, ServingError):
                    _log.exception("a batch failed")
                for task in batch.tasks:
                    task.done.set_exception(reraised(error))

    def _take(self) -> tuple[_Batch, Runner] | None:
        """The next batch to run, of the queues in turn; None once closed and empty."""
        with self._news:
            while True:
                now = time.monotonic()
                due = [self._due(queue, now) for queue in self._queues.values()]
                if due and min(due) <= now:
                    key, queue = list(self._queues.items())[
                        next(index for index, at in enumerate(due) if at <= now)
                    ]
                    batch = queue.batches.popleft()
                    if queue.batches:
                        self._queues.move_to_end(key)
                    else:
                        del self._queues[key]
                    return batch, queue.run
                if self._is_closed and not due:
                    return None
                self._news.wait(min(due) - now if due else None)

    def _due(self, queue: _Queue, now: float) -> float:
        """When the first batch of a queue may run."""
        first = queue.batches[0]
        is_closed = len(queue.batches) > 1 or first.rows >= self._parameters.execution_size
        if is_closed or self._is_closed:
            return now
        return first.opened + self._parameters.batch_timeout_s

    def _process(self, batch: _Batch, run: Runner) -> list[Outputs]:
        now = time.monotonic()
        for task in batch.tasks:
            waited_us = (now - task.enqueued) * 1e6
            self._series.queuing_latency.observe(waited_us, self._parameters.thread_pool_name)
        if all(task.is_late(now) for task in batch.tasks):
            raise ServingError(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                "Run() timeout exceeded while waiting in batching queue",
            )
        first = batch.tasks[0].call
        n_rows = self._parameters.padded_size(batch.rows)
        self._series.padding_size.observe(n_rows - batch.rows, str(n_rows))
        self._series.processed_batch_size.observe(n_rows)
        fill = first_element if self._parameters.pad_variable_length_inputs else None
        values = [
            joined(name, [task.call.values[index] for task in batch.tasks], n_rows, fill)
            for index, name in enumerate(first.feeds)
        ]
        timeouts = [task.call.timeout_ms for task in batch.tasks]
        timeout_ms = 0 if 0 in timeouts else max(timeouts)
        outputs = run(replace(first, values=values, timeout_ms=timeout_ms))
        self._series.wrapped_run_count.add()
        return divided(outputs, [task.rows for task in batch.tasks], n_rows)


def _unavailable(reason: str) -> ServingError:
    return ServingError(
        grpc.StatusCode.UNAVAILABLE,
        f"The batch scheduling queue to which this task was submitted is full; {reason}",
    )
