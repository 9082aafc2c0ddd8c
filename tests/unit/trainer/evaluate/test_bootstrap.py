"""Intervals hold what was planted, and pairing takes the common noise out."""

from __future__ import annotations

import math

import numpy as np
import pytest

from trainer.evaluate.bootstrap import interval, resampled_figures

RNG = np.random.default_rng(11)
N = 2000


def test_an_interval_has_the_width_of_theory():
    """The mean of n values of deviation 1 is known to 1.96 / sqrt(n) on either side."""
    values = RNG.normal(5, 1, N)

    found = interval(resampled_figures({"a": values})["a"])

    assert found.low == pytest.approx(values.mean() - 1.96 / math.sqrt(N), abs=0.008)
    assert found.high == pytest.approx(values.mean() + 1.96 / math.sqrt(N), abs=0.008)


def test_a_planted_difference_is_found():
    """Users differ by far more than the models do; paired, a gain of 0.012 shows."""
    users = RNG.normal(0.3, 0.2, N)
    samples = {"ours": users + 0.012 + RNG.normal(0, 0.03, N), "peer": users}

    drawn = resampled_figures(samples)
    paired, ours, peer = (
        interval(figures) for figures in (drawn["ours"] - drawn["peer"], *drawn.values())
    )

    assert 0 < paired.low < 0.012 < paired.high
    assert ours.low < peer.high, "unpaired, the intervals overlap"


def test_no_difference_is_none():
    """Models of equal quality whose errors differ: zero is inside."""
    samples = {name: RNG.normal(0.3, 0.2, N) for name in ("a", "b")}
    samples["b"] += samples["a"].mean() - samples["b"].mean()

    drawn = resampled_figures(samples)
    found = interval(drawn["a"] - drawn["b"])

    assert found.low < 0 < found.high


def test_rmse_is_the_root_of_the_resampled_mean():
    """Squared errors that are all 4: every draw has an RMSE of 2, and a mean of 4."""
    samples = {"a": np.full(50, 4.0)}

    assert set(resampled_figures(samples, root=True)["a"]) == {2.0}
    assert set(resampled_figures(samples)["a"]) == {4.0}


def test_models_share_the_draws():
    """A model against itself differs by nothing in any draw."""
    values = RNG.random(100)

    drawn = resampled_figures({"a": values, "b": values.copy()})

    assert np.abs(drawn["a"] - drawn["b"]).max() == 0
    assert drawn["a"].std() > 0


def test_samples_of_different_rows_cannot_be_paired():
    """Another number of rows is another test part."""
    with pytest.raises(ValueError, match="same shape"):
        resampled_figures({"a": np.zeros(3), "b": np.zeros(4)})
