"""`python -m serving` as a process: files, signals, and ways not to start."""

import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2

from serving.contract import model_config_text
from tests.contract.model_server_target import (
    AVAILABLE,
    END,
    START_S,
    fails,
    model_server,
    wait_for,
)
from tests.unit.serving import saved_models

LONG_COUNT = 200_000  # steps: most of a second
HALF_OF_4 = 0.5 * 4 + 2


@pytest.fixture(scope="module")
def models_dir(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    saved_models.export_affine(root / "half" / "1")
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
    pinned = {"half": (1,), "count": (1,), "corrupt": (1,)}
    new = file.with_suffix(".new")
    new.write_text(model_config_text(str(file.parent), {**pinned, "empty": (1,)} | versions))
    new.replace(file)


@pytest.fixture(scope="module")
def server(config_file):
    with model_server(
        f"--model_config_file={config_file}",
        "--model_config_file_poll_wait_seconds=1",
        "--max_num_load_retries=0",
        log=config_file.with_suffix(".log"),
    ) as running:
        yield running


def test_status_reports_states_and_load_errors(server):
    """A corrupt version is END with its reason; what does not exist is NOT_FOUND."""
    (half,) = server.statuses("half", 1)
    assert (half.version, half.state, half.status.error_code) == (1, AVAILABLE, 0)
    (corrupt,) = server.statuses("corrupt")
    assert corrupt.state == END
    assert corrupt.status.error_code != 0
    assert "Cannot parse file" in corrupt.status.error_message
    assert "{name: corrupt version: 1} failed" in server.log.read_text()
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
        told = f"127.0.0.1:{port}: the address is already in use, --port chooses another port\n"
        assert told in second.stderr
        # Found out before a model was loaded for nothing.
        assert "Loading servable" not in second.stderr
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
        (
            None,
            (
                "NOT_FOUND: {file}; No such file or directory\n"
                "`python -m trainer train --publish` writes serving/models/models.config"
            ),
        ),
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
    assert (
        "Both server_options.model_base_path and server_options.model_config_file are empty!"
        in ended.stderr
    )


def test_start_with_flags_that_cannot_be_ends_with_1(tmp_path):
    """The reason is on stderr; a flag that has no effect here was warned of by its name."""
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "serving", "--port=0", "--num_load_threads=2"),
            *(f"--model_base_path={tmp_path}", "--batching_parameters_file=/nowhere"),
        ],
        capture_output=True,
        text=True,
        timeout=START_S,
        check=False,
    )
    assert ended.returncode == 1
    assert (
        "Failed to start server. Error: INVALID_ARGUMENT: server_options.batching_parameters_file "
        "is set without setting server_options.enable_batching to true."
    ) in ended.stderr
    assert "--num_load_threads is a flag of tensorflow_model_server that has no" in ended.stderr


def test_version_is_printed_without_tensorflow():
    """--version names both versions in the real server's two lines, and ends with 0."""
    ended = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "serving", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    server_line, library_line = ended.stdout.splitlines()
    assert server_line.startswith("TensorFlow ModelServer: ")
    assert library_line == f"TensorFlow Library: {tf.__version__}"
    assert "tensorflow.python" not in ended.stderr
