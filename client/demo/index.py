"""`make demo INDEX=scann`: the ScaNN flavours of a release, forced and shown."""

from __future__ import annotations

import threading
from pathlib import Path
from time import monotonic
from typing import Final

from client.client import RecommenderClient
from client.demo.failures import DemoError

INDEXES: Final = ("auto", "bruteforce", "scann")
FLAVOURS: Final = ("recommend_scann", "retrieval_scann")
DEADLINE_S: Final = 60.0

_POLL_S: Final = 0.1


def has_index(models_dir: Path, version: int) -> bool:
    """Whether a release on disk has the ScaNN flavours."""
    return all((models_dir / flavour / str(version)).is_dir() for flavour in FLAVOURS)


def wait_for_index(client: RecommenderClient, deadline_s: float = DEADLINE_S) -> str:
    """A sentence on the flavours, once the model server has them AVAILABLE.

    Raises:
      DemoError: it does not load them within the deadline, in seconds.
    """
    deadline = monotonic() + deadline_s
    pause = threading.Event()
    while True:
        parts = client.get_serving_status().parts
        states = {part.name: part.state for part in parts if part.name in FLAVOURS}
        told = ", ".join(f"{flavour} {states.get(flavour, 'missing')}" for flavour in FLAVOURS)
        if all(states.get(flavour) == "AVAILABLE" for flavour in FLAVOURS):
            return f"ScaNN index: {told}"
        if monotonic() >= deadline:
            raise DemoError(f"the model server does not serve the ScaNN index: {told}")
        pause.wait(_POLL_S)
