"""The gateway as a process: settings, exit codes, signals, and what it costs."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest

from protos.recommender.v1 import recommender_pb2 as pb
from protos.recommender.v1.recommender_pb2_grpc import RecommenderServiceStub
from server.app import Gateway
from server.releases import how_to_publish
from server.settings import Settings

COMMAND = (sys.executable, "-m", "server")


def ended(*flags: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *flags],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **environment},
    )


@contextmanager
def started(*flags: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A running gateway and its address; killed at the end if it still runs."""
    with subprocess.Popen(
        [*COMMAND, *flags], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            match = re.fullmatch(r"recserve gateway listening on (127\.0\.0\.1:\d+)\n", line)
            assert match, (line, process.stderr.read() if process.stderr else "")
            yield process, match[1]
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_process_cleanly(
    tmp_path: Path, models_dir: Path, number: signal.Signals
) -> None:
    """The process prints its address when it answers, and exits 0 on SIGTERM and SIGINT."""
    flags = (f"--models-dir={models_dir}", f"--store-path={tmp_path / 's'}", "--port=0")
    with started(*flags, "--model-server=127.0.0.1:1") as (process, address):
        with grpc.insecure_channel(address) as channel:
            stub = RecommenderServiceStub(channel)
            answer = stub.GetMovie(pb.GetMovieRequest(movie_id="m1"), timeout=10).answer
        process.send_signal(number)
        _, logs = process.communicate(timeout=30)

    assert answer.release_version == 1
    assert process.returncode == 0
    events = [json.loads(line) for line in logs.splitlines()]
    assert [e["event"] for e in events] == ["starting", "release activated", "rpc", "stopping"]
    assert events[2]["method"] == "GetMovie"


def test_impatient_signals_end_the_process_as_cleanly(tmp_path: Path, models_dir: Path) -> None:
    """Ctrl-C again and again changes nothing: one end, exit 0, no traceback."""
    flags = (f"--models-dir={models_dir}", f"--store-path={tmp_path / 's'}", "--port=0")
    with started(*flags, "--model-server=127.0.0.1:1") as (process, _):
        for _ in range(3):
            process.send_signal(signal.SIGINT)
            process.send_signal(signal.SIGTERM)
        _, logs = process.communicate(timeout=30)

    assert process.returncode == 0
    assert [json.loads(line)["event"] for line in logs.splitlines()].count("stopping") == 1


def test_an_ipv6_address_is_bracketed() -> None:
    """What is printed is a target that a client can use, for --host ::1 as well."""
    assert Gateway("::1", 50051).target == "[::1]:50051"
    assert Gateway("localhost", 50051).target == "localhost:50051"


def test_an_empty_models_folder_is_told_in_the_log(tmp_path: Path) -> None:
    """Without a release the process stays up; log and callers are told how to make one there."""
    models_dir = tmp_path / "my models"
    flags = (f"--models-dir={models_dir}", f"--store-path={tmp_path / 's'}", "--port=0")
    with started(*flags) as (process, address):
        with grpc.insecure_channel(address) as channel, pytest.raises(grpc.RpcError) as caught:
            RecommenderServiceStub(channel).GetMovie(pb.GetMovieRequest(movie_id="m"), timeout=10)
        process.terminate()
        _, logs = process.communicate(timeout=30)

    (event,) = [e for e in map(json.loads, logs.splitlines()) if e["level"] == "WARNING"]
    assert "python -m trainer train --publish" in event["event"]
    assert "nothing is published" in event["why"]
    assert caught.value.details().endswith(
        f"make one with: python -m trainer train --publish --models-dir '{models_dir}'"
    )


def test_the_usual_models_folder_needs_no_flag() -> None:
    """The trainer publishes into the gateway's own default."""
    command = "make one with: python -m trainer train --publish"
    assert how_to_publish(Settings().models_dir) == command


def test_a_port_in_use_is_a_clear_error(tmp_path: Path) -> None:
    """A second gateway on one port exits 1 with one sentence that names the address."""
    with started("--port=0", f"--models-dir={tmp_path}", f"--store-path={tmp_path / 's'}") as (
        _,
        address,
    ):
        port = address.split(":")[1]
        result = ended(f"--port={port}", f"--store-path={tmp_path / 'other'}")

    assert result.returncode == 1
    assert (
        f"cannot listen on {address}: the address is already in use, --port chooses another port\n"
        in result.stderr
    )
    assert "Traceback" not in result.stderr


def test_a_metrics_port_in_use_is_a_clear_error(tmp_path: Path) -> None:
    """One sentence names the address and the flag that chooses another."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        result = ended("--port=0", f"--metrics-port={port}", f"--store-path={tmp_path / 's'}")

    assert result.returncode == 1
    told = f"127.0.0.1:{port}: the address is already in use, --metrics-port chooses another port"
    assert told in result.stderr


def test_an_address_of_another_machine_is_a_clear_error(tmp_path: Path) -> None:
    """What the system says is told, not gRPC's hint at its debug log."""
    result = ended("--host=192.0.2.1", "--port=0", f"--store-path={tmp_path / 's'}")

    assert result.returncode == 1
    assert "cannot listen on 192.0.2.1:0: Cannot assign requested address\n" in result.stderr


def test_what_is_no_host_is_a_clear_error(tmp_path: Path) -> None:
    """A name with an empty part, as a slip of the finger makes it."""
    result = ended("--host=a..b", "--port=0", f"--store-path={tmp_path / 's'}")

    assert result.returncode == 1
    assert "cannot listen on a..b:0" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_store_that_cannot_be_opened_is_a_clear_error(tmp_path: Path) -> None:
    """Exit 1 and one sentence that names the file."""
    result = ended("--port=0", f"--store-path={tmp_path}")

    assert result.returncode == 1
    assert f"the feature store {tmp_path} cannot be opened" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("flags", "environment", "named"),
    [
        (["--prot=1"], {}, "--prot"),
        (["--port=-1"], {}, "--port"),
        (["--workers=many"], {}, "--workers"),
        ([], {"REC_SERVER_POLL_INTERVAL_S": "0"}, "server: REC_SERVER_POLL_INTERVAL_S: "),
        (["--port=-1"], {"REC_SERVER_PORT": "many"}, "server: --port: "),
        (["export-events"], {"REC_SERVER_REDIS_CLUSTER": "x"}, "server: REC_SERVER_REDIS_CLUSTER"),
    ],
)
def test_a_wrong_setting_is_a_clear_error(
    flags: list[str], environment: dict[str, str], named: str
) -> None:
    """Exit 2 and a message that names the setting, wherever it came from."""
    result = ended(*flags, **environment)

    assert result.returncode == 2
    assert named in result.stderr
    assert "Traceback" not in result.stderr


def test_help_lists_every_setting_with_its_description() -> None:
    """--help names each flag and says what it is for."""
    text = " ".join(ended("--help").stdout.split())

    for name, field in Settings.model_fields.items():
        assert f"--{name.replace('_', '-')}" in text
        assert field.description
        assert " ".join(field.description.split()[:4]) in text


def test_environment_sets_and_flags_win(monkeypatch: pytest.MonkeyPatch) -> None:
    """REC_SERVER_* sets a field; nothing changes it afterwards."""
    monkeypatch.setenv("REC_SERVER_PORT", "1234")

    assert Settings().port == 1234
    assert Settings(port=1).port == 1
    with pytest.raises(ValueError, match="frozen"):
        Settings().port = 5  # type: ignore[misc] # that it cannot be set is the point
