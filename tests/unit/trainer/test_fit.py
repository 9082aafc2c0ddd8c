"""Batches, seeds and bars of the neural fits."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

from trainer.fit import ProgressBar, shuffled_batches

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
