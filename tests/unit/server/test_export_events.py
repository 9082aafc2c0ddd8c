"""python -m server export-events: the recorded ratings as CSV, beside a running gateway."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from server.domain import MovieId, RatingEvent, UserId
from server.features.sqlite import SqliteStore
from server.features.store import Receipt


def export(*flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "server", "export-events", *flags],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


EVENTS = [
    RatingEvent(UserId("u1"), MovieId("m1"), 4.5, 100),
    RatingEvent(UserId('Zoë, "Z"'), MovieId("m,2"), 3.0, 50),
    RatingEvent(UserId("u1"), MovieId("m1"), None, 200),
]
EXPECTED = 'user_id,movie_id,rating,timestamp\nu1,m1,4.5,100\n"Zoë, ""Z""","m,2",3,50\nu1,m1,,200\n'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "store dir" / "store.sqlite3"
    with SqliteStore(path) as store:
        store.record(EVENTS, "r", Receipt("", ""))
    return path


def test_events_come_out_in_the_order_of_recording(path: Path, tmp_path: Path) -> None:
    """CSV on standard output; --output writes the same file, whole, and nothing beside it."""
    folder = tmp_path / "out"
    folder.mkdir()

    printed = export(f"--store-path={path}")
    written = export(f"--store-path={path}", f"--output={folder / 'events.csv'}")

    assert (printed.returncode, written.returncode) == (0, 0)
    assert printed.stdout == EXPECTED
    assert (folder / "events.csv").read_text(encoding="utf-8") == EXPECTED
    assert [p.name for p in folder.iterdir()] == ["events.csv"]
    assert written.stderr == "3 events\n"


def test_a_gateway_may_be_running(path: Path) -> None:
    """While a gateway holds the store and writes, the export reads what was recorded so far."""
    with SqliteStore(path) as store:
        store.record([RatingEvent(UserId("u9"), MovieId("m9"), 1.0, 300)], "", Receipt("", ""))
        done = export(f"--store-path={path}")
        store.record([RatingEvent(UserId("u9"), MovieId("m8"), 1.0, 301)], "", Receipt("", ""))

    assert done.returncode == 0
    assert done.stdout == EXPECTED + "u9,m9,1,300\n"


def test_a_store_that_is_not_there_is_told(tmp_path: Path) -> None:
    """Exit 1 and one sentence that says who makes it; no file is made."""
    done = export(f"--store-path={tmp_path / 'no'}", f"--output={tmp_path / 'events.csv'}")

    assert done.returncode == 1
    assert f"the feature store {tmp_path / 'no'} cannot be read: the file does not" in done.stderr
    assert "a gateway makes it when it starts, or --store-path names another one" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_no_store(tmp_path: Path) -> None:
    """Exit 1 and one sentence."""
    done = export(f"--store-path={tmp_path}")

    assert done.returncode == 1
    told = f"the feature store {tmp_path} cannot be read: it is a folder, --store-path names a file"
    assert told in done.stderr


def test_a_wrong_flag_is_told() -> None:
    """Exit 2, naming the flag."""
    done = export("--outptu=x")

    assert done.returncode == 2
    assert "--outptu" in done.stderr
