"""The model server under test: the one at MODEL_SERVER, or one of ours.

To try another server, let it listen on gRPC and REST, look for new versions every second, and read
models from a folder that this machine can write::

    mkdir /tmp/contract && : > /tmp/contract/models.config
    docker run -p 8500:8500 -p 8501:8501 -v /tmp/contract:/models tensorflow/serving \
        --model_config_file=/models/models.config
    MODEL_SERVER=localhost:8500 MODEL_SERVER_REST=localhost:8501 \
    MODEL_SERVER_MODELS=/tmp/contract MODEL_SERVER_MODELS_THERE=/models \
        python -m pytest tests/contract/test_model_server.py \
        tests/contract/test_model_server_rest.py tests/contract/test_model_server_fuzz.py

MODEL_SERVER_MODELS is the folder as this machine sees it, MODEL_SERVER_MODELS_THERE as the server
does (the same, if it is not given). The suite tells the server what to serve by
HandleReloadConfigRequest, so every model that it served before is unloaded.
"""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

RUNNING = re.compile(r"Running gRPC ModelServer at (127\.0\.0\.1:\d+) \.\.\.\n")
CALL_S = START_S = STOP_S = 60
SWITCH_S = 60
AVAILABLE, END = 30, 50
LARGE_MESSAGES = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


class Target:
    """Stubs that talk to one address; calls in the words of the tests."""

    def __init__(self, address: str, rest: str = "", channel: grpc.Channel | None = None) -> None:
        self.address = address
        self.rest = rest
        self.channel = channel or grpc.insecure_channel(address, options=LARGE_MESSAGES)
        self.predictions = prediction_service_pb2_grpc.PredictionServiceStub(self.channel)
        self.models = model_service_pb2_grpc.ModelServiceStub(self.channel)

    def predict(self, name: str, inputs: dict, timeout: float = CALL_S, **spec):
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
        return self.models.GetModelStatus(request, timeout=CALL_S).model_version_status

    def metadata(self, name: str, *fields: str, **spec):
        request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=fields)
        request.model_spec.name = name
        if "version" in spec:
            request.model_spec.version.value = spec["version"]
        return self.predictions.GetModelMetadata(request, timeout=CALL_S)

    def reload(self, config_text: str, timeout: float = SWITCH_S):
        request = model_management_pb2.ReloadConfigRequest()
        text_format.Parse(config_text, request.config)
        return self.models.HandleReloadConfigRequest(request, timeout=timeout)

    def has(self, name: str, version: int, state: int) -> bool:
        try:
            return self.statuses(name, version)[0].state == state
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.NOT_FOUND:
                raise
            return False


@dataclass(frozen=True)
class ModelsFolder:
    """Where models lie, as this machine and as the server sees it."""

    here: Path
    there: str

    def config(self, versions: Mapping[str, str]) -> str:
        """A ModelServerConfig of these models: name -> policy and labels in text format."""
        models = "".join(
            f'config {{ name: "{name}" base_path: "{self.there}/{name}" '
            f'model_platform: "tensorflow" {rest} }}\n'
            for name, rest in versions.items()
        )
        return f"model_config_list {{ {models} }}"


class RunningServer(Target):
    """A process of ours, and its log."""

    def __init__(self, *flags: str, log: Path, rest_port: int = 0) -> None:
        self.log = log
        with log.open("w") as stderr:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "serving", "--port=0"),
                    f"--rest_api_port={rest_port}",
                    *flags,
                ],
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        started = RUNNING.fullmatch(self.process.stdout.readline())
        assert started, log.read_text()
        super().__init__(started[1], f"127.0.0.1:{rest_port}")

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(STOP_S)

    def discard(self) -> None:
        self.channel.close()
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


@contextmanager
def model_server(*flags: str, log: Path, rest_port: int = 0) -> Iterator[RunningServer]:
    server = RunningServer(*flags, log=log, rest_port=rest_port)
    try:
        yield server
    finally:
        server.discard()


def free_port() -> int:
    """A port that was free a moment ago: the REST API has no way to ask for any."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


def wait_for(condition: Callable[[], bool], log: Path | None = None) -> None:
    """Asks the server again and again, until `condition` holds."""
    deadline = time.monotonic() + SWITCH_S
    while not condition():
        assert time.monotonic() < deadline, log.read_text() if log else "it never came"


@contextmanager
def fails(code: grpc.StatusCode, details: str):
    """The call in this block ends with this status and, in full, these details."""
    with pytest.raises(grpc.RpcError) as caught:
        yield
    assert (caught.value.code(), caught.value.details()) == (code, details)
