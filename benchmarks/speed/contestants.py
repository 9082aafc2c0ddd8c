"""Who takes part: the floor, ours in both ways, and the peers, each on the server's core."""

from __future__ import annotations

import re
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.load.http1 import get, post_json
from benchmarks.load.plan import encoded
from benchmarks.speed.floor_server import UVLOOP, VARIANTS
from benchmarks.speed.method import RECOMMEND_USER
from benchmarks.speed.peer_environments import PEERS, environment
from benchmarks.speed.servers import serving
from protos.recommender.v1 import recommender_pb2 as pb

ENGINE: Final = "engine"
HOP: Final = "hop"
FLOOR_PINS: Final = PEERS / "floor_uvloop.txt"
FLOORS: Final = tuple(f"floor_{variant}" for variant in VARIANTS)
BENTOML: Final = "bentoml"
FASTAPI_TF: Final = "fastapi_tf"
FASTAPI_NUMPY: Final = "fastapi_numpy"
PEER_NAMES: Final = (BENTOML, FASTAPI_TF, FASTAPI_NUMPY)

_GATEWAY: Final = re.compile(r"recserve gateway listening on (\S+)")
_MODEL_SERVER: Final = re.compile(r"Running gRPC ModelServer at (\S+:\d+)")
_FLOOR: Final = re.compile(r"listening on (\S+)")
_UVICORN: Final = re.compile(r"Uvicorn running on http://(\S+)")
_BENTOML: Final = re.compile(r"Service \w+ initialized")


@dataclass(frozen=True)
class Running:
    """A contestant that takes calls."""

    name: str
    target: str
    pids: tuple[int, ...]
    """Roots of its process trees."""
    bodies: Sequence[str]
    grpc_method: str = ""
    """"" = HTTP/1.1."""


def requests_of(
    users: Sequence[str], excluded: Sequence[Sequence[str]] | None = None
) -> tuple[bytes, ...]:
    """A RecommendUser with default settings for each user, with these movies excluded."""
    return tuple(
        pb.RecommendUserRequest(user_id=user, exclude_movie_ids=ids).SerializeToString()
        for user, ids in zip(users, excluded or [()] * len(users), strict=True)
    )


@contextmanager
def floor(name: str, reply: Path, bodies: Sequence[bytes]) -> Iterator[Running]:
    """A constant-reply server, of FLOORS."""
    variant = name.removeprefix("floor_")
    # uvloop is nobody's dependency but this floor's.
    python = environment(FLOOR_PINS) / "python" if variant == UVLOOP else sys.executable
    command = [str(python), "-m", "benchmarks.speed.floor_server", f"--variant={variant}"]
    command += [f"--method={RECOMMEND_USER}", f"--reply={reply}"]
    with serving(command, _FLOOR) as (pid, ready):
        yield Running(name, ready[1], (pid,), encoded(bodies), RECOMMEND_USER)


@contextmanager
def hop(models: Path, scratch: Path, bodies: Sequence[bytes]) -> Iterator[Running]:
    """The gateway and our model server on one core."""
    model_server = [sys.executable, "-m", "serving", "--port=0"]
    model_server += [f"--model_config_file={models / 'models.config'}"]
    model_server += ["--model_config_file_poll_wait_seconds=1"]
    model_server += ["--allow_version_labels_for_unavailable_models=true"]
    model_server += ["--enable_serialization_as_tensor_content"]
    with serving(model_server, _MODEL_SERVER) as (model_server_pid, ready):
        flags = [f"--model-server={ready[1]}"]
        with _gateway(HOP, models, scratch, bodies, flags) as gateway:
            pids = (*gateway.pids, model_server_pid)
            yield Running(HOP, gateway.target, pids, gateway.bodies, RECOMMEND_USER)


@contextmanager
def engine(models: Path, scratch: Path, bodies: Sequence[bytes]) -> Iterator[Running]:
    """The gateway alone, which answers from arrays in its process."""
    with _gateway(ENGINE, models, scratch, bodies, ["--engine=local"]) as gateway:
        yield gateway


@contextmanager
def _gateway(
    name: str, models: Path, scratch: Path, bodies: Sequence[bytes], flags: Sequence[str]
) -> Iterator[Running]:
    command = [sys.executable, "-m", "server", "--port=0", f"--models-dir={models}"]
    # Without a line for each call, as the peers run without their access logs.
    command += [f"--store-path={scratch / name}.sqlite3", "--log-level=WARNING", *flags]
    with serving(command, _GATEWAY) as (pid, ready):
        yield Running(name, ready[1], (pid,), encoded(bodies), RECOMMEND_USER)


@contextmanager
def peer(name: str, models: Path, scratch: Path, users: Sequence[str]) -> Iterator[Running]:
    """One of PEER_NAMES."""
    env = {"MODELS_DIR": str(models), "PYTHONPATH": str(PEERS)}
    if name == BENTOML:
        port = _free_port()
        host = f"127.0.0.1:{port}"
        command = [str(environment(PEERS / "bentoml.txt") / "bentoml"), "serve"]
        command += ["bentoml_service:Service", "--host=127.0.0.1", f"--port={port}"]
        env |= {"BENTOML_HOME": str(scratch / "bentoml"), "BENTOML_DO_NOT_TRACK": "True"}
        with serving(command, _BENTOML, cwd=PEERS, env=env) as (pid, _):
            bodies = [post_json("/recommend", host, f'{{"user_ids": ["{u}"]}}') for u in users]
            yield Running(name, host, (pid,), encoded(bodies))
        return
    pins = {FASTAPI_TF: "fastapi_tensorflow", FASTAPI_NUMPY: "fastapi_numpy"}[name]
    python = environment(PEERS / f"{pins}.txt") / "python"
    command = [str(python), "-m", "uvicorn", f"{pins}:app", "--port=0"]
    command += ["--loop=uvloop", "--http=httptools", "--no-access-log", "--workers=1"]
    with serving(command, _UVICORN, cwd=PEERS, env=env) as (pid, ready):
        bodies = [get(f"/recommend/{user}", ready[1]) for user in users]
        yield Running(name, ready[1], (pid,), encoded(bodies))


def _free_port() -> int:
    """A port that nobody listens on now: BentoML does not take 0."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
