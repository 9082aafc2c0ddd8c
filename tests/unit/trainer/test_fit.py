"""Batches, seeds and bars of the neural fits."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.unit.trainer.tiny import seven_ratings
from trainer.features.index import Interactions
from trainer.fit import (
    FitConfig,
    ProgressBar,
    fit_ratings,
    log_curves,
    logging_to,
    seed_everything,
    shuffled_batches,
    tensorboard,
)

SHOW_CURSOR, HIDE_CURSOR = "\x1b[?25h", "\x1b[?25l"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def order_of(batches: Any) -> list[int]:
    return [int(row) for batch in batches for row in batch["row"].numpy()]


def columns(n_rows: int) -> dict[str, np.ndarray]:
    rows = np.arange(n_rows, dtype=np.int32)
    return {"row": rows, "history": np.stack([rows, 10 * rows], axis=1)}


def test_every_epoch_has_every_row_once_in_another_order():
    """Two epochs are two permutations; the columns of a row stay together."""
    batches = shuffled_batches(columns(10), batch_size=4, seed=0)
    first, second = order_of(batches), order_of(batches)

    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second
    for batch in batches:
        np.testing.assert_array_equal(batch["history"][:, 1], 10 * batch["row"])


def test_batches_are_full_but_for_the_last():
    """Ten rows by four: 4, 4, 2; the number of batches is known beforehand."""
    batches = shuffled_batches(columns(10), batch_size=4, seed=0)

    assert [len(batch["row"]) for batch in batches] == [4, 4, 2]
    assert len(batches) == 3


def test_a_seed_fixes_the_orders():
    """The same seed gives the same epochs, another seed others."""

    def epochs(seed: int) -> list[list[int]]:
        batches = shuffled_batches(columns(50), batch_size=8, seed=seed)
        return [order_of(batches) for _ in range(3)]

    assert epochs(1) == epochs(1)
    assert epochs(1) != epochs(2)


def run(bar: ProgressBar) -> None:
    with bar:
        bar.on_epoch_end(0, {"loss": 2.0})
        bar.on_epoch_end(1, {"loss": 1.5})


def test_a_bar_in_a_pipe_is_one_line_of_text(monkeypatch):
    """No escape codes and no repeated frames where nobody watches."""
    stderr = io.StringIO()
    monkeypatch.setattr("sys.stderr", stderr)
    run(ProgressBar("dot_bias", 5, "loss"))

    assert stderr.getvalue().count("\n") == 1
    assert "dot_bias" in stderr.getvalue()
    assert "2/5 epochs loss 1.5000" in stderr.getvalue()
    assert "\x1b" not in stderr.getvalue()
    assert "\r" not in stderr.getvalue()


def test_an_interrupted_bar_gives_the_terminal_back(monkeypatch):
    """Ctrl-C in the middle of a fit leaves the cursor visible."""
    monkeypatch.setenv("TERM", "xterm")
    stderr = Terminal()
    monkeypatch.setattr("sys.stderr", stderr)
    bar = ProgressBar("dot_bias", 5, "loss")
    with pytest.raises(KeyboardInterrupt), bar:
        raise KeyboardInterrupt

    shown = stderr.getvalue()
    assert HIDE_CURSOR in shown
    assert shown.rindex(SHOW_CURSOR) > shown.rindex(HIDE_CURSOR)


class OneNumber(tf.keras.Model):
    """Predicts the same for every pair, and starts at 0."""

    def __init__(self) -> None:
        super().__init__()
        self.number = self.add_weight("number", (), initializer="zeros")

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        return self.number + tf.zeros(tf.shape(inputs[0]))


ROWS = seven_ratings().rows


def rated(rating: float) -> Interactions:
    one = np.zeros(1, np.int64)
    return Interactions(one, one, np.array([rating], np.float32), one)


def fitted(config: FitConfig, validation: Interactions | None) -> tuple[OneNumber, Any, Any]:
    seed_everything(0)
    model = OneNumber()
    return model, *fit_ratings("one_number", model, ROWS, config, validation)


STEPS = FitConfig(learning_rate=0.5, batch_size=7)
"""One step an epoch, of 0.5 at first: the mean of the rows is 3.4."""


def test_a_fit_stops_where_validation_was_best():
    """The number rises to 3.4 and is right for 1 on the way: that epoch's weights are kept."""
    model, config, curves = fitted(STEPS, rated(1.0))

    assert config.epochs == 2
    assert model.number.numpy() == pytest.approx(1.0, abs=0.02)
    assert len(curves["rmse"]) == len(curves["val_rmse"]) == config.epochs + STEPS.patience


def test_the_best_weights_are_kept_when_the_epochs_run_out():
    """Patience outlasts the epochs: still those of the best, not of the last."""
    short = FitConfig(learning_rate=0.5, batch_size=7, max_epochs=3)
    model, config, _ = fitted(short, rated(1.0))

    assert config.epochs == 2
    assert model.number.numpy() == pytest.approx(1.0, abs=0.02)


def test_a_number_of_epochs_is_kept_to():
    """With or without validation, which is then only measured."""
    given = FitConfig(learning_rate=0.5, batch_size=7, epochs=4)
    model, config, curves = fitted(given, rated(1.0))
    again, _, alone = fitted(given, None)

    assert config == given
    assert len(curves["val_rmse"]) == 4
    assert again.number.numpy() == model.number.numpy()
    assert list(alone) == ["rmse"]


def test_without_validation_the_usual_epochs_are_fitted():
    """And filled in."""
    _, config, curves = fitted(FitConfig(batch_size=7, usual_epochs=3), None)

    assert config.epochs == len(curves["rmse"]) == 3


def test_the_learning_rate_falls_by_epoch():
    """Adam's first steps are as long as its rate: 0.5, then a tenth of it."""
    falling = FitConfig(learning_rate=0.5, decay=0.1, batch_size=7, epochs=2)
    model, _, _ = fitted(falling, None)

    assert model.number.numpy() == pytest.approx(0.55, abs=0.01)


def logged(run: Path) -> dict[str, list[float]]:
    """{name: values} of the scalars in a run's folder, subfolders included."""
    found: dict[str, list[float]] = {}
    for file in sorted(run.rglob("events.out.tfevents.*")):
        for record in tf.data.TFRecordDataset(str(file)):
            for value in tf.compat.v1.Event.FromString(record.numpy()).summary.value:
                if value.metadata.plugin_data.plugin_name == "scalars":
                    number = float(tf.make_ndarray(value.tensor))
                    found.setdefault(f"{file.parent.name}/{value.tag}", []).append(number)
    return found


def test_every_fit_logs_its_curves_in_a_folder_of_its_own(tmp_path):
    """TensorBoard's scalars are the returned curves; the second fit does not touch the first."""
    with logging_to(tmp_path / "logs"):
        _, _, curves = fitted(FitConfig(batch_size=7, epochs=3), rated(1.0))
        fitted(FitConfig(batch_size=7, epochs=1), None)

    assert sorted(run.name for run in (tmp_path / "logs").iterdir()) == [
        "one_number-1",
        "one_number-2",
    ]
    first = logged(tmp_path / "logs" / "one_number-1")
    assert first["train/epoch_rmse"] == pytest.approx(curves["rmse"])
    assert first["validation/epoch_rmse"] == pytest.approx(curves["val_rmse"])
    assert len(logged(tmp_path / "logs" / "one_number-2")["train/epoch_rmse"]) == 1


def test_nothing_is_logged_outside_of_a_block(tmp_path):
    """Before, after, and where the directory is none."""
    with logging_to(tmp_path):
        with logging_to(None):
            assert tensorboard("model") == []
        assert len(tensorboard("model")) == 1
    assert tensorboard("model") == []
    log_curves("model", {"rmse": [1.0]})

    assert [run.name for run in tmp_path.iterdir()] == ["model-1"]


def test_curves_of_other_fits_are_logged_too(tmp_path):
    """A value for each epoch under the name that Keras would give it."""
    with logging_to(tmp_path):
        log_curves("svdpp2", {"rmse": [0.9, 0.8], "val_rmse": [1.0, 0.95]})

    found = logged(tmp_path / "svdpp2-1")
    assert found["svdpp2-1/epoch_rmse"] == pytest.approx([0.9, 0.8])
    assert found["svdpp2-1/epoch_val_rmse"] == pytest.approx([1.0, 0.95])
