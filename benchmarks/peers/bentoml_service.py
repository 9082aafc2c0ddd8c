"""BentoML with the SavedModel inside and adaptive batching: bentoml serve bentoml_service:Service.

Tuned: no access log, no metrics, no tracing, one worker for one core, and batches as large as the
load fills. Several latency targets were tried; the service never waits longer for a batch to fill
than it expects to gain.
"""

from __future__ import annotations

import os
from typing import Any

import bentoml
from tensorflow_model import TensorFlowModel
from world import as_answer, load_world


@bentoml.service(
    name="recserve_peer",
    workers=1,
    traffic={"timeout": 60, "max_concurrency": 1024},
    metrics={"enabled": False},
    logging={
        "access": {
            "enabled": False,
            "request_content_length": False,
            "response_content_length": False,
        }
    },
)
class Service:
    """Ten movies for each stored user of a batch."""

    def __init__(self) -> None:
        self._world = load_world()
        self._model = TensorFlowModel(self._world)

    @bentoml.api(
        batchable=True,
        max_batch_size=int(os.environ.get("MAX_BATCH", "64")),
        max_latency_ms=int(os.environ.get("MAX_LATENCY_MS", "10000")),
    )
    def recommend(self, user_ids: list[str]) -> list[dict[str, Any]]:
        """Answers of as many users as were asked for."""
        return [as_answer(self._world, *found) for found in self._model.recommend(user_ids)]
