"""What the flags of the model server do, each on a server inside this process."""

import json
import queue
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
import numpy as np
import pytest
import tensorflow as tf
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from serving.errors import ServingError
from serving.flags import parse_flags
from serving.model_config import single_model
from serving.model_server import ModelServer
from tests.contract.certificates import self_signed
from tests.contract.model_server_target import (
    AVAILABLE,
    CALL_S,
    END,
    Target,
    fails,
    free_port,
    wait_for,
)
from tests.unit.serving import saved_models

LOADING = 20
X = {"x": np.float32([4])}


@contextmanager
def embedded(base: Path | None, *flags: str):
    """A server of the model "m" in `base`, or of none yet, and a target that talks to it."""
    parsed = parse_flags(["--port=0", *flags])
    signals = queue.SimpleQueue()
    server = ModelServer(parsed, single_model("m", str(base)) if base else None, signals)
    try:
        address = server.start()[0]
        following = threading.Thread(target=server.follow_files)
        following.start()
        target = Target(address, f"127.0.0.1:{parsed.rest_api_port}")
        try:
            yield target
        finally:
            target.channel.close()
            signals.put(15)
            following.join()
    finally:
        server.stop()


@pytest.fixture
def half(tmp_path):
    base = tmp_path / "half"
    saved_models.export_affine(base / "1")
    return base


def write_warmup(folder: Path, *requests: predict_pb2.PredictRequest) -> None:
    extra = folder / "assets.extra"
    extra.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(extra / "tf_serving_warmup_requests")) as writer:
        for request in requests:
            log = prediction_log_pb2.PredictionLog()
            log.predict_log.request.CopyFrom(request)
            writer.write(log.SerializeToString())


def request_of(**inputs) -> predict_pb2.PredictRequest:
    request = predict_pb2.PredictRequest()
    for alias, value in inputs.items():
        request.inputs[alias].CopyFrom(tf.make_tensor_proto(value))
    return request


def test_failing_warmup_record_fails_the_load(half):
    """The version never answers and says why; without warm-up it is served."""
    write_warmup(half / "1", request_of(x=np.float32([1])), request_of(nobody=[1]))
    with embedded(half, "--max_num_load_retries=0") as server:
        (status,) = server.statuses("m")
        assert status.state == END
        assert status.status.error_message.startswith("Signature input alias: x(feed name: ")
    with embedded(half, "--enable_model_warmup=false") as server:
        assert server.has("m", 1, AVAILABLE)


def test_failed_load_is_retried_by_the_flags(half):
    """With retries left a failed version stays LOADING; its interval may be negative."""
    (half / "1" / "saved_model.pb").write_bytes(b"garbage")
    with embedded(half) as server:
        assert server.has("m", 1, LOADING)
    with embedded(half, "--max_num_load_retries=2", "--load_retry_interval_micros=-1") as server:
        wait_for(lambda: server.has("m", 1, END))


def test_file_system_is_polled_once_with_0(half):
    """The versions at the start are served; a later one is found by a reload of the models."""
    with embedded(half, "--file_system_poll_wait_seconds=0") as server:
        saved_models.export_affine(half / "2")
        config = (
            f'model_config_list {{ config {{ name: "m" base_path: "{half}" '
            'model_platform: "tensorflow" model_version_policy { all { } } } }'
        )
        assert {status.version for status in server.statuses("m")} == {1}
        server.reload(config)
        assert {status.version for status in server.statuses("m")} == {1, 2}


def test_file_system_is_not_polled_with_a_negative_value(half):
    """Nothing is found at all."""
    with (
        embedded(half, "--file_system_poll_wait_seconds=-1") as server,
        fails(grpc.StatusCode.NOT_FOUND, "Could not find any versions of model m"),
    ):
        server.statuses("m")


def test_reload_tells_of_a_model_that_does_not_load(half, tmp_path):
    """The caller learns which version failed and why."""
    (tmp_path / "broken" / "1").mkdir(parents=True)
    with embedded(half, "--max_num_load_retries=0") as server:
        with pytest.raises(grpc.RpcError) as caught:
            server.reload(
                f'model_config_list {{ config {{ name: "broken" base_path: "{tmp_path}/broken" '
                'model_platform: "tensorflow" } }'
            )
        assert caught.value.code() is grpc.StatusCode.UNKNOWN
        assert (
            "1 model(s) did not become available: {{{name: broken version: 1} due to error: "
            in (caught.value.details())
        )


def test_socket_is_listened_on(half, tmp_path):
    """Calls over the UNIX socket are answered; without a port it is the only address."""
    path = tmp_path / "s"
    with (
        embedded(half, f"--grpc_socket_path={path}"),
        grpc.insecure_channel(f"unix:{path}") as channel,
    ):
        answer = Target("", channel=channel).predict("m", X)
        assert answer.outputs["y"].float_val[0] == 4.0


def test_health_service_is_there_when_asked_for(half, tmp_path):
    """The real server's three names are SERVING, other names unknown; off by default."""
    check = health_pb2.HealthCheckRequest
    with embedded(half, "--enable_grpc_healthcheck_service") as server:
        stub = health_pb2_grpc.HealthStub(server.channel)
        for name in ("", "ModelService", "PredictionService"):
            answer = stub.Check(check(service=name), timeout=CALL_S)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        with pytest.raises(grpc.RpcError) as caught:
            stub.Check(check(service="tensorflow.serving.PredictionService"), timeout=CALL_S)
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    with embedded(half) as server, pytest.raises(grpc.RpcError) as caught:
        health_pb2_grpc.HealthStub(server.channel).Check(check(), timeout=CALL_S)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_tls_is_what_the_file_says(half, tmp_path):
    """Callers with a certificate are answered; those without one, or in the clear, are not."""
    key, certificate = self_signed()
    file = tmp_path / "ssl.config"
    file.write_text(
        f"server_key: {json.dumps(key)} server_cert: {json.dumps(certificate)} "
        f"custom_ca: {json.dumps(certificate)} client_verify: true"
    )
    with embedded(half, f"--ssl_config_file={file}") as server:
        pem = certificate.encode()
        credentials = grpc.ssl_channel_credentials(pem, key.encode(), pem)
        port = server.address.rpartition(":")[2]
        with grpc.secure_channel(f"localhost:{port}", credentials) as channel:
            assert Target("", channel=channel).predict("m", X).model_spec.version.value == 1
        with (
            grpc.secure_channel(f"localhost:{port}", grpc.ssl_channel_credentials(pem)) as channel,
            pytest.raises(grpc.RpcError) as caught,
        ):
            Target("", channel=channel).predict("m", X)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        with pytest.raises(grpc.RpcError):
            server.predict("m", X)
    file.write_text("client_verify: true")
    with (
        pytest.raises(ServingError, match="client_verify needs custom_ca"),
        embedded(half, f"--ssl_config_file={file}"),
    ):
        pass


def test_channel_arguments_reach_the_server(half):
    """A limit on messages that is given by flag is obeyed."""
    with embedded(half, "--grpc_channel_arguments=grpc.max_receive_message_length=100") as server:
        assert server.predict("m", X).model_spec.version.value == 1
        with pytest.raises(grpc.RpcError) as caught:
            server.predict("m", {"x": np.zeros(1000, np.float32)})
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_tensor_content_when_asked_for(half):
    """Numbers go out as raw bytes with the flag."""
    with embedded(half, "--enable_serialization_as_tensor_content") as server:
        y = server.predict("m", {"x": np.float32([4, 0])}).outputs["y"]
        assert (y.tensor_content, list(y.float_val)) == (np.float32([4, 2]).tobytes(), [])
        assert tf.make_ndarray(y).tolist() == [4.0, 2.0]


def test_label_for_a_version_that_is_not_there_yet(half):
    """With the flag a new label may name it."""
    config = (
        f'model_config_list {{ config {{ name: "m" base_path: "{half}" '
        'model_platform: "tensorflow" version_labels { key: "next" value: 2 } } }'
    )
    with embedded(half, "--allow_version_labels_for_unavailable_models") as server:
        server.reload(config)
        with fails(grpc.StatusCode.NOT_FOUND, "Servable not found for request: Specific(m, 2)"):
            server.predict("m", X, label="next")


def test_labels_before_the_first_configuration(half):
    """Until there is one, as after a start with an empty file, a label may be tried again."""
    with embedded(None) as server:
        with fails(grpc.StatusCode.UNAVAILABLE, "Model labels does not init yet.next"):
            server.predict("m", X, label="next")
        server.reload(
            f'model_config_list {{ config {{ name: "m" base_path: "{half}" '
            'model_platform: "tensorflow" } }'
        )
        with fails(grpc.StatusCode.INVALID_ARGUMENT, "Unrecognized servable version label: next"):
            server.predict("m", X, label="next")


def write_batching(folder: Path, text: str) -> list[str]:
    file = folder / "batching.config"
    file.write_text(text)
    return ["--enable_batching", f"--batching_parameters_file={file}"]


def test_batch_is_full_when_all_calls_are_in(half, tmp_path):
    """Four calls meet in one batch of four, although the time-out is far away."""
    flags = write_batching(
        tmp_path,
        "max_batch_size { value: 4 } batch_timeout_micros { value: 60000000 } "
        "num_batch_threads { value: 1 } max_enqueued_batches { value: 2 }",
    )
    with embedded(half, *flags) as server, ThreadPoolExecutor(4) as callers:
        answers = callers.map(lambda x: server.predict("m", {"x": np.float32([x])}), range(4))
        assert [answer.outputs["y"].float_val[0] for answer in answers] == [2.0, 2.5, 3.0, 3.5]
        with fails(
            grpc.StatusCode.INVALID_ARGUMENT,
            "Task size 5 is larger than maximum input batch size 4",
        ):
            server.predict("m", {"x": np.zeros(5, np.float32)})


def test_batching_refuses_what_has_no_batch(tmp_path):
    """As in the real server, an output without a row for each row cannot be divided."""
    base = tmp_path / "total"
    saved_models.export_total(base / "1")
    with embedded(base, "--enable_batching") as server:
        with fails(grpc.StatusCode.FAILED_PRECONDITION, "Batched output tensor has 0 dimensions"):
            server.predict("m", {"x": np.float32([[1]])})
        with fails(
            grpc.StatusCode.FAILED_PRECONDITION,
            "Batched output tensor's 0th dimension does not equal the sum of the 0th dimension "
            "sizes of the input tensors",
        ):
            server.predict("m", {"x": np.zeros((2, 3), np.float32)}, signature="transposed")
        with fails(
            grpc.StatusCode.INVALID_ARGUMENT,
            "Batching Run() input tensors must have at least one dimension",
        ):
            server.predict("m", {"x": np.float32(1)})


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--monitoring_config_file=/nowhere"], "NOT_FOUND: /nowhere; No such file or directory"),
        (["--ssl_config_file=/nowhere"], "NOT_FOUND: /nowhere; No such file or directory"),
        (["--enable_batching", "--batching_parameters_file=/nowhere"], "NOT_FOUND: /nowhere; "),
        (["--grpc_channel_arguments=grpc.a"], "INVALID_ARGUMENT: --grpc_channel_arguments: "),
        (
            [f"--tensorflow_{kind}_parallelism=1" for kind in ("session", "intra_op", "inter_op")],
            "INVALID_ARGUMENT: Either configure server_options.tensorflow_session_parallelism",
        ),
    ],
)
def test_flags_that_cannot_be_refuse_the_start(half, flags, told):
    """The reason names the file or the flag."""
    with pytest.raises(ServingError) as caught, embedded(half, *flags):
        pass
    assert str(caught.value).startswith(told)


def test_taken_rest_port_refuses_the_start(half):
    """Unlike the real server, which goes on without REST, this one says so and ends."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        with (
            pytest.raises(
                ServingError,
                match=f"cannot listen on 127.0.0.1:{port}: .*in use, --rest_api_port chooses",
            ),
            embedded(half, f"--rest_api_port={port}"),
        ):
            pass


def test_a_port_may_be_shared_when_asked_for(half):
    """With SO_REUSEPORT a second server starts on the port of the first."""
    shared = "--grpc_channel_arguments=grpc.so_reuseport=1"
    with embedded(half, shared) as first:
        port = first.address.rpartition(":")[2]
        with embedded(half, shared, f"--port={port}") as second:
            assert second.address == first.address
            assert second.has("m", 1, AVAILABLE)


def test_100_megabytes_are_answered(half):
    """A tensor of 25 million floats comes back whole, and the server goes on."""
    x = np.zeros(25_000_000, np.float32)
    x[-1] = 4
    with embedded(half, "--enable_serialization_as_tensor_content") as server:
        y = server.predict("m", {"x": x}).outputs["y"]
        assert np.frombuffer(y.tensor_content, np.float32)[[0, -1]].tolist() == [2.0, 4.0]
        assert server.predict("m", X).model_spec.version.value == 1


def test_parallelism_flags_are_taken(half):
    """A server with one thread for each answers."""
    flags = [f"--tensorflow_{kind}_op_parallelism=1" for kind in ("intra", "inter")]
    with embedded(half, *flags, f"--rest_api_port={free_port()}") as server:
        assert server.predict("m", X).outputs["y"].float_val[0] == 4.0
