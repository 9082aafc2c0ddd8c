"""One real release of MovieLens-100k, trained once, and the whole stack in front of it."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from client import RecommenderClient
from client.demo.phases import Phases
from client.demo.stack import embedded_stack

TRAIN_TIMEOUT_S = 600

# A shell starts background jobs with SIGINT ignored, nohup ignores SIGHUP, and children inherit
# that: tests that signal a process would wait for ever. A child does not inherit a handler.
signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, lambda *_: None)


@dataclass(frozen=True)
class Release:
    """What `train --publish` left behind."""

    models_dir: Path
    live: dict[str, np.ndarray]
    """The live training objects' own answers, saved before the export."""


def run_trainer(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "trainer", *arguments],
        capture_output=True,
        text=True,
        timeout=TRAIN_TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    folder = tmp_path_factory.mktemp("release")
    live = folder / "live.npz"
    run_trainer(
        "train",
        f"--models-dir={folder / 'models'}",
        f"--save-predictions={live}",
        # The defaults but for the sampler, which takes half of the time for a few ten-thousandths.
        "--set=blend.bayes_fm.iterations=60",
        "--set=blend.bayes_fm.burn_in=20",
        "--publish",
    )
    return Release(folder / "models", dict(np.load(live)))


@pytest.fixture(scope="session")
def target(release: Release) -> Iterator[str]:
    with embedded_stack(release.models_dir, Phases(Console(file=io.StringIO()))) as address:
        yield address


@pytest.fixture
def client(target: str) -> Iterator[RecommenderClient]:
    with RecommenderClient(target, timeout=20) as connected:
        yield connected
