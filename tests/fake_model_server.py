"""A model server for tests: gRPC and wire messages are real, the models are Python functions.

Its reading and writing of tensors is its own, so that a mistake in server.codec shows.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import grpc
import numpy as np

from protos.tfserving.v1 import tfserving_pb2 as tf
from serving.contract import K_MAX, REQUIRED_SERVABLES
from tests.releases import World, WorldMovie

AVAILABLE = 30
LOADING = 20

Row = list[Any]
Inputs = Mapping[str, list[Row]]
"""Input name -> rows of values; strings as str. Inputs of rank 1 are one row."""


@dataclass(frozen=True)
class Output:
    """An output as the server sends it."""

    dtype: int
    shape: tuple[int, ...]
    values: Sequence[Any]


def strings(values: Sequence[str], shape: tuple[int, ...] | None = None) -> Output:
    return Output(7, shape or (1, len(values)), values)


def floats(values: Sequence[float], shape: tuple[int, ...] | None = None) -> Output:
    return Output(1, shape or (1, len(values)), values)


Function = Callable[[Inputs, int], Mapping[str, Output]]
"""(inputs, version) -> outputs."""


class Refused(Exception):  # noqa: N818 - a status, not an error of the test
    """Raised by a function to answer with a status."""

    def __init__(self, code: grpc.StatusCode, text: str = "refused") -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True)
class Call:
    """One Predict that arrived."""

    servable: str
    signature: str
    version: int
    inputs: Inputs
    output_filter: tuple[str, ...]


@dataclass
class FakeModelServer:
    """Answers Predict and GetModelStatus on a free port of 127.0.0.1."""

    functions: dict[tuple[str, str], Function]
    versions: Iterable[int] = (1,)
    calls: list[Call] = field(default_factory=list)
    port: int = 0

    def __post_init__(self) -> None:
        self.states = {
            (servable, version): AVAILABLE
            for servable in REQUIRED_SERVABLES
            for version in self.versions
        }
        self._server: grpc.Server | None = None
        self._lock = threading.Lock()
        self.start()

    def __enter__(self) -> FakeModelServer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Listens; on the same port as before after a stop."""
        self._server = grpc.server(ThreadPoolExecutor(4))
        self._server.add_generic_rpc_handlers(
            (
                grpc.method_handlers_generic_handler(
                    "tensorflow.serving.PredictionService",
                    {
                        "Predict": grpc.unary_unary_rpc_method_handler(
                            self._predict,
                            tf.PredictRequest.FromString,
                            tf.PredictResponse.SerializeToString,
                        )
                    },
                ),
                grpc.method_handlers_generic_handler(
                    "tensorflow.serving.ModelService",
                    {
                        "GetModelStatus": grpc.unary_unary_rpc_method_handler(
                            self._model_status,
                            tf.GetModelStatusRequest.FromString,
                            tf.GetModelStatusResponse.SerializeToString,
                        )
                    },
                ),
            )
        )
        self.port = self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        self._server.start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop(None).wait()
            self._server = None

    def load(self, version: int, state: int = AVAILABLE) -> None:
        """Sets the state of every servable at `version`."""
        for servable in REQUIRED_SERVABLES:
            self.states[servable, version] = state

    def called(self) -> list[tuple[str, str]]:
        """(servable, signature) of the calls so far, in order."""
        return [(call.servable, call.signature) for call in self.calls]

    def _predict(
        self, request: tf.PredictRequest, context: grpc.ServicerContext
    ) -> tf.PredictResponse:
        spec = request.model_spec
        name, version = spec.name, spec.version.value
        inputs = {key: _rows(tensor) for key, tensor in request.inputs.items()}
        with self._lock:
            self.calls.append(
                Call(name, spec.signature_name, version, inputs, tuple(request.output_filter))
            )
        if self.states.get((name, version)) != AVAILABLE:
            context.abort(
                grpc.StatusCode.NOT_FOUND,
                f"Servable not found for request: Specific({name}, {version})",
            )
        try:
            outputs = self.functions[name, spec.signature_name](inputs, version)
        except Refused as refused:
            context.abort(refused.code, str(refused))
        response = tf.PredictResponse()
        response.model_spec.name = name
        response.model_spec.version.value = version
        response.model_spec.signature_name = spec.signature_name
        for key in request.output_filter or outputs:
            if key in outputs:
                response.outputs[key].CopyFrom(_tensor(outputs[key]))
        return response

    def _model_status(
        self, request: tf.GetModelStatusRequest, context: grpc.ServicerContext
    ) -> tf.GetModelStatusResponse:
        name, version = request.model_spec.name, request.model_spec.version.value
        state = self.states.get((name, version))
        if state is None:
            context.abort(
                grpc.StatusCode.NOT_FOUND, f"Could not find version {version} of model {name}"
            )
        response = tf.GetModelStatusResponse()
        response.model_version_status.add(version=version, state=state)
        return response


def _rows(tensor: tf.TensorProto) -> list[Row]:
    shape = [dim.size for dim in tensor.tensor_shape.dim]
    if tensor.dtype == 7:
        flat: Row = [text.decode() for text in tensor.string_val]
    else:
        code = {1: "f", 9: "q"}[tensor.dtype]
        size = len(tensor.tensor_content) // struct.calcsize(code)
        flat = list(struct.unpack(f"<{size}{code}", tensor.tensor_content))
    width = shape[-1]
    return [flat[start : start + width] for start in range(0, len(flat), width)]


def _tensor(output: Output) -> tf.TensorProto:
    """Numbers travel in *_val, as TensorFlow Serving's default is."""
    tensor = tf.TensorProto(dtype=output.dtype)
    for size in output.shape:
        tensor.tensor_shape.dim.add(size=size)
    if output.dtype == 7:
        tensor.string_val.extend(value.encode() for value in output.values)
    elif output.dtype == 1:
        tensor.float_val.extend(output.values)
    else:
        tensor.int64_val.extend(output.values)
    return tensor


def _place(year: int) -> tuple[float, float]:
    """Where the content model places a movie."""
    return year / 1000, 9.0


def _embed_movie(inputs: Inputs, version: int) -> Mapping[str, Output]:
    """A movie of the year 9500 scores 9.5 and is rated 3 + number of tags."""
    years, tags = inputs["year"][0], inputs["tags"]
    n = len(years)
    items = [value for year in years for value in _place(year)]
    ratings = [value for row in tags for value in (9.0, float(sum(map(bool, row))))]
    return {
        "item_vector": floats(items, (n, 2)),
        "rating_vector": floats(ratings, (n, 2)),
        "rating_bias": floats([2.0] * n, (n, 1)),
    }


def _by_cosine(
    years: Sequence[int], kept: Sequence[tuple[WorldMovie, np.ndarray]]
) -> Mapping[str, Output]:
    """Movies by the cosine of their contents, the last two columns, with the place of each year."""
    ids: list[str] = []
    scores: list[float] = []
    for year in years:
        new = np.array(_place(year))
        cosines = {
            movie.movie_id: float(row[-2:] @ new / np.linalg.norm(row[-2:]) / np.linalg.norm(new))
            for movie, row in kept
        }
        best = sorted(cosines, key=lambda i: -cosines[i])[:K_MAX]
        ids += [*best, *[""] * (K_MAX - len(best))]
        scores += [*(cosines[i] for i in best), *[0.0] * (K_MAX - len(best))]
    shape = (len(years), K_MAX)
    return {"movie_ids": strings(ids, shape), "scores": floats(scores, shape)}


def world_models(world: World | None = None) -> dict[tuple[str, str], Function]:
    """Models of a world in which later movies are better.

    Movie number n (from 1) scores n and is rated n / 2 by everybody, beyond both ends of the
    rating range; version v adds (v - 1) / 100 to each score.
    """
    movies = (world or World()).movies
    genres = (world or World()).genres

    def ranked(keep: Callable[[WorldMovie], bool], version: int) -> Mapping[str, Output]:
        kept = [(n, m) for n, m in reversed(list(enumerate(movies, 1))) if keep(m)]
        kept = kept[:K_MAX]
        rest = K_MAX - len(kept)
        return {
            "movie_ids": strings([*(m.movie_id for _, m in kept), *[""] * rest]),
            "scores": floats([*(n + (version - 1) / 100 for n, _ in kept), *[0.0] * rest]),
            "ratings": floats([*(n / 2 for n, _ in kept), *[0.0] * rest]),
        }

    def passes(movie: WorldMovie, inputs: Inputs) -> bool:
        bits = sum(1 << genres.index(genre) for genre in movie.genres)
        some, every, none = (inputs[f"genres_{k}"][0][0] for k in ("any", "all", "none"))
        low, high = inputs["years"][0]
        unset = (low, high) == (-(2**63), 2**63 - 1)
        return (
            (not some or bits & some != 0)
            and bits & every == every
            and not bits & none
            and (unset or (movie.year > 0 and low <= movie.year <= high))
        )

    def recommend(inputs: Inputs, version: int) -> Mapping[str, Output]:
        excluded = set(inputs["exclude_ids"][0])
        outputs = ranked(lambda m: m.movie_id not in excluded and passes(m, inputs), version)
        # The history's newest movie pulls everything up by 0.5, the one before by 0.25.
        newest = [i for i in reversed(inputs["history_ids"][0]) if i][:2]
        cited = [newest[n] if n < len(newest) else "" for n in range(3)]
        drops = [0.5 / 2**n if n < len(newest) else 0.0 for n in range(3)]
        listed = [bool(i) for i in outputs["movie_ids"].values]
        if inputs["order"] == [[1]]:
            outputs = {**outputs, "scores": outputs["ratings"]}
        return {
            **outputs,
            "reason_ids": strings(
                [i if yes else "" for yes in listed for i in cited], (1, K_MAX, 3)
            ),
            "reason_drops": floats(
                [d if yes else 0.0 for yes in listed for d in drops], (1, K_MAX, 3)
            ),
            # Mean and deviation such that a standardised score is the score: m_n scores n.
            "user_vector": floats([1.0, 0.0]),
            "rating_vector": floats([0.0, 1.0]),
            "rating_bias": floats([1.0]),
            "score_stats": floats([0.0, 1.0, 0.0, 0.0]),
        }

    def retrieval(inputs: Inputs, version: int) -> Mapping[str, Output]:
        return ranked(lambda _movie: True, version)

    def similar(inputs: Inputs, version: int) -> Mapping[str, Output]:
        return ranked(lambda m: passes(m, inputs), version)

    def similar_to_new(inputs: Inputs, version: int) -> Mapping[str, Output]:
        """Where movies have vectors by cosine, else ranked the same for every new movie."""
        vectors = (world or World()).vectors
        if vectors is not None and vectors.shape[1] == 2 * len(_place(0)):
            kept = [(m, row) for m, row in zip(movies, vectors, strict=True) if passes(m, inputs)]
            return _by_cosine(inputs["year"][0], kept)
        same, n = similar(inputs, version), len(inputs["year"][0])
        return {
            "movie_ids": strings([*same["movie_ids"].values] * n, (n, K_MAX)),
            "scores": floats([*same["scores"].values] * n, (n, K_MAX)),
        }

    def rank(inputs: Inputs, version: int) -> Mapping[str, Output]:
        ids = inputs["movie_ids"][0]
        numbers = {m.movie_id: n for n, m in enumerate(movies, 1)}
        return {"ratings": floats([numbers.get(i, 0) / 2 for i in ids])}

    functions: dict[tuple[str, str], Function] = {
        ("recommend", "serving_default"): recommend,
        ("retrieval", "serving_default"): retrieval,
        ("retrieval", "similar"): similar,
        ("content", "similar"): similar_to_new,
        ("content", "embed_movie"): _embed_movie,
        ("ranking", "rank"): rank,
    }

    ids = [movie.movie_id for movie in movies]
    functions["recommend", "by_number"] = _by_number(functions, ids)
    return functions


def _by_number(functions: Mapping[tuple[str, str], Function], ids: Sequence[str]) -> Function:
    """Each row as `serving_default` answers it then, whatever a test has put there."""

    def answer(inputs: Inputs, version: int) -> Mapping[str, Output]:
        by_id = functions["recommend", "serving_default"]
        rows = _each_by_id(inputs, ["", *ids])
        return _stacked([_numbered(by_id(row, version), row, ids) for row in rows])

    return answer


def _each_by_id(inputs: Inputs, ids: Sequence[str]) -> Iterator[Inputs]:
    """What `serving_default` is asked in place of each row of a `by_number`."""
    users = inputs["user_id"][0]
    for number, user in enumerate(users):
        row = {name: [rows[number]] for name, rows in inputs.items() if name != "user_id"}
        by_id = {
            name.replace("_numbers", "_ids"): [[ids[n] for n in row.pop(name)[0]]]
            for name in ("history_numbers", "exclude_numbers")
        }
        yield {**row, **by_id, "user_id": [[user]]}


def _numbered(
    answer: Mapping[str, Output], asked: Inputs, ids: Sequence[str]
) -> Mapping[str, Output]:
    """An answer of `serving_default` as `by_number` gives it; a foreign movie is one too many."""
    numbers = {"": 0} | {movie_id: number for number, movie_id in enumerate(ids, 1)}
    place = {movie_id: at for at, movie_id in enumerate(asked["history_ids"][0], 1) if movie_id}
    same = {name: output for name, output in answer.items() if not name.endswith("_ids")}
    if "movie_ids" in answer:
        listed = answer["movie_ids"]
        found = [numbers.get(movie_id, len(ids) + 1) for movie_id in listed.values]
        same["movie_numbers"] = Output(9, listed.shape, found)
    if "reason_ids" in answer:
        cited = answer["reason_ids"]
        same["reason_places"] = Output(9, cited.shape, [place.get(i, 0) for i in cited.values])
    return same


def _stacked(rows: Sequence[Mapping[str, Output]]) -> Mapping[str, Output]:
    """Answers of one row each as one answer."""
    return {
        name: Output(
            first.dtype,
            (len(rows) * first.shape[0], *first.shape[1:]),
            [value for row in rows for value in row[name].values],
        )
        for name, first in rows[0].items()
    }
