"""From a version's folder to a model that answers: ops, graph, batching, warm-up."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tensorflow.core.protobuf import config_pb2

from serving.batching.hints import read_merge_hints
from serving.batching.queued import QueuedCalls
from serving.batching.scheduler import BatchScheduler
from serving.monitoring.series import Series
from serving.servables.custom_ops import register_custom_ops
from serving.servables.loaded import LoadedModel
from serving.servables.warmup import warm_up


@dataclass(frozen=True, slots=True)
class ModelLoader:
    """Loads versions, all in the same way."""

    tags: tuple[str, ...]
    session_config: config_pb2.ConfigProto
    series: Series
    scheduler: BatchScheduler | None
    """Where all calls wait for each other; None runs each alone, or merged if its model says so."""
    n_warmup_iterations: int
    """Replays of each warm-up record; 0 is no warm-up."""

    def __call__(self, folder: Path) -> LoadedModel:
        """A model that is ready for callers.

        Raises:
          ServingError: it cannot be loaded, or does not answer its own warm-up requests.
        """
        register_custom_ops(folder)
        model = LoadedModel(folder, tags=self.tags, session_config=self.session_config)
        try:
            hints = read_merge_hints(folder)
            if self.scheduler is not None:
                model.runner = self.scheduler.runner(model.run)
            elif hints is not None:
                model.runner = QueuedCalls(model.run, hints, model.signatures)
            if self.n_warmup_iterations:
                warm_up(model, folder, self.series, self.n_warmup_iterations)
        except BaseException:
            model.close()
            raise
        return model
