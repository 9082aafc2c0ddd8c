"""The embedded stack: children are watched, told apart, and never outlive the demonstration."""

import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from rich.console import Console

from client import RecommenderClient, UnavailableError
from client.demo.child import Child
from client.demo.failures import DemoError
from client.demo.phases import Phases
from client.demo.prepare import run_trainer
from client.demo.stack import StackCommands, run_stack, wait_until_complete
from protos.recommender.v1 import recommender_pb2 as pb

READY = re.compile("ready (.*)")
DEADLINE_S = 60.0

MODEL_SERVER = """
import os, pathlib, signal, sys
pathlib.Path(sys.argv[1]).write_text(str(os.getpid()))
print("Running gRPC ModelServer at 127.0.0.1:8500 ...")
signal.pause()
"""

# A gateway whose parts become available at the second question.
GATEWAY = """
import os, pathlib, signal, sys
from concurrent import futures
import grpc
from protos.recommender.v1 import recommender_pb2 as pb, recommender_pb2_grpc

class Service(recommender_pb2_grpc.RecommenderServiceServicer):
    asked = 0
    def GetServingStatus(self, request, context):
        self.asked += 1
        state = "AVAILABLE" if self.asked > 1 else sys.argv[2]
        return pb.GetServingStatusResponse(
            releases={"stable": 1, "active": 1},
            parts=[{"name": "ranking", "state": state, "required": True}],
            store_state=f"asked {self.asked} by {sys.argv[3]}",
        )

pathlib.Path(sys.argv[1]).write_text(str(os.getpid()))
server = grpc.server(futures.ThreadPoolExecutor(2))
recommender_pb2_grpc.add_RecommenderServiceServicer_to_server(Service(), server)
port = server.add_insecure_port("127.0.0.1:0")
server.start()
print(f"recserve gateway listening on 127.0.0.1:{port}", flush=True)
signal.pause()
"""

DYING = """
import sys
print("starting")
for line in range(40):
    print(f"line {line}", file=sys.stderr)
print("no model folder", file=sys.stderr)
sys.exit(7)
"""


@pytest.fixture
def commands(tmp_path: Path) -> StackCommands:
    """A stack of stand-ins that write their process ids beside them."""
    return StackCommands(
        model_server=("-c", MODEL_SERVER, str(tmp_path / "model_server.pid")),
        gateway=("-c", GATEWAY, str(tmp_path / "gateway.pid"), "LOADING", "{address}"),
    )


@pytest.fixture
def phases() -> Phases:
    return Phases(Console(quiet=True))


def process_id(folder: Path, name: str) -> int:
    return int((folder / f"{name}.pid").read_text())


def is_gone(pid: int) -> bool:
    """Whether no process, or only one that nobody has buried yet, has this id."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def wait_for_the_end(pid: int) -> None:
    """Returns when the process has ended, which the kernel tells."""
    try:
        watched = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([watched], [], [], DEADLINE_S)[0], f"process {pid} is still there"
    finally:
        os.close(watched)


def test_the_stack_is_up_inside_the_block_and_gone_after_it(
    commands: StackCommands, phases: Phases, tmp_path: Path
) -> None:
    """The address answers once the parts are AVAILABLE; the gateway knows the model server's."""
    with run_stack(commands, phases) as target:
        with RecommenderClient(target, timeout=DEADLINE_S) as client:
            status = client.get_serving_status()
        pids = [process_id(tmp_path, name) for name in ("model_server", "gateway")]
        assert not any(map(is_gone, pids))
    assert status.ready
    # LOADING to the first question, AVAILABLE to the second; this was the third.
    assert status.store_state == "asked 3 by 127.0.0.1:8500"
    assert all(map(is_gone, pids))


def test_an_error_inside_the_block_stops_the_stack(
    commands: StackCommands, phases: Phases, tmp_path: Path
) -> None:
    """An exception passes through and leaves no process behind."""
    with pytest.raises(ZeroDivisionError), run_stack(commands, phases):
        raise ZeroDivisionError
    assert is_gone(process_id(tmp_path, "model_server"))
    assert is_gone(process_id(tmp_path, "gateway"))


def test_a_model_server_that_dies_is_quoted(commands: StackCommands, phases: Phases) -> None:
    """The error has its exit status and its last 15 lines of stderr."""
    broken = StackCommands(("-c", DYING), commands.gateway)
    with pytest.raises(DemoError) as raised, run_stack(broken, phases):
        pass
    first, *lines = str(raised.value).splitlines()
    assert first == "the model server stopped with exit status 7; its last words:"
    assert [line.strip() for line in lines] == [
        *(f"line {n}" for n in range(26, 40)),
        "no model folder",
    ]


def test_a_gateway_that_dies_takes_the_model_server_with_it(
    commands: StackCommands, phases: Phases, tmp_path: Path
) -> None:
    """When the second process fails to start, the first one is stopped."""
    broken = StackCommands(commands.model_server, ("-c", DYING))
    up = run_stack(broken, phases)
    with pytest.raises(DemoError, match="the gateway stopped with exit status 7"), up:
        pass
    assert is_gone(process_id(tmp_path, "model_server"))


def test_a_process_that_is_never_ready_is_given_up(phases: Phases, tmp_path: Path) -> None:
    """A child that says something else until the deadline is stopped."""
    silent = MODEL_SERVER.replace("Running", "Waiting for")
    never = StackCommands(("-c", silent, str(tmp_path / "silent.pid")), ())
    up = run_stack(never, phases, deadline_s=1.0)
    with pytest.raises(DemoError, match="the model server is not ready in time"), up:
        pass
    # The slowest machine may not even have started it.
    assert not (tmp_path / "silent.pid").exists() or is_gone(process_id(tmp_path, "silent"))


@pytest.mark.parametrize(
    ("status", "described"),
    [
        (
            {
                "releases": {"active": 1},
                "parts": [{"name": "ranking", "state": "UNREACHABLE", "required": True}],
            },
            "ranking is UNREACHABLE",
        ),
        ({"releases": {"why_not_switched": "features/1 is corrupt"}}, "features/1 is corrupt"),
        ({}, "no release is active"),
    ],
)
def test_a_release_that_never_comes_is_described(
    target: str, service: Any, status: dict[str, Any], described: str
) -> None:
    """The error says which part is in which state, so that a person knows where to look."""
    service.answers["GetServingStatus"] = pb.GetServingStatusResponse(**status)
    with pytest.raises(DemoError, match=f"does not become available: {described}"):
        wait_until_complete(target, (), monotonic() + 0.5)


def test_a_call_that_fails_because_the_gateway_died_tells_of_its_death(
    commands: StackCommands, phases: Phases, tmp_path: Path
) -> None:
    """A killed gateway is named instead of the connection error that it caused."""

    def ask_after_its_death() -> None:
        with run_stack(commands, phases) as target, RecommenderClient(target) as client:
            pid = process_id(tmp_path, "gateway")
            os.kill(pid, signal.SIGKILL)
            wait_for_the_end(pid)
            client.get_serving_status(timeout=DEADLINE_S)

    with pytest.raises(DemoError, match="the gateway stopped with exit status -9"):
        ask_after_its_death()


def test_an_error_of_a_live_stack_passes_through(commands: StackCommands, phases: Phases) -> None:
    """While both processes live, a failed call is itself."""
    with pytest.raises(UnavailableError, match="mine"), run_stack(commands, phases):
        raise UnavailableError("mine")


def test_a_child_that_ignores_sigterm_is_killed() -> None:
    """After its grace a child is killed, and its own children with it."""
    stubborn = """
import signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
code = "import signal as s; s.signal(s.SIGTERM, s.SIG_IGN); print('x', flush=True); s.pause()"
grandchild = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
grandchild.stdout.readline()
print("ready", grandchild.pid, flush=True)
signal.pause()
"""
    with Child("stubborn child", ("-c", stubborn)) as child:
        grandchild = int(child.wait_for(READY, monotonic() + DEADLINE_S)[1])
        child.stop(grace_s=0.2)
    wait_for_the_end(grandchild)


DRIVER = """
import select
import sys
from pathlib import Path
from rich.console import Console
from client.demo.phases import Phases
from client.demo.signals import unwind_on_signals
from client.demo.stack import StackCommands, run_stack
model_server, gateway, folder = sys.argv[1:]
commands = StackCommands(
    ("-c", model_server, folder + "/model_server.pid"),
    ("-c", gateway, folder + "/gateway.pid", "LOADING", "{address}"),
)
with unwind_on_signals(), run_stack(commands, Phases(Console(quiet=True))):
    print("up", flush=True)
    # A signal just before a read that blocks would be noticed after it: never, that is.
    while not select.select([sys.stdin], [], [], 0.1)[0]:
        pass
"""


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds a stack of stand-ins, already up."""
    command = [sys.executable, "-c", DRIVER, MODEL_SERVER, GATEWAY, str(tmp_path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "up\n"
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_the_stack(
    driver: subprocess.Popen[str], tmp_path: Path, number: signal.Signals
) -> None:
    """Ctrl-C, SIGTERM and a lost terminal end both children and the status says which it was."""
    driver.send_signal(number)
    assert driver.wait(DEADLINE_S) == 128 + number
    assert is_gone(process_id(tmp_path, "model_server"))
    assert is_gone(process_id(tmp_path, "gateway"))


def test_children_of_a_killed_demonstration_end(
    driver: subprocess.Popen[str], tmp_path: Path
) -> None:
    """Kill -9 leaves nobody to stop the children; the kernel does."""
    driver.kill()
    driver.wait(DEADLINE_S)
    for name in ("model_server", "gateway"):
        wait_for_the_end(process_id(tmp_path, name))


def test_the_trainers_lines_come_back() -> None:
    """The lines of stdout are returned; the release id is the last one."""
    echo = ("-c", "import sys; print('staging'); print(); print(*sys.argv[1:])")
    assert run_trainer("train", ("--seed", "0"), echo) == ["staging", "train --seed 0"]


@pytest.mark.parametrize(("status", "exit_code"), [(2, 2), (1, 1), (70, 1)])
def test_a_failing_trainer_ends_the_demonstration(status: int, exit_code: int) -> None:
    """A user's error stays one; every other failure is status 1."""
    failing = ("-c", f"import sys; sys.exit({status})")
    with pytest.raises(
        DemoError, match=f"trainer fetch failed with exit status {status}"
    ) as raised:
        run_trainer("fetch", (), failing)
    assert raised.value.exit_code == exit_code
