"""The training benchmark: a data set that cannot be had does not keep the others from it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.speed import training
from benchmarks.speed.training import Asked, NothingTrainedError, main, measure


def test_without_rows_nothing_was_trained(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The trainer says why, and the benchmark which data set it was."""
    with pytest.raises(NothingTrainedError, match="ml-latest-small"):
        measure("ml-latest-small", Asked(), tmp_path / "none.zip")

    assert "none.zip" in capfd.readouterr().err


def test_the_others_are_measured_and_the_old_figures_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One of three cannot be had: two are new in the file, and the exit status says so."""

    def measured(data: str, _asked: Asked, _folder: Path | None) -> dict[str, Any]:
        if data == "ml-latest-small":
            raise NothingTrainedError(data)
        return {"fits": [], "left_out": [], "new": True}

    output = tmp_path / "training.json"
    output.write_text(json.dumps({"ml-latest-small": {"new": False}, "1 M": {"new": False}}))
    monkeypatch.setattr(training, "measure", measured)
    data = ["ml-100k", "ml-latest-small", "1 M"]
    monkeypatch.setattr(sys, "argv", ["training", "--data", *data, f"--output={output}"])

    assert main() == 1
    found = json.loads(output.read_text())
    assert {name: found[name]["new"] for name in data} == dict(
        zip(data, (True, False, True), strict=True)
    )
    assert "ml-latest-small" in capsys.readouterr().err
