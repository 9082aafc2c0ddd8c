"""The embedded stack: model server and gateway as child processes on free ports."""

from __future__ import annotations

import re
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Final

from client.answers import ServingStatus
from client.client import RecommenderClient
from client.demo.child import Child
from client.demo.failures import DemoError
from client.demo.phases import Phases
from client.errors import DeadlineExceededError, RecommenderError, RetryableError

START_DEADLINE_S: Final = 90.0
"""For each of the two to come up; TensorFlow from a cold disk takes most of it."""

MODEL_SERVER_READY: Final = re.compile(r"Running gRPC ModelServer at (\S+:\d+)")
GATEWAY_READY: Final = re.compile(r"recserve gateway listening on (\S+:\d+)")

ADDRESS: Final = "{address}"

_POLL_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class StackCommands:
    """What follows `python` to start each part."""

    model_server: tuple[str, ...]
    gateway: tuple[str, ...]
    """The argument ADDRESS is replaced by the model server's address."""


def stack_commands(models_dir: Path, scratch: Path) -> StackCommands:
    """Our own model server and gateway over one models folder.

    Args:
      models_dir: holds the releases and models.config.
      scratch: where the gateway keeps its store, so that a user's own is left alone.
    """
    return StackCommands(
        model_server=(
            *("-m", "serving", "--port=0"),
            f"--model_config_file={models_dir / 'models.config'}",
            "--model_config_file_poll_wait_seconds=1",
            # The file may have labels, which nothing has at the start.
            "--allow_version_labels_for_unavailable_models=true",
            # Numbers as raw bytes are written and read faster; the gateway takes both forms.
            "--enable_serialization_as_tensor_content",
        ),
        gateway=(
            *("-m", "server", "--port=0"),
            *("--models-dir", str(models_dir)),
            *("--model-server", ADDRESS),
            *("--store-path", str(scratch / "store.sqlite3")),
        ),
    )


@contextmanager
def embedded_stack(models_dir: Path, phases: Phases) -> Iterator[str]:
    """Address of a gateway over `models_dir`; both processes are gone when the block ends.

    Raises:
      DemoError: one of them died or did not become ready in time.
    """
    with (
        tempfile.TemporaryDirectory(prefix="recserve-demo-") as scratch,
        run_stack(stack_commands(models_dir, Path(scratch)), phases) as target,
    ):
        yield target


@contextmanager
def run_stack(
    commands: StackCommands, phases: Phases, deadline_s: float = START_DEADLINE_S
) -> Iterator[str]:
    """Runs the two commands; yields the gateway's address once every required part answers.

    Raises:
      DemoError: one of them died or did not become ready in time.
    """
    with Child("model server", commands.model_server) as model_server:
        with phases.phase("model server", spinner=True):
            ready = model_server.wait_for(MODEL_SERVER_READY, monotonic() + deadline_s)
        address = ready[1]
        arguments = [address if part == ADDRESS else part for part in commands.gateway]
        with Child("gateway", arguments) as gateway:
            children = (model_server, gateway)
            with phases.phase("gateway", spinner=True):
                deadline = monotonic() + deadline_s
                target = gateway.wait_for(GATEWAY_READY, deadline)[1]
                wait_until_complete(target, children, deadline)
            try:
                yield target
            except RecommenderError:
                # A call that failed because a part died is better told by that part's last words.
                for child in children:
                    child.check_alive()
                raise


def wait_until_complete(target: str, children: Sequence[Child], deadline: float) -> None:
    """Returns once the gateway at `target` reports every required part AVAILABLE.

    Raises:
      DemoError: a child died, or the deadline (on the monotonic clock) passed; it says what lacked.
    """
    pause = threading.Event()
    seen = "nobody answers"
    with RecommenderClient(target) as client:
        while True:
            for child in children:
                child.check_alive()
            remaining = deadline - monotonic()
            if remaining <= 0:
                raise DemoError(f"the release does not become available: {seen}")
            try:
                status = client.get_serving_status(timeout=min(5.0, remaining))
            except (RetryableError, DeadlineExceededError) as error:
                seen = str(error)
            else:
                if status.ready:
                    return
                seen = _describe(status)
            pause.wait(_POLL_S)


def _describe(status: ServingStatus) -> str:
    if not status.releases.active:
        return status.releases.why_not_switched or "no release is active"
    return ", ".join(f"{part.name} is {part.state}" for part in status.parts) or "no parts"
