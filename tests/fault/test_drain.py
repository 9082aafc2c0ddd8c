"""SIGTERM drains: what is running is answered, what is new is not taken, then the process ends."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from protos.recommender.v1 import recommender_pb2 as pb
from protos.recommender.v1.recommender_pb2_grpc import RecommenderServiceStub
from tests.fake_model_server import FakeModelServer
from tests.fault.waiting import eventually


def test_a_running_call_is_answered_after_sigterm(
    models_dir: Path, tmp_path: Path, model_server: FakeModelServer
) -> None:
    """The call that waits for the models when SIGTERM comes gets their answer; exit 0."""
    entered, leave = threading.Event(), threading.Event()
    recommend = model_server.functions["recommend", "serving_default"]

    def held(inputs, version):  # type: ignore[no-untyped-def]
        entered.set()
        assert leave.wait(60)
        return recommend(inputs, version)

    model_server.functions["recommend", "serving_default"] = held
    command = [sys.executable, "-m", "server", "--port=0", f"--models-dir={models_dir}"]
    command += [f"--store-path={tmp_path / 's'}", f"--model-server={model_server.target}"]
    command += ["--predict-timeout-s=60", "--default-deadline-s=60", "--shutdown-grace-s=60"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"listening on (\S+)", process.stdout.readline())
            assert found
            with grpc.insecure_channel(found[1]) as channel:
                stub = RecommenderServiceStub(channel)
                running = stub.RecommendUser.future(
                    pb.RecommendUserRequest(user_id="hot", page_size=2), timeout=60
                )
                assert entered.wait(60)
                process.send_signal(signal.SIGTERM)

                eventually(lambda: not takes_calls(found[1]))
                assert not running.done()
                leave.set()
                answer = running.result(timeout=60)
            assert process.wait(60) == 0
        finally:
            leave.set()
            process.kill()

    assert [e.movie.movie_id for e in answer.recommendations] == ["m12", "m11"]
    assert not answer.answer.degraded


def takes_calls(target: str) -> bool:
    """Whether a new connection is served."""
    with grpc.insecure_channel(target) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        try:
            answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=10)
        except grpc.RpcError:
            return False
    return answer.status == health_pb2.HealthCheckResponse.SERVING
