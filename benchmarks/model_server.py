"""What the embedded model server costs: Predict at batch 1, merging, a version switch.

    python -m benchmarks.model_server [--models-dir DIR] [--rounds 5] [--seconds 2]

takes the newest version of `recommend` below --models-dir, by default of a synthetic release of
10,000 movies, and writes benchmarks/results/model_server.json and model_server.md. For merging the
server has one core, callers over gRPC the other; a version switch may use both. In each round the
variants of a figure take turns in short slices, and the median over the rounds is reported, so that
a machine that is slow for a while is slow for all of them. Merged answers are first checked against
single ones.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from benchmarks.speed.machine import machine
from benchmarks.synthetic_release import synthetic_release
from serving.batching.hints import read_merge_hints
from serving.batching.queued import QueuedCalls
from serving.contract import ModelsDir
from serving.model_config import ModelConfig
from serving.monitoring.series import Series
from serving.prediction import Predictor
from serving.servables.lifecycle import Servables
from serving.servables.loaded import LoadedModel, Runner

RESULTS = Path(__file__).parent / "results"
IN_FLIGHT = 64
SLICES = 4
"""Turns that each variant gets in a round."""
OUTPUTS = ("movie_ids", "scores", "ratings", "reason_ids", "reason_drops")
"""What callers by id ask for; the gateway asks for the same by number."""
PREDICT = "/tensorflow.serving.PredictionService/Predict"
SERVER_CORE, CALLER_CORE = 1, 0
RUNNING = re.compile(r"Running gRPC ModelServer at (\S+) \.\.\.")
AVAILABLE, END = 30, 50
SWITCH_DEADLINE_S = 120.0


def recommend_requests(folder: Path, n: int, seed: int = 0) -> list[predict_pb2.PredictRequest]:
    """Calls of one user each, with 16 rated movies, 64 excluded ones and no filter."""
    rng = np.random.default_rng(seed)
    with np.load(folder / "assets.extra" / "towers.npz") as towers:
        catalogue, users = towers["movie_ids"], towers["user_ids"]
    requests = []
    for _ in range(n):
        request = predict_pb2.PredictRequest(output_filter=OUTPUTS)
        request.model_spec.name = "recommend"
        seen = rng.choice(catalogue, 64, replace=False).tolist()
        unset = np.iinfo(np.int64)
        inputs = {
            "user_id": [str(rng.choice(users))],
            "history_ids": [seen[:16]],
            "history_ratings": rng.integers(1, 6, (1, 16)).astype(np.float32),
            "profile": [["", "age:25"]],
            "exclude_ids": [seen],
            "genres_any": np.zeros((1, 1), np.int64),
            "genres_all": np.zeros((1, 1), np.int64),
            "genres_none": np.zeros((1, 1), np.int64),
            "years": np.int64([[unset.min, unset.max]]),
            "order": np.zeros((1, 1), np.int64),
        }
        for alias, value in inputs.items():
            request.inputs[alias].CopyFrom(tf.make_tensor_proto(value))
        requests.append(request)
    return requests


@dataclass(slots=True)
class Calls:
    """What calls took, and how long it took to make them all."""

    latencies: list[float] = field(default_factory=list)
    """Milliseconds of each."""
    seconds: float = 0.0

    @property
    def per_s(self) -> float:
        return len(self.latencies) / self.seconds


def call_for(call: Callable[[int], object], n_threads: int, seconds: float) -> Calls:
    """Calls by `n_threads` at a time; what has begun within `seconds` is waited for and counted."""
    stop = threading.Event()
    latencies: list[list[float]] = [[] for _ in range(n_threads)]

    def call_on_and_on(own: list[float], first: int) -> None:
        index = first
        while not stop.is_set():
            started = time.perf_counter()
            call(index)
            own.append((time.perf_counter() - started) * 1000)
            index += n_threads

    threads = [
        threading.Thread(target=call_on_and_on, args=(own, first))
        for first, own in enumerate(latencies)
    ]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    stop.wait(seconds)
    stop.set()
    for thread in threads:
        thread.join()
    elapsed = time.perf_counter() - begin
    return Calls([latency for own in latencies for latency in own], elapsed)


def take_turns(
    variants: Mapping[str, Callable[[int], object]], n_threads: int, seconds: float
) -> dict[str, Calls]:
    """The calls of each variant, which share the time in turns."""
    calls = {name: Calls() for name in variants}
    for _ in range(SLICES):
        for name, call in variants.items():
            turn = call_for(call, n_threads, seconds / SLICES)
            calls[name].latencies += turn.latencies
            calls[name].seconds += turn.seconds
    return calls


def p(latencies: list[float], percent: float) -> float:
    """A percentile, in milliseconds."""
    return float(np.percentile(latencies, percent))


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """All threads of this process on one core, those that TensorFlow has started included."""
    threads = [int(task.name) for task in Path("/proc/self/task").iterdir()]
    before = os.sched_getaffinity(0)
    for thread in threads:
        os.sched_setaffinity(thread, {core})
    try:
        yield
    finally:
        for thread in threads:
            os.sched_setaffinity(thread, before)


@contextmanager
def server(base: Path, cores: Collection[int]) -> Iterator[grpc.Channel]:
    """A model server process of "recommend" in `base`, on these cores."""
    process = subprocess.Popen(  # noqa: S603  (our own interpreter and module)
        [
            *(sys.executable, "-m", "serving", "--port=0", "--model_name=recommend"),
            *(f"--model_base_path={base}", "--enable_serialization_as_tensor_content"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    # Before TensorFlow starts threads: they stay where the process is.
    os.sched_setaffinity(process.pid, cores)
    try:
        started = RUNNING.search(process.stdout.readline() if process.stdout else "")
        if started is None:
            raise SystemExit("the model server did not start")
        with grpc.insecure_channel(started[1]) as channel:
            yield channel
    finally:
        process.terminate()
        process.wait()


def copy_version(source: Path, target: Path, *, merges: bool) -> None:
    """A version whose calls may be merged, or may not."""
    shutil.copytree(source, target)
    if not merges:
        (target / "assets.extra" / "recserve.json").unlink()


def check_merged_answers(
    folder: Path, model: LoadedModel, predictor: Predictor, merged: QueuedCalls
) -> None:
    """Raises when a merged call answers anything else than a single one."""
    requests = recommend_requests(folder, IN_FLIGHT, seed=1)
    alone = [predictor.predict(request) for request in requests]
    model.runner = merged
    together: dict[int, predict_pb2.PredictResponse] = {}
    threads = [
        threading.Thread(target=lambda i=i: together.update({i: predictor.predict(requests[i])}))
        for i in range(len(requests))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    model.runner = model.run
    for index, expected in enumerate(alone):
        merged_answer, own = _by_movie(together[index]), _by_movie(expected)
        # Two movies whose scores differ by the last bit may stand the other way round.
        if merged_answer.keys() != own.keys():
            raise SystemExit("a merged call lists other movies than a single one")
        np.testing.assert_allclose(
            [merged_answer[movie] for movie in own], list(own.values()), atol=1e-4
        )


def _by_movie(response: predict_pb2.PredictResponse) -> dict[bytes, list[float]]:
    """Score and rating of each movie of an answer."""
    ids, *figures = (tf.make_ndarray(response.outputs[alias])[0] for alias in OUTPUTS[:3])
    return dict(zip(ids, np.transpose(figures).tolist(), strict=True))


def measure_in_process(folder: Path, rounds: int, seconds: float) -> dict[str, list[float]]:
    """Predict without a network, all on one core: milliseconds and calls a second."""
    models: list[LoadedModel] = []

    def load(version: Path) -> LoadedModel:
        models.append(LoadedModel(version))
        return models[-1]

    servables = Servables(load)
    servables.apply((ModelConfig("recommend", folder.parent),))
    servables.poll()
    (model,) = models
    predictor = Predictor(servables, Series(), as_content=True)
    requests = recommend_requests(folder, IN_FLIGHT)
    hints = read_merge_hints(folder)
    if hints is None:
        raise SystemExit(f"{folder} does not allow merging")
    with on_core(SERVER_CORE):
        merged = QueuedCalls(model.run, hints, model.signatures)
    check_merged_answers(folder, model, predictor, merged)

    def predict_with(runner: Runner) -> Callable[[int], object]:
        def predict(index: int) -> object:
            model.runner = runner
            return predictor.predict(requests[index % IN_FLIGHT])

        return predict

    variants = {"unmerged": predict_with(model.run), "merged": predict_with(merged)}
    with on_core(SERVER_CORE):
        figures = compare(variants, rounds, seconds)
    servables.close()
    return figures


def compare(
    variants: Mapping[str, Callable[[int], object]], rounds: int, seconds: float
) -> dict[str, list[float]]:
    """Calls a second and median milliseconds of each variant in each round."""
    figures: dict[str, list[float]] = {}
    for _ in range(rounds):
        for n_threads in (1, IN_FLIGHT):
            for name, calls in take_turns(variants, n_threads, seconds).items():
                key = f"{name}_{n_threads}"
                figures.setdefault(f"{key}_per_s", []).append(calls.per_s)
                figures.setdefault(f"{key}_p50_ms", []).append(p(calls.latencies, 50))
    return figures


def measure_over_grpc(folder: Path, rounds: int, seconds: float) -> dict[str, list[float]]:
    """The same over gRPC, with the server in a process and on a core of its own."""
    requests = [each.SerializeToString() for each in recommend_requests(folder, IN_FLIGHT)]
    variants = {}
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        for name in ("unmerged", "merged"):
            base = Path(scratch) / name
            copy_version(folder, base / "1", merges=name == "merged")
            # Bytes in and out: the callers' own core is not to be what limits the server.
            predict = stack.enter_context(server(base, [SERVER_CORE])).unary_unary(PREDICT)
            variants[f"grpc_{name}"] = lambda index, predict=predict: predict(
                requests[index % IN_FLIGHT]
            )
        with on_core(CALLER_CORE):
            return compare(variants, rounds, seconds)


def state_of(models: model_service_pb2_grpc.ModelServiceStub, version: int) -> int:
    """ModelVersionStatus.State of a version; 0 if it is not known."""
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = "recommend"
    for status in models.GetModelStatus(request).model_version_status:
        if status.version == version:
            return int(status.state)
    return 0


def measure_switch(folder: Path, rounds: int, seconds: float) -> dict[str, list[float]]:
    """99th percentiles of sequential calls before and while the next version takes over."""
    requests = recommend_requests(folder, IN_FLIGHT)
    figures: dict[str, list[float]] = {"before_p99_ms": [], "during_p99_ms": [], "switch_s": []}
    with tempfile.TemporaryDirectory() as scratch:
        base = Path(scratch) / "recommend"
        copy_version(folder, base / "1", merges=True)
        with server(base, os.sched_getaffinity(0)) as channel:
            predictions = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            models = model_service_pb2_grpc.ModelServiceStub(channel)

            def predict(index: int) -> object:
                return predictions.Predict(requests[index % IN_FLIGHT])

            call_for(predict, 1, seconds)
            for old in range(1, rounds + 1):
                figures["before_p99_ms"].append(p(call_for(predict, 1, 2 * seconds).latencies, 99))
                copy_version(folder, Path(scratch) / "staged", merges=True)
                during: list[float] = []
                started = time.monotonic()
                (Path(scratch) / "staged").rename(base / str(old + 1))
                # From the moment that the folder is there, until the old version is gone.
                while state_of(models, old) != END:
                    during += call_for(predict, 1, 0.25).latencies
                    if time.monotonic() > started + SWITCH_DEADLINE_S:
                        raise SystemExit("the new version did not take over")
                figures["during_p99_ms"].append(p(during, 99))
                figures["switch_s"].append(time.monotonic() - started)
    return figures


def ratio(figures: dict[str, list[float]], over: str, under: str) -> float:
    """Median over the rounds of a figure divided by another one of the same round."""
    return statistics.median(a / b for a, b in zip(figures[over], figures[under], strict=True))


def table(medians: dict[str, float], ratios: dict[str, tuple[float, str]]) -> str:
    """The results in Markdown."""
    lines = [
        "# Model server",
        "",
        "`python -m benchmarks.model_server`; median of the rounds in model_server.json.",
        "",
        "| ratio | measured | target |",
        "| --- | ---: | --- |",
        *(f"| {name} | {value:.2f} | {target} |" for name, (value, target) in ratios.items()),
        "",
        "| figure | median |",
        "| --- | ---: |",
        *(f"| {name} | {value:.2f} |" for name, value in medians.items()),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measures everything and writes the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models-dir", type=Path)
    parser.add_argument("--movies", type=int, default=10_000, help="of a synthetic release")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    arguments = parser.parse_args()
    about = machine()
    figures: dict[str, list[float]] = {}
    with ExitStack() as stack:
        models_dir = arguments.models_dir
        if models_dir is None:
            models_dir = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            synthetic_release(ModelsDir(models_dir), n_movies=arguments.movies)
        base = (models_dir / "recommend").resolve()
        versions = (path for path in base.iterdir() if path.name.isdigit())
        folder = max(versions, key=lambda path: int(path.name))
        for measure in (measure_in_process, measure_over_grpc, measure_switch):
            figures |= measure(folder, arguments.rounds, arguments.seconds)
            print(measure.__name__, "done", file=sys.stderr)
    n = IN_FLIGHT
    ratios = {
        "Predict over gRPC / in-process, latency at batch 1": (
            ratio(figures, "grpc_unmerged_1_p50_ms", "unmerged_1_p50_ms"),
            "-",
        ),
        f"merged / unmerged, calls a second, {n} in flight, in-process": (
            ratio(figures, f"merged_{n}_per_s", f"unmerged_{n}_per_s"),
            "at least 2.0",
        ),
        "merged / unmerged, calls a second, 1 in flight, in-process": (
            ratio(figures, "merged_1_per_s", "unmerged_1_per_s"),
            "at least 0.9",
        ),
        f"merged / unmerged, calls a second, {n} in flight, over gRPC": (
            ratio(figures, f"grpc_merged_{n}_per_s", f"grpc_unmerged_{n}_per_s"),
            "-",
        ),
        "merged / unmerged, calls a second, 1 in flight, over gRPC": (
            ratio(figures, "grpc_merged_1_per_s", "grpc_unmerged_1_per_s"),
            "-",
        ),
        "p99 during a version switch / before": (
            ratio(figures, "during_p99_ms", "before_p99_ms"),
            "at most 2.0",
        ),
    }
    medians = {name: statistics.median(values) for name, values in figures.items()}
    result = {
        "machine": about,
        "rounds": arguments.rounds,
        "seconds": arguments.seconds,
        "ratios": {name: value for name, (value, _) in ratios.items()},
        "medians": medians,
        "figures": figures,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "model_server.json").write_text(json.dumps(result, indent=1) + "\n")
    (RESULTS / "model_server.md").write_text(table(medians, ratios))
    print(table(medians, ratios))


if __name__ == "__main__":
    main()
