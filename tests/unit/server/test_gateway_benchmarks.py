"""The scripts that measure title search and store reads run and write what they print."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.releases import World, WorldMovie, activate, write_release

ROOT = Path(__file__).parents[3]
TITLES = ("Matrix, The", "Star Wars", "Shawshank Redemption, The", "Toy Story", "Fargo", "M")


def run(script: str, *flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", f"benchmarks.{script}", *flags],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_title_search_finds_misspelt_titles(tmp_path: Path) -> None:
    """Five of six titles are long enough to be misspelt, and each is found first."""
    movies = tuple(WorldMovie(str(n), t, 1990, ("Drama",)) for n, t in enumerate(TITLES))
    write_release(tmp_path / "models", 1, World(movies=movies, users=()))
    activate(tmp_path / "models", 1)
    output = tmp_path / "search.json"

    done = run("title_search", f"--models-dir={tmp_path / 'models'}", f"--output={output}")

    assert done.returncode == 0, done.stderr
    result = json.loads(output.read_text(encoding="utf-8"))
    assert (result["movies"], result["queries"], result["right_first"]) == (6, 5, 1.0)
    assert "right movie first 100.0%" in done.stdout


def test_store_reads_measures_every_engine(models_dir: Path, tmp_path: Path) -> None:
    """Memory, SQLite and Redis have a median and a 99th percentile each."""
    output = tmp_path / "reads.json"

    done = run("store_reads", f"--models-dir={models_dir}", f"--output={output}", "--reads=20")

    assert done.returncode == 0, done.stderr
    engines = json.loads(output.read_text(encoding="utf-8"))["engines"]
    assert set(engines) == {"memory", "sqlite", "redis"}
    for figures in engines.values():
        assert 0 < figures["p50_us"] <= figures["p99_us"]
