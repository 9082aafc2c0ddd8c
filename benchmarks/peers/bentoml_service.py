"""BentoML with the SavedModel inside and adaptive batching: bentoml serve bentoml_service:Service.

Tuned: no access log, no metrics, one worker for one core, uvloop and httptools installed, and
batches as large as the load fills. Of the settings tried these answered most calls: batches of 32
were not better, and with a latency target of 200 ms the service refused calls (503).
"""

from __future__ import annotations

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
        max_batch_size=64,
        max_latency_ms=10_000,
    )
    def recommend(self, user_ids: list[str]) -> list[dict[str, Any]]:
        """Answers of as many users as were asked for."""
        return [as_answer(self._world, *found) for found in self._model.recommend(user_ids)]
