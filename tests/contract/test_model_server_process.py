"""`python -m serving` as a process, seen through the official stubs alone."""

import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from serving.contract import model_config_text
from tests.unit.serving import saved_models

RUNNING = re.compile(r"Running gRPC ModelServer at (127\.0\.0\.1:\d+) \.\.\.\n")
START_S = STOP_S = 60
SWITCH_S = 30
LONG_COUNT = 200_000  # steps: most of a second
HALF_OF_4 = 0.5 * 4 + 2
AVAILABLE, END = 30, 50


class RunningServer:
    """A model server process, its log, and stubs that talk to it."""

    def __init__(self, *flags: str, log: Path) -> None:
        self.log = log
        with log.open("w") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "serving", "--port=0", *flags],
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        started = RUNNING.fullmatch(self.process.stdout.readline())
        assert started, log.read_text()
        self.address = started[1]
        self.channel = grpc.insecure_channel(
            self.address,
            options=[
                ("grpc.max_receive_message_length", -1),
                ("grpc.max_send_message_length", -1),
            ],
        )
        self.predictions = prediction_service_pb2_grpc.PredictionServiceStub(self.channel)
        self.models = model_service_pb2_grpc.ModelServiceStub(self.channel)

    def predict(self, name: str, inputs: dict, timeout: float = START_S, **spec):
        request = predict_pb2.PredictRequest()
        request.model_spec.name = name
        request.model_spec.signature_name = spec.get("signature", "")
        if "version" in spec:
            request.model_spec.version.value = spec["version"]
        if "label" in spec:
            request.model_spec.version_label = spec["label"]
        request.output_filter.extend(spec.get("outputs", ()))
        for alias, value in inputs.items():
            request.inputs[alias].CopyFrom(tf.make_tensor_proto(value))
        return self.predictions.Predict(request, timeout=timeout)

    def statuses(self, name: str, version: int | None = None):
        request = get_model_status_pb2.GetModelStatusRequest()
        request.model_spec.name = name
        if version is not None:
            request.model_spec.version.value = version
        return self.models.GetModelStatus(request, timeout=START_S).model_version_status

    def has(self, name: str, version: int, state: int) -> bool:
        try:
            return self.statuses(name, version)[0].state == state
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.NOT_FOUND:
                raise
            return False

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(STOP_S)

    def discard(self) -> None:
        self.channel.close()
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def wait_for(condition: Callable[[], bool], log: Path) -> None:
    """Asks the server again and again, until `condition` holds."""
    deadline = time.monotonic() + SWITCH_S
    while not condition():
        assert time.monotonic() < deadline, log.read_text()


@contextmanager
def model_server(*flags: str, log: Path):
    server = RunningServer(*flags, log=log)
    try:
        yield server
    finally:
        server.discard()


@contextmanager
def fails(code: grpc.StatusCode, details: str):
    """The call in this block ends with this status and, in full, these details."""
    with pytest.raises(grpc.RpcError) as caught:
        yield
    assert (caught.value.code(), caught.value.details()) == (code, details)


@pytest.fixture(scope="module")
def models_dir(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    saved_models.export_affine(root / "half" / "1")
    saved_models.export_tf1_affine(root / "tf1" / "00000123")
    saved_models.export_words(root / "words" / "5")
    saved_models.export_lookup(root / "lookup" / "1")
    saved_models.export_count(root / "count" / "1")
    (root / "corrupt" / "1").mkdir(parents=True)
    (root / "corrupt" / "1" / "saved_model.pb").write_bytes(b"not a SavedModel")
    (root / "empty").mkdir()
    return root


@pytest.fixture(scope="module")
def config_file(models_dir):
    file = models_dir / "models.config"
    write_config(file)
    return file


def write_config(file: Path, **versions: tuple[int, ...]) -> None:
    """Pins every model of `models_dir`, and other versions where `versions` says so."""
    pinned = {
        "half": (1,),
        "tf1": (123,),
        "words": (5,),
        "lookup": (1,),
        "count": (1,),
        "corrupt": (1,),
    }
    new = file.with_suffix(".new")
    new.write_text(model_config_text(str(file.parent), {**pinned, "empty": (1,)} | versions))
    new.replace(file)


@pytest.fixture(scope="module")
def server(config_file):
    with model_server(
        f"--model_config_file={config_file}",
        "--model_config_file_poll_wait_seconds=1",
        log=config_file.with_suffix(".log"),
    ) as running:
        yield running


def test_answer_names_the_version_and_signature_used(server):
    """A call that names neither is told which ones answered; floats come typed."""
    response = server.predict("half", {"x": np.float32([4, 0])})
    assert (response.model_spec.name, response.model_spec.version.value) == ("half", 1)
    assert response.model_spec.signature_name == "serving_default"
    assert list(response.outputs["y"].float_val) == [4.0, 2.0]
    assert not response.outputs["y"].tensor_content


def test_models_of_each_kind_are_served(server):
    """TF1, strings, several signatures, tables; versions with leading zeros."""
    tf1 = server.predict("tf1", {"x": np.float32([[4]])})
    assert tf.make_ndarray(tf1.outputs["y"]).tolist() == [[HALF_OF_4]]
    assert tf1.model_spec.version.value == 123
    split = server.predict("words", {"text": ["éa", ""]}, signature="split", outputs=["is_empty"])
    assert {alias: list(t.bool_val) for alias, t in split.outputs.items()} == {
        "is_empty": [False, True]
    }
    assert split.model_spec.signature_name == "split"
    joined = server.predict("words", {"words": [["a", "b"]], "suffix": ["c"]}, version=5)
    assert list(joined.outputs["joined"].string_val) == [b"abc"]
    found = server.predict("lookup", {"id": ["b", "z"]})
    assert list(found.outputs["index"].int64_val) == [20, -1]


def test_unknown_servable_version_label_and_signature(server):
    """The codes and texts that callers of TensorFlow Serving match on."""
    x = {"x": np.float32([1])}
    with fails(grpc.StatusCode.NOT_FOUND, "Servable not found for request: Latest(nobody)"):
        server.predict("nobody", x)
    with fails(grpc.StatusCode.NOT_FOUND, "Servable not found for request: Specific(half, 3)"):
        server.predict("half", x, version=3)
    with fails(grpc.StatusCode.NOT_FOUND, "Servable not found for request: Specific(half, 0)"):
        server.predict("half", x, version=0)
    with fails(grpc.StatusCode.INVALID_ARGUMENT, "Unrecognized servable version label: stable"):
        server.predict("half", x, label="stable")
    with fails(grpc.StatusCode.FAILED_PRECONDITION, 'Serving signature key "x" not found.'):
        server.predict("half", x, signature="x")


def test_missing_model_spec(server):
    """Each service tells a request without a model from one without a name."""
    with fails(grpc.StatusCode.INVALID_ARGUMENT, "Missing ModelSpec"):
        server.predictions.Predict(predict_pb2.PredictRequest(), timeout=START_S)
    with fails(grpc.StatusCode.INVALID_ARGUMENT, "ModelSpec has no name specified."):
        server.predict("", {})
    with fails(grpc.StatusCode.INVALID_ARGUMENT, "Missing ModelSpec"):
        server.models.GetModelStatus(get_model_status_pb2.GetModelStatusRequest(), timeout=START_S)


def test_wrong_inputs_and_outputs(server):
    """Missing inputs and unknown outputs are told as the real server tells them."""
    with fails(
        grpc.StatusCode.INVALID_ARGUMENT,
        "input size does not match signature: 0!=1 len({}) != len({x}). "
        "Sent extra: {}. Missing but required: {x}.",
    ):
        server.predict("half", {})
    with fails(
        grpc.StatusCode.INVALID_ARGUMENT,
        "output tensor alias not found in signature: z Outputs expected to be in the set {y}.",
    ):
        server.predict("half", {"x": np.float32([1])}, outputs=["z"])


def test_hostile_requests_get_a_status_and_the_server_lives(server):
    """Lying shapes, other dtypes, endless names, NaN and 8 MB are answered; it goes on serving."""
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "half"
    tensor = request.inputs["x"]
    for dtype, shape, values in (
        (tf.float32, [2**62, 4], {"float_val": [1]}),
        (tf.float32, [-1], {"float_val": [1]}),
        (tf.int32, [1], {"int_val": [1]}),
        (tf.string, [1], {"string_val": [b"1"]}),
        (tf.resource, [], {}),
    ):
        tensor.Clear()
        tensor.MergeFrom(
            type(tensor)(
                dtype=dtype.as_datatype_enum,
                tensor_shape={"dim": [{"size": size} for size in shape]},
                **values,
            )
        )
        with pytest.raises(grpc.RpcError) as caught:
            server.predictions.Predict(request, timeout=START_S)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    with pytest.raises(grpc.RpcError) as caught:
        server.predict("half", {"x": np.float32([1])}, outputs=["long " * 20_000])
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    nan = server.predict("half", {"x": np.float32([np.nan, 4])}).outputs["y"].float_val
    assert np.isnan(nan[0])
    assert nan[1] == HALF_OF_4
    large = server.predict("half", {"x": np.zeros(2_000_000, np.float32)})
    assert large.outputs["y"].tensor_shape.dim[0].size == 2_000_000


def test_rpcs_of_a_later_release_say_so(server):
    """What this server does not implement yet is UNIMPLEMENTED, in words."""
    with fails(grpc.StatusCode.UNIMPLEMENTED, "not implemented by this model server"):
        server.predictions.GetModelMetadata(
            get_model_metadata_pb2.GetModelMetadataRequest(), timeout=START_S
        )
    with fails(grpc.StatusCode.UNIMPLEMENTED, "not implemented by this model server"):
        server.models.HandleReloadConfigRequest(
            model_management_pb2.ReloadConfigRequest(), timeout=START_S
        )


def test_status_reports_states_and_load_errors(server):
    """A corrupt version is END with its reason; what does not exist is NOT_FOUND."""
    (half,) = server.statuses("half", 1)
    assert (half.version, half.state, half.status.error_code) == (1, AVAILABLE, 0)
    (corrupt,) = server.statuses("corrupt")
    assert corrupt.state == END
    assert corrupt.status.error_code != 0
    assert "Cannot parse file" in corrupt.status.error_message
    assert "{name: corrupt version: 1} failed" in server.log.read_text()
    with fails(grpc.StatusCode.NOT_FOUND, "Could not find version 9 of model half"):
        server.statuses("half", 9)
    with fails(grpc.StatusCode.NOT_FOUND, "Could not find any versions of model nobody"):
        server.statuses("nobody")
    with fails(grpc.StatusCode.NOT_FOUND, "Servable not found for request: Latest(corrupt)"):
        server.predict("corrupt", {})
    assert "No versions of servable empty found under base path" in server.log.read_text()


def test_switch_by_configuration_loses_no_call(server, config_file):
    """While a new version is configured, every call is answered, by one version or the other."""
    saved_models.export_affine(config_file.parent / "half" / "2", slope=0.5, shift=3.0)
    expected = {1: HALF_OF_4, 2: HALF_OF_4 + 1}
    stop, wrong, seen = threading.Event(), [], set()

    def ask_on_and_on():
        while not stop.is_set():
            try:
                answer = server.predict("half", {"x": np.float32([4])})
            except grpc.RpcError as error:
                wrong.append(error)
                return
            version = answer.model_spec.version.value
            seen.add(version)
            if answer.outputs["y"].float_val[0] != expected[version]:
                wrong.append(answer)

    asking = [threading.Thread(target=ask_on_and_on) for _ in range(2)]
    for thread in asking:
        thread.start()
    write_config(config_file, half=(1, 2))
    wait_for(lambda: server.has("half", 2, AVAILABLE), server.log)
    write_config(config_file, half=(2,))
    wait_for(lambda: server.has("half", 1, END), server.log)
    stop.set()
    for thread in asking:
        thread.join()
    assert not wrong
    assert seen == {1, 2}
    with fails(grpc.StatusCode.NOT_FOUND, "Servable not found for request: Specific(half, 1)"):
        server.predict("half", {"x": np.float32([4])}, version=1)


def test_broken_configuration_is_logged_and_the_old_one_kept(server, config_file):
    """A malformed file changes nothing but the log; a repaired one is taken up."""
    config_file.write_text("model_config_list { config {")
    wait_for(lambda: "Kept the old configuration" in server.log.read_text(), server.log)
    assert server.predict("half", {"x": np.float32([4])}).model_spec.version.value == 2
    saved_models.export_affine(config_file.parent / "half" / "3")
    write_config(config_file, half=(3,))
    wait_for(lambda: server.has("half", 3, AVAILABLE), server.log)
    assert server.predict("half", {"x": np.float32([4])}).model_spec.version.value == 3


def test_base_path_mode_follows_the_latest_version(tmp_path):
    """It starts without any version, loads one that is renamed into place, and ends with 0."""
    base = tmp_path / "half"
    base.mkdir()
    with model_server(
        f"--model_base_path={base}", "--model_name=half", log=tmp_path / "log"
    ) as server:
        with fails(grpc.StatusCode.NOT_FOUND, "Could not find any versions of model half"):
            server.statuses("half")
        saved_models.export_affine(tmp_path / "staged")
        (tmp_path / "staged").rename(base / "7")
        wait_for(lambda: server.has("half", 7, AVAILABLE), server.log)
        answer = server.predict("half", {"x": np.float32([4])})
        assert answer.model_spec.version.value == 7
        port = server.address.rpartition(":")[2]
        second = subprocess.run(
            [sys.executable, "-m", "serving", f"--port={port}", f"--model_base_path={base}"],
            capture_output=True,
            text=True,
            timeout=START_S,
            check=False,
        )
        assert second.returncode == 1
        assert f"cannot listen on 127.0.0.1:{port}" in second.stderr
        assert server.end(signal.SIGINT) == 0
    with socket.create_server(("127.0.0.1", int(port))):
        pass


def test_sigterm_lets_the_running_call_finish(server):
    """The last test of the shared server: after SIGTERM a call in flight is answered, exit 0."""
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "count"
    request.inputs["n"].CopyFrom(tf.make_tensor_proto([LONG_COUNT], tf.int64))
    running = server.predictions.Predict.future(request, timeout=START_S)
    # One connection keeps the order: once this is answered, the call above has been accepted.
    assert len(server.predict("half", {"x": np.float32([4])}).outputs) == 1
    assert not running.done()
    assert server.end(signal.SIGTERM) == 0
    assert list(running.result().outputs["counted"].int64_val) == [LONG_COUNT]


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (None, "NOT_FOUND: {file}; No such file or directory"),
        ("model_config_list { config {", "INVALID_ARGUMENT: Invalid protobuf file: '{file}'"),
    ],
    ids=["missing", "malformed"],
)
def test_start_without_a_usable_configuration_ends_with_1(tmp_path, config, told):
    """The process ends at once and says on stderr which file is wrong."""
    file = tmp_path / "models.config"
    if config is not None:
        file.write_text(config)
    ended = subprocess.run(
        [sys.executable, "-m", "serving", "--port=0", f"--model_config_file={file}"],
        capture_output=True,
        text=True,
        timeout=START_S,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert f"Failed to start server. Error: {told.format(file=file)}" in ended.stderr


def test_start_without_any_model_ends_with_1():
    """Neither a configuration nor a base path is an error that names both flags."""
    ended = subprocess.run(
        [sys.executable, "-m", "serving"], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert "Both --model_base_path and --model_config_file are empty!" in ended.stderr
