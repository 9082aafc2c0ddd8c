import json
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2

from serving.batching.hints import MergeHints, read_merge_hints
from serving.batching.queued import QueuedCalls
from serving.errors import ServingError, invalid_argument
from serving.monitoring.series import Series
from serving.servables.loaded import Call, LoadedModel
from serving.servables.loader import ModelLoader
from tests.unit.serving import saved_models

HINTS = MergeHints(
    largest_batch=4,
    width_buckets=(1, 4, 16),
    padding={np.dtype(np.float32): 0.0, np.dtype(object): b""},
)
DEADLINE_S = 60


def signature(**shapes) -> meta_graph_pb2.SignatureDef:
    described = meta_graph_pb2.SignatureDef()
    for alias, shape in shapes.items():
        info = described.inputs[alias]
        info.name = f"{alias}:0"
        for size in shape:
            info.tensor_shape.dim.add().size = size
    return described


class Model:
    """Sums each row; waits at a gate, so that a test decides what queues up behind it."""

    def __init__(self) -> None:
        self.gate = threading.Semaphore(0)
        self.started = threading.Semaphore(0)
        self.runs: list[np.ndarray] = []

    def run(self, call: Call) -> list[np.ndarray]:
        (x,) = call.values
        self.runs.append(x)
        self.started.release()
        assert self.gate.acquire(timeout=DEADLINE_S)
        if (x < 0).any():
            raise invalid_argument("negative")
        return [x.sum(axis=1)]


def call(*rows, name: str = "x:0", timeout_ms: int = 0) -> Call:
    return Call("s", (name,), ("y:0",), [np.float32(rows)], timeout_ms)


@pytest.fixture
def model():
    return Model()


def start(queued, callers, calls):
    return [callers.submit(queued, one) for one in calls]


def wait_until_queued(queued: QueuedCalls, n: int) -> None:
    """Returns once `n` calls stand in the queues."""
    pause, n_looks = threading.Event(), 0
    while sum(len(lane.queue) for lane in queued._lanes.values()) < n:
        n_looks += 1
        assert n_looks < DEADLINE_S * 1000
        pause.wait(0.001)


def run_behind_one(model, calls, hints=HINTS, shape=(-1, -1)):
    """Outcomes of `calls` that were queued while another one ran; that one's is the first."""
    queued = QueuedCalls(model.run, hints, {"s": signature(x=shape)}, n_running=1)
    with ThreadPoolExecutor(len(calls) + 1) as callers:
        first = callers.submit(queued, call([100.0] * max(shape[1], 2)))
        assert model.started.acquire(timeout=DEADLINE_S)
        futures = []
        for n, one in enumerate(calls, start=1):
            futures.append(callers.submit(queued, one))
            wait_until_queued(queued, n)
        model.gate.release(100)
        outcomes = [future.exception() or future.result() for future in (first, *futures)]
    assert not queued._lanes
    return outcomes


def test_calls_that_queue_up_become_one(model):
    """Those that came during a run are run together, each gets its own rows."""
    outcomes = run_behind_one(model, [call([1, 2]), call([3, 4], [5, 6])])
    assert [outcome[0].tolist() for outcome in outcomes] == [[200], [3], [7, 11]]
    assert [run.tolist() for run in model.runs] == [[[100, 100]], [[1, 2], [3, 4], [5, 6]]]


def test_widths_of_one_bucket_are_padded_with_the_neutral_element(model):
    """2, 3 and 4 columns are one bucket; narrower rows are filled up with zeros."""
    outcomes = run_behind_one(model, [call([1, 2]), call([1, 2, 3, 4]), call([1, 2, 3])])
    assert [outcome[0].tolist() for outcome in outcomes[1:]] == [[3], [10], [6]]
    assert model.runs[1].tolist() == [[1, 2, 0, 0], [1, 2, 3, 4], [1, 2, 3, 0]]


def test_other_widths_dtypes_and_outputs_are_not_merged(model):
    """Each kind of call has a lane of its own, in which it runs at once."""
    queued = QueuedCalls(model.run, HINTS, {"s": signature(x=(-1, -1))}, n_running=1)
    narrow = call([1, 2])
    kinds = [
        narrow,
        call([1, 2, 3, 4, 5]),
        call([1]),
        Call("s", ("x:0",), ("y:0",), [np.float64([[1, 2]])]),
        Call("s", ("x:0",), ("z:0",), narrow.values),
        call([1, 2], timeout_ms=5),
    ]
    with ThreadPoolExecutor(len(kinds)) as callers:
        futures = start(queued, callers, kinds)
        for _ in kinds:
            assert model.started.acquire(timeout=DEADLINE_S)
        model.gate.release(100)
        assert [future.result()[0].tolist() for future in futures] == [
            [3],
            [15],
            [1],
            [3],
            [3],
            [3],
        ]


def test_no_batch_is_larger_than_allowed(model):
    """Six queued rows with a limit of four are two runs."""
    run_behind_one(model, [call([n, n]) for n in range(6)])
    assert [len(run) for run in model.runs] == [1, 4, 2]


def test_one_bad_call_fails_alone(model):
    """When a merged run fails, each is run by itself and gets its own answer or error."""
    outcomes = run_behind_one(model, [call([1, 2]), call([-1, 2]), call([3, 4])])
    assert [outcome[0].tolist() for outcome in (outcomes[1], outcomes[3])] == [[3], [7]]
    assert isinstance(outcomes[2], ServingError)
    assert outcomes[2].code is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    "odd",
    [
        Call("s", ("x:0",), ("y:0",), [np.float32([1, 2])]),
        Call("s", ("x:0",), ("y:0",), [np.float32([[1, 2, 3]])]),
        Call("s", ("x:0",), ("y:0",), [np.zeros((0, 2), np.float32)]),
        Call("s", ("x:0",), ("y:0",), [np.zeros((5, 2), np.float32)]),
        Call("s", ("x:0",), ("y:0",), [np.float32(1)]),
    ],
    ids=["rank", "width", "no rows", "too many rows", "scalar"],
)
def test_call_that_does_not_fit_the_signature_runs_alone(odd):
    """The graph, and not a padded batch, decides what becomes of it."""
    seen = []
    queued = QueuedCalls(
        lambda one: seen.append(one) or [], HINTS, {"s": signature(x=(-1, 2))}, n_running=0
    )
    queued(odd)
    assert seen == [odd]


def test_dtype_without_a_neutral_element_needs_equal_widths(model):
    """What cannot be padded is merged with its own width only."""
    hints = MergeHints(largest_batch=4, width_buckets=(16,), padding={})
    outcomes = run_behind_one(model, [call([1, 2]), call([3, 4])], hints)
    assert [outcome[0].tolist() for outcome in outcomes[1:]] == [[3], [7]]
    assert len(model.runs) == 2


def test_hints_of_a_folder(tmp_path):
    """The trainer's file is read; without it, or when it says no, nothing is merged."""
    assert read_merge_hints(tmp_path) is None
    file = tmp_path / "assets.extra" / "recserve.json"
    file.parent.mkdir()
    hints = {
        "merge_calls": True,
        "largest_batch": 64,
        "width_buckets": [16, 1],
        "padding": {"string": "", "float32": 0.0, "int64": 0},
    }
    file.write_text(json.dumps(hints))
    assert read_merge_hints(tmp_path) == MergeHints(
        64,
        (1, 16),
        {np.dtype(object): b"", np.dtype(np.float32): 0.0, np.dtype(np.int64): 0},
    )
    file.write_text(json.dumps(hints | {"merge_calls": False}))
    assert read_merge_hints(tmp_path) is None
    for broken in ("{", "[]", json.dumps({"merge_calls": True}), '{"merge_calls": true'):
        file.write_text(broken)
        with pytest.raises(ServingError, match=r"recserve\.json: "):
            read_merge_hints(tmp_path)


def load(folder) -> LoadedModel:
    return ModelLoader(("serve",), tf.compat.v1.ConfigProto(), Series(), None, 1)(folder)


@pytest.fixture
def words(tmp_path):
    """A SavedModel without hints, and the folder for them."""
    saved_models.export_words(tmp_path)
    (tmp_path / "assets.extra").mkdir()
    return tmp_path


def allow_merging(folder) -> None:
    hints = {
        "merge_calls": True,
        "largest_batch": 64,
        "width_buckets": [8],
        "padding": {"string": ""},
    }
    (folder / "assets.extra" / "recserve.json").write_text(json.dumps(hints))


def test_only_servables_that_say_so_are_merged(words):
    """A SavedModel of anybody else runs each call by itself."""
    model = load(words)
    assert model.runner == model.run
    model.close()
    allow_merging(words)
    model = load(words)
    assert isinstance(model.runner, QueuedCalls)
    model.close()


def test_merged_answers_equal_single_ones(words):
    """Strings of many widths, asked for by many threads, are answered as if alone."""
    allow_merging(words)
    model = load(words)

    def ask(n: int) -> tuple[bytes, int]:
        texts = tf.make_tensor_proto([[str(n)] * (1 + n % 8)])
        outputs = model.predict("", {"words": texts, "suffix": tf.make_tensor_proto(["!"])}, [])
        return outputs["joined"][0], int(outputs["n_bytes"][0])

    with ThreadPoolExecutor(16) as callers:
        answers = list(callers.map(ask, range(400)))
    model.close()
    expected = [str(n).encode() * (1 + n % 8) + b"!" for n in range(400)]
    assert answers == [(text, len(text)) for text in expected]
