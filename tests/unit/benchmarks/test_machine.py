"""Every result says which machine and which code it is of."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.speed.machine import machine
from tests.releases import activate, write_release

ROOT = Path(__file__).parents[3]


def test_a_package_that_is_missing_has_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """ScaNN is installed only where somebody asks for it."""
    version = importlib.metadata.version

    def without_scann(name: str) -> str:
        if name == "scann":
            raise importlib.metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(importlib.metadata, "version", without_scann)

    packages = machine()["packages"]
    assert packages["scann"] == ""
    assert packages["numpy"]


def test_store_reads_say_what_they_ran_on(tmp_path: Path) -> None:
    """A date and a commit, as the results of `make bench` have them."""
    models, output = tmp_path / "models", tmp_path / "reads.json"
    write_release(models, 1)
    activate(models, 1)

    subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.store_reads"),
            *(f"--models-dir={models}", f"--output={output}", "--reads=2"),
        ],
        cwd=ROOT,
        check=True,
        timeout=120,
    )

    about = json.loads(output.read_text(encoding="utf-8"))["machine"]
    assert set(about) == set(machine())
    assert about["date"] >= "2026"
