"""The script that measures the gateway's start runs and writes what it prints."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "gateway_start.py"


def test_it_measures_a_start(models_dir: Path, tmp_path: Path) -> None:
    """One start of the small world: three users, a time and two sizes; exit 1 only off the bars."""
    output = tmp_path / "results" / "start.json"

    done = subprocess.run(
        [sys.executable, SCRIPT, f"--models-dir={models_dir}", "--runs=1", f"--output={output}"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    result = json.loads(output.read_text())
    assert result["release"]["users"] == 3
    (run,) = result["runs"]
    assert run == result["medians"]
    assert run["cpu_s"] > 0
    assert 10 < run["rss_mb"] <= run["rss_after_calls_mb"] + 5
    assert f"{run['ready_s']:.2f} s" in done.stdout
    assert done.returncode == (0 if result["ok"] else 1)


def test_a_folder_without_a_release_is_told(tmp_path: Path) -> None:
    """Nothing to measure is a sentence, not a figure."""
    done = subprocess.run(
        [sys.executable, SCRIPT, f"--models-dir={tmp_path}", f"--output={tmp_path / 'o'}"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 1
    assert done.stderr == f"no release is active in {tmp_path}\n"
