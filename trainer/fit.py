"""Seeds, and the callbacks that every neural fit shares."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import tensorflow as tf
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn


def seed_everything(seed: int) -> None:
    """Seeds Python, NumPy and TensorFlow."""
    random.seed(seed)
    np.random.seed(seed)  # Keras 2 initialisers draw from it
    tf.random.set_seed(seed)


class ProgressBar(tf.keras.callbacks.Callback):
    """One line on stderr for a whole fit: model, epoch, and the figure that is watched."""

    def __init__(self, title: str, n_epochs: int, watched: str) -> None:
        super().__init__()
        self._watched = watched
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.completed}/{task.total} epochs {task.fields[figure]}"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
        )
        self._title = title
        self._n_epochs = n_epochs
        self._task: TaskID | None = None

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002 - Keras' signature
        self._progress.start()
        self._task = self._progress.add_task(self._title, total=self._n_epochs, figure="")

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002 - Keras' signature
        value = (logs or {}).get(self._watched)
        figure = "" if value is None else f"{self._watched} {value:.4f}"
        if self._task is not None:
            self._progress.update(self._task, advance=1, figure=figure)

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002 - Keras' signature
        self._progress.stop()


class ValidationFigure(tf.keras.callbacks.Callback):
    """Computes one validation figure after each epoch and puts it into the logs under `name`.

    Must stand before the callbacks that read it.
    """

    def __init__(self, name: str, measure: Callable[[], float]) -> None:
        super().__init__()
        self._name = name
        self._measure = measure
        self.values: list[float] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002 - Keras' signature
        value = self._measure()
        self.values.append(value)
        if logs is not None:
            logs[self._name] = value
