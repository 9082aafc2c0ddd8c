"""Trains and publishes a release for a benchmark, and starts the stack that answers from it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from client import RecommenderClient
from client.demo.phases import Phases
from client.demo.stack import embedded_stack
from serving.contract import ModelsDir

TIMEOUT_S = 60.0
"""Of a call: what is measured here is quality, on however slow a machine."""


@contextmanager
def trained(*options: str) -> Iterator[ModelsDir]:
    """A models folder with one published release; it is gone when the block ends.

    Args:
      options: of `python -m trainer train`.

    Raises:
      CalledProcessError: training failed; the trainer has said why.
    """
    with tempfile.TemporaryDirectory(prefix="recserve-benchmark-") as folder:
        train = ["train", "--publish", "--models-dir", folder, *options]
        subprocess.run(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", "trainer", *train], check=True, stdout=subprocess.DEVNULL
        )
        yield ModelsDir(Path(folder))


@contextmanager
def gateway_client(models: ModelsDir) -> Iterator[RecommenderClient]:
    """A client of a gateway with its own model server."""
    with (
        embedded_stack(models.root, Phases(Console(stderr=True))) as target,
        RecommenderClient(target, timeout=TIMEOUT_S) as client,
    ):
        yield client
