import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
import numpy as np
import pytest

from serving.batching import parameters as batching
from serving.batching.parameters import BatchingParameters, read_batching_parameters
from serving.batching.scheduler import BatchScheduler
from serving.errors import ServingError
from serving.monitoring.series import Series
from serving.servables.loaded import Call

DEADLINE_S = 60
FOREVER_S = 3600.0


class Model:
    """Doubles its input; waits at a gate while that is shut."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.started = threading.Semaphore(0)
        self.runs: list[np.ndarray] = []
        self.timeouts: list[int] = []

    def run(self, call: Call) -> list[np.ndarray]:
        (x,) = call.values
        self.runs.append(x)
        self.timeouts.append(call.timeout_ms)
        self.started.release()
        assert self.gate.wait(DEADLINE_S)
        return [x * 2] if x.dtype != object else [x]


def call(*rows, timeout_ms: int = 0) -> Call:
    return Call("s", ("x:0",), ("y:0",), [np.float32(rows)], timeout_ms)


@contextmanager
def scheduled(model, **parameters):
    """Runs calls in batches: (submit, scheduler); all threads are gone when the block ends."""
    scheduler = BatchScheduler(BatchingParameters(**parameters), Series())
    run = scheduler.runner(model.run)
    try:
        with ThreadPoolExecutor(16) as callers:
            try:
                yield lambda *calls: [callers.submit(run, one) for one in calls], scheduler
            finally:
                model.gate.set()
    finally:
        scheduler.close()


def queued_tasks(scheduler: BatchScheduler) -> list:
    queues = list(scheduler._queues.values())
    return [task for queue in queues for batch in [*queue.batches] for task in batch.tasks]


def wait_until(condition: Callable[[], bool]) -> None:
    pause, deadline = threading.Event(), time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        pause.wait(0.001)


def wait_for_tasks(scheduler: BatchScheduler, n: int) -> None:
    """Returns once `n` tasks stand in the queues."""
    wait_until(lambda: len(queued_tasks(scheduler)) >= n)


def refused(future, code: grpc.StatusCode, message: str) -> None:
    error = future.exception(DEADLINE_S)
    assert isinstance(error, ServingError)
    assert (error.code, error.message) == (code, message)


def test_full_batch_runs_at_once_and_is_divided():
    """Three rows fill a batch of three; nobody waits for the time-out."""
    model = Model()
    with scheduled(model, max_batch_size=3, batch_timeout_s=FOREVER_S) as (submit, _):
        futures = submit(call(1), call(2, 3))
        assert [future.result(DEADLINE_S)[0].tolist() for future in futures] == [[2], [4, 6]]
    assert sorted(model.runs[0].tolist()) == [1, 2, 3]
    assert len(model.runs) == 1


def test_batch_that_is_not_full_runs_after_its_timeout():
    """A single call is answered although nobody joins it."""
    with scheduled(Model(), max_batch_size=3, batch_timeout_s=0.01) as (submit, _):
        (future,) = submit(call(5))
        assert future.result(DEADLINE_S)[0].tolist() == [10]


def test_calls_behind_a_running_batch_join():
    """With no time-out at all, what arrives while the one thread is busy becomes one batch."""
    model = Model()
    with scheduled(model, num_batch_threads=1) as (submit, scheduler):
        model.gate.clear()
        submit(call(1))
        assert model.started.acquire(timeout=DEADLINE_S)
        submit(call(2), call(3))
        wait_for_tasks(scheduler, 2)
        model.gate.set()
    assert [len(run) for run in model.runs] == [1, 2]


def test_full_queue_is_unavailable():
    """One batch runs, a full one waits: the next call is refused in the real server's words."""
    model = Model()
    with scheduled(model, max_batch_size=2, max_enqueued_batches=1, num_batch_threads=1) as (
        submit,
        scheduler,
    ):
        model.gate.clear()
        submit(call(1, 2))
        assert model.started.acquire(timeout=DEADLINE_S)
        submit(call(3, 4))
        wait_for_tasks(scheduler, 1)
        (third,) = submit(call(5))
        refused(
            third,
            grpc.StatusCode.UNAVAILABLE,
            "The batch scheduling queue to which this task was submitted is full; currently 1 "
            "batches enqueued and max_enqueued_batches is 1",
        )


def test_call_larger_than_a_batch_is_refused():
    """Whatever the queue holds."""
    with scheduled(Model(), max_batch_size=2) as (submit, _):
        (future,) = submit(call(1, 2, 3))
        refused(
            future,
            grpc.StatusCode.INVALID_ARGUMENT,
            "Task size 3 is larger than maximum input batch size 2",
        )


def test_large_call_is_split_where_that_is_asked_for():
    """Five rows run as two, two and one, and come back as five."""
    model = Model()
    with scheduled(model, max_batch_size=8, split_into=2, num_batch_threads=1) as (submit, _):
        (future,) = submit(call(1, 2, 3, 4, 5))
        assert future.result(DEADLINE_S)[0].tolist() == [2, 4, 6, 8, 10]
    assert [len(run) for run in model.runs] == [2, 2, 1]


def test_batch_is_filled_up_to_an_allowed_size():
    """Three rows run as four, the fourth repeats the last call's first row and goes to nobody."""
    model = Model()
    with scheduled(model, max_batch_size=4, allowed_batch_sizes=(2, 4)) as (submit, _):
        (future,) = submit(call(7, 8, 9))
        assert future.result(DEADLINE_S)[0].tolist() == [14, 16, 18]
    assert model.runs[0].tolist() == [7, 8, 9, 7]


def test_sizes_of_batches_are_counted():
    """Rows as they come, rows as they are run, and how many of them fill up an allowed size."""
    with scheduled(Model(), allowed_batch_sizes=(2, 4)) as (submit, scheduler):
        for rows in ((7, 8, 9), (1,)):
            (future,) = submit(call(*rows))
            future.result(DEADLINE_S)
    page = scheduler._series.page().splitlines()
    prefix = ":tensorflow:serving:batching_session:"
    for line in (
        *("input_batch_size_sum{} 4", "input_batch_size_count{} 2"),
        *("processed_batch_size_sum{} 6", 'processed_batch_size_bucket{le="2"} 1'),
        'padding_size_sum{execution_batch_size="4"} 1',
        'padding_size_sum{execution_batch_size="2"} 1',
        'processed_batch_size_bucket{le="8192"} 2',
    ):
        assert prefix + line in page


@pytest.mark.parametrize("pads", [False, True])
def test_calls_of_other_widths_share_a_batch_if_they_are_padded(pads):
    """Padding repeats each tensor's own first element; without it the whole batch fails."""
    model = Model()
    with scheduled(
        model,
        max_batch_size=2,
        batch_timeout_s=FOREVER_S,
        pad_variable_length_inputs=pads,
        num_batch_threads=1,
    ) as (submit, _):
        futures = submit(call([1, 2]), call([3, 4, 5]))
        if pads:
            assert [future.result(DEADLINE_S)[0].tolist() for future in futures] == [
                [[2, 4, 2]],
                [[6, 8, 10]],
            ]
        else:
            for future in futures:
                refused(
                    future,
                    grpc.StatusCode.FAILED_PRECONDITION,
                    "Tensors with name 'x:0' from different tasks have different shapes and padding"
                    " is turned off. Set pad_variable_length_inputs to true, or ensure that all "
                    "tensors with the same name have equal dimensions starting with the first dim.",
                )


def test_empty_tensor_cannot_be_padded():
    """It has no first element."""
    with scheduled(
        Model(), max_batch_size=2, batch_timeout_s=FOREVER_S, pad_variable_length_inputs=True
    ) as (submit, _):
        empty = Call("s", ("x:0",), ("y:0",), [np.zeros((1, 0), np.float32)])
        for future in submit(empty, call([1])):
            refused(
                future,
                grpc.StatusCode.INVALID_ARGUMENT,
                "Got empty tensor in batch of non-empty tensors.",
            )


def test_inputs_of_unequal_size_have_no_batch():
    """All inputs of a call have one 0th dimension."""
    with scheduled(Model()) as (submit, _):
        two = Call("s", ("a:0", "b:0"), ("y:0",), [np.float32([1]), np.float32([1, 2])])
        (future,) = submit(two)
        refused(
            future,
            grpc.StatusCode.INVALID_ARGUMENT,
            "Batching Run() input tensors must have equal 0th-dimension size",
        )


def test_other_dtypes_never_share_a_batch():
    """A caller with a wrong dtype cannot change or fail another one's call."""
    model = Model()
    with scheduled(model, max_batch_size=2, batch_timeout_s=0.01) as (submit, _):
        wide = Call("s", ("x:0",), ("y:0",), [np.float64([1])])
        for future in submit(call(1), wide):
            future.result(DEADLINE_S)
    assert sorted(run.dtype.name for run in model.runs) == ["float32", "float64"]


def test_longest_time_limit_of_a_batch_counts():
    """One call without a limit takes it from the whole batch."""
    for limits, expected in (((10_000, 50_000), 50_000), ((0, 50_000), 0)):
        model = Model()
        with scheduled(model, max_batch_size=2, batch_timeout_s=FOREVER_S) as (submit, _):
            for future in submit(*(call(1, timeout_ms=limit) for limit in limits)):
                future.result(DEADLINE_S)
        assert model.timeouts == [expected]


def test_call_that_waited_too_long_is_told():
    """When every call of a batch is late, it is not run."""
    model = Model()
    with scheduled(model, num_batch_threads=1) as (submit, scheduler):
        model.gate.clear()
        submit(call(1))
        assert model.started.acquire(timeout=DEADLINE_S)
        (late,) = submit(call(2, timeout_ms=1))
        wait_for_tasks(scheduler, 1)
        (task,) = queued_tasks(scheduler)
        wait_until(lambda: task.is_late(time.monotonic()))
        model.gate.set()
        refused(
            late,
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "Run() timeout exceeded while waiting in batching queue",
        )
    assert len(model.runs) == 1


def test_failure_reaches_every_caller_and_the_thread_lives_on():
    """An error that nobody foresaw is INTERNAL for all of the batch; the next batch is run."""

    def run(one: Call) -> list[np.ndarray]:
        if (one.values[0] < 0).any():
            raise ZeroDivisionError
        return one.values

    scheduler = BatchScheduler(BatchingParameters(num_batch_threads=1), Series())
    try:
        batched = scheduler.runner(run)
        with pytest.raises(ServingError) as caught:
            batched(call(-1))
        assert caught.value.code is grpc.StatusCode.INTERNAL
        assert batched(call(1))[0].tolist() == [1]
    finally:
        scheduler.close()
    with pytest.raises(ServingError, match="the model server is stopping"):
        batched(call(1))


FULL_FILE = """
max_batch_size { value: 128 } batch_timeout_micros { value: 2000 }
max_enqueued_batches { value: 16 } num_batch_threads { value: 3 }
allowed_batch_sizes: 1 allowed_batch_sizes: 32 pad_variable_length_inputs: true
enable_large_batch_splitting { value: true } max_execution_batch_size { value: 32 }
thread_pool_name { value: "pool" }
"""


def test_file_sets_every_parameter(tmp_path):
    """The text format is the real server's."""
    file = tmp_path / "batching.config"
    file.write_text(FULL_FILE)
    assert read_batching_parameters(file) == BatchingParameters(
        max_batch_size=128,
        batch_timeout_s=0.002,
        max_enqueued_batches=16,
        num_batch_threads=3,
        thread_pool_name="pool",
        allowed_batch_sizes=(1, 32),
        pad_variable_length_inputs=True,
        split_into=32,
    )
    file.write_text("")
    default = read_batching_parameters(file)
    assert (default.max_batch_size, default.batch_timeout_s) == (1000, 0)
    assert (default.max_enqueued_batches, default.split_into) == (10, None)
    assert batching.default_parameters().thread_pool_name == "model_server_batch_threads"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("max_batch_size { value: 0 }", "input_batch_size_limit must be positive; was 0"),
        ("batch_timeout_micros { value: -1 }", "batch_timeout_micros must be non-negative; was -1"),
        ("max_enqueued_batches { value: 0 }", "max_enqueued_batches must be positive; was 0"),
        ("num_batch_threads { value: 0 }", "num_batch_threads must be positive; was 0"),
        (
            "max_batch_size { value: 8 } allowed_batch_sizes: 4",
            (
                "Last entry in allowed_batch_sizes must match max_batch_size; last entry was 4; "
                "expected 8"
            ),
        ),
        (
            "max_batch_size { value: 8 } allowed_batch_sizes: 8 allowed_batch_sizes: 8",
            "allowed_batch_sizes must ascend from 1; they are [8, 8]",
        ),
        (
            (
                "max_batch_size { value: 8 } enable_large_batch_splitting { value: true } "
                "max_execution_batch_size { value: 9 }"
            ),
            (
                "When enable_large_batch_splitting is true, input_batch_size_limit must be greater "
                "than or equal to max_execution_batch_size."
            ),
        ),
    ],
)
def test_parameters_that_cannot_be_are_refused(tmp_path, text, told):
    """In the real server's words."""
    file = tmp_path / "batching.config"
    file.write_text(text)
    with pytest.raises(ServingError) as caught:
        read_batching_parameters(file)
    assert (caught.value.code, caught.value.message) == (grpc.StatusCode.INVALID_ARGUMENT, told)
