"""Seeds, batches and callbacks that every neural fit shares."""

from __future__ import annotations

import math
import operator
import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn


def seed_everything(seed: int) -> None:
    """Seeds Python, NumPy and TensorFlow."""
    random.seed(seed)
    np.random.seed(seed)  # Keras 2 initialisers draw from it
    tf.random.set_seed(seed)


def clear_untrained(layer: tf.keras.layers.Embedding, trained: NDArray[np.integer]) -> None:
    """Zeroes the rows of a built embedding that training will never touch.

    Their random start would be served as if it had been learnt.

    Args:
      trained: row numbers that stand in training rows; repeats and numbers beyond the last row
        are fine.
    """
    untrained = np.setdiff1d(np.arange(layer.input_dim), trained)
    zeros = np.zeros((len(untrained), layer.output_dim), np.float32)
    layer.embeddings.scatter_nd_update(untrained[:, None], zeros)


def shuffled_batches(columns: Any, batch_size: int, seed: int) -> tf.data.Dataset:
    """Batches of rows, in another order each epoch; the seed fixes all the orders.

    Takes whole batches out of the arrays: a dataset of single rows spends more time on handling
    rows than these models spend on learning from them.

    Args:
      columns: arrays [n, ...], nested as the model takes them.

    Returns:
      Batches of that nesting, [<= batch_size, ...] each.
    """
    n_rows = len(tf.nest.flatten(columns)[0])
    rng = np.random.default_rng(seed)

    def epoch() -> Iterator[Any]:
        order = rng.permutation(n_rows)
        for start in range(0, n_rows, batch_size):
            rows = order[start : start + batch_size]
            yield tf.nest.map_structure(operator.itemgetter(rows), columns)

    batches = tf.data.Dataset.from_generator(
        epoch,
        output_signature=tf.nest.map_structure(
            lambda column: tf.TensorSpec((None, *column.shape[1:]), column.dtype), columns
        ),
    )
    n_batches = math.ceil(n_rows / batch_size)
    return batches.apply(tf.data.experimental.assert_cardinality(n_batches)).prefetch(2)


class ProgressBar(tf.keras.callbacks.Callback):
    """One line on stderr for a whole fit: model, epoch, and the figure that is watched.

    A context manager, so that a fit that fails or is interrupted gives the terminal back. Where
    stderr is no terminal, one line at the end is all there is.
    """

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
        self._task = self._progress.add_task(title, total=n_epochs, figure="")

    def __enter__(self) -> ProgressBar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002 - Keras' signature
        value = (logs or {}).get(self._watched)
        figure = "" if value is None else f"{self._watched} {value:.4f}"
        self._progress.update(self._task, advance=1, figure=figure)


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
