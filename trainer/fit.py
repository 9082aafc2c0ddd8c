"""Seeds, batches and callbacks that every neural fit shares, and the fit of a rating network."""

from __future__ import annotations

import math
import operator
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from trainer.features.index import IndexArray, Interactions

PREDICTED_AT_ONCE: Final = 16_384
NO_BETTER: Final = 2e-4
"""A validation RMSE that is lower by less is not worth another epoch."""

_log_dir: ContextVar[Path | None] = ContextVar("log_dir", default=None)


@dataclass(frozen=True, slots=True)
class FitConfig:
    """What the fit of every rating network is told; a model's own Config adds to it."""

    learning_rate: float = 0.002
    """Of Adam, in the first epoch."""
    decay: float = 1.0
    """The learning rate is multiplied by it after each epoch; 1 = it stays."""
    batch_size: int = 1024
    max_epochs: int = 40
    patience: int = 2
    """Epochs without a better validation RMSE before the fit stops."""
    epochs: int | None = None
    """Exactly so many; none = validation chooses, and without validation `usual_epochs`."""
    usual_epochs: int = 6
    """What validation chooses on ml-100k, or near it."""
    seed: int = 0


AnyConfig = TypeVar("AnyConfig", bound=FitConfig)


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


class ValidationFigures(tf.keras.callbacks.Callback):
    """Computes figures on validation after each epoch and puts them into the logs by name.

    Must stand before the callbacks that read them.
    """

    def __init__(self, measure: Callable[[], dict[str, float]]) -> None:
        super().__init__()
        self._measure = measure

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002 - Keras' signature
        figures = self._measure()
        if logs is not None:
            logs.update(figures)


@contextmanager
def logging_to(directory: Path | None) -> Iterator[None]:
    """Neural fits inside the block write TensorBoard logs; None = they do not.

    Each fit gets a folder of its own, named after the model and numbered: `mlp-1`, `mlp-2`.
    """
    token = _log_dir.set(directory)
    try:
        yield
    finally:
        _log_dir.reset(token)


def tensorboard(name: str) -> list[tf.keras.callbacks.Callback]:
    """The callback that logs one fit, in a list; empty outside of `logging_to`."""
    directory = _log_dir.get()
    if directory is None:
        return []
    run = _new_run(directory, name)
    return [tf.keras.callbacks.TensorBoard(run, histogram_freq=1, write_graph=False)]


def log_curves(name: str, curves: dict[str, list[float]]) -> None:
    """Logs the figures of a fit that is no Keras fit, once it is over; see `logging_to`."""
    directory = _log_dir.get()
    if directory is None:
        return
    with tf.summary.create_file_writer(str(_new_run(directory, name))).as_default():
        for figure, values in curves.items():
            for epoch, value in enumerate(values):
                tf.summary.scalar(f"epoch_{figure}", value, step=epoch)


def _new_run(directory: Path, name: str) -> Path:
    number = 1
    while True:
        run = directory / f"{name}-{number}"
        try:
            run.mkdir(parents=True)
        except FileExistsError:
            number += 1
        else:
            return run


def fit_ratings(
    name: str,
    model: tf.keras.Model,
    rows: Interactions,
    config: AnyConfig,
    validation: Interactions | None,
) -> tuple[AnyConfig, dict[str, list[float]]]:
    """Fits a network on rating rows by squared error.

    Args:
      model: takes ([B] user indexes, [B] movie indexes) and gives [B] ratings; adds its own
        penalties to the loss.
      validation: chooses the number of epochs, unless `config.epochs` does, and is measured.

    Returns:
      The config with `epochs` filled in, and "rmse" and "val_rmse" after each epoch; the model
      has the weights of that epoch.
    """
    rmse = tf.keras.metrics.RootMeanSquaredError("rmse")
    model.compile(tf.keras.optimizers.Adam(config.learning_rate), loss="mse", metrics=[rmse])
    # What exists before the fit is not made inside its graph, which would be traced twice.
    predicted(model, rows.users[:1], rows.movies[:1])
    model.optimizer.build(model.trainable_variables)
    callbacks: list[tf.keras.callbacks.Callback] = [
        tf.keras.callbacks.LearningRateScheduler(
            lambda epoch: config.learning_rate * config.decay**epoch
        ),
        *tensorboard(name),
    ]
    epochs = config.epochs or config.usual_epochs
    stopping: tf.keras.callbacks.EarlyStopping | None = None
    if validation is not None and config.epochs is None:
        epochs = config.max_epochs
        stopping = tf.keras.callbacks.EarlyStopping(
            "val_rmse", NO_BETTER, config.patience, mode="min", restore_best_weights=True
        )
        callbacks.append(stopping)
    with ProgressBar(name, epochs, "val_rmse" if validation else "rmse") as bar:
        history = model.fit(
            shuffled_batches(_columns(rows), config.batch_size, config.seed),
            validation_data=_columns(validation) if validation else None,
            validation_batch_size=PREDICTED_AT_ONCE,
            epochs=epochs,
            verbose=0,
            callbacks=[*callbacks, bar],
        ).history
    if stopping is not None:
        epochs = 1 + stopping.best_epoch
    curves = {figure: history[figure] for figure in ("rmse", "val_rmse") if figure in history}
    return replace(config, epochs=epochs), curves


def _columns(
    rows: Interactions,
) -> tuple[tuple[IndexArray, IndexArray], NDArray[np.float32]]:
    """Inputs and targets, nested as Keras takes them."""
    return (rows.users, rows.movies), rows.ratings


def predicted(model: tf.keras.Model, users: IndexArray, movies: IndexArray) -> NDArray[np.float32]:
    """[n] ratings of pairs by a live network."""
    parts = [
        model((tf.constant(users[rows]), tf.constant(movies[rows])), training=False).numpy()
        for start in range(0, max(len(users), 1), PREDICTED_AT_ONCE)
        for rows in [slice(start, start + PREDICTED_AT_ONCE)]
    ]
    return np.concatenate(parts).astype(np.float32)


@contextmanager
def iterations_bar(title: str, n_iterations: int) -> Iterator[Callable[[], bool]]:
    """A progress bar for a fit that is no Keras fit.

    Yields:
      A function that counts one iteration; it returns False, which means "go on" to samplers.
    """
    # The stream of now: a library's own output may be redirected inside the block.
    console = Console(file=sys.stderr)
    columns = TextColumn("{task.description}"), BarColumn(bar_width=24), TimeElapsedColumn()
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(title, total=n_iterations)

        def advance() -> bool:
            progress.update(task, advance=1)
            return False

        yield advance
