"""Recorded ratings become part of a data set before it is split."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from server.domain import MovieId, RatingEvent, UserId
from server.export_events import ExportSettings, export_events
from server.features.sqlite import SqliteStore
from server.features.store import Receipt
from tests.unit.trainer.tiny import SEVEN, tiny_dataset
from trainer.__main__ import main
from trainer.datasets import DataError, Dataset, with_events

HEADER = "user_id,movie_id,rating,timestamp\n"


@pytest.fixture
def dataset() -> Dataset:
    """u0 rated m0 5, m1 3, m2 4; u1 rated m0 4, m1 1; u2 rated m0 3, m2 4; nobody m3."""
    return tiny_dataset(SEVEN, n_users=3, n_movies=4)


def rows(dataset: Dataset) -> list[tuple[str, str, float, int]]:
    return list(dataset.ratings.itertuples(index=False, name=None))


def written(path: Path, *lines: str) -> Path:
    path.write_text(HEADER + "".join(f"{line}\n" for line in lines))
    return path


def test_the_last_event_of_a_user_and_movie_counts(dataset: Dataset, tmp_path: Path) -> None:
    """Rated anew, rated again, taken back, taken back and rated: only the last row stands."""
    path = written(
        tmp_path / "events.csv",
        "u0,m3,2.5,100",
        "u0,m0,1,101",
        "u1,m1,,102",
        "u2,m2,,103",
        "u2,m2,5,104",
        "u0,m3,3,105",
        "u1,m0,4,106",
        "u2,m3,4,107",
        "u2,m3,,108",
    )

    merged = with_events(dataset, path)

    assert rows(merged.dataset) == [
        ("u0", "m1", 3, 1),
        ("u0", "m2", 4, 2),
        ("u2", "m0", 3, 5),
        ("u0", "m0", 1, 101),
        ("u2", "m2", 5, 104),
        ("u0", "m3", 3, 105),
        ("u1", "m0", 4, 106),
    ]
    # u1's m0 is 4 as before; u1's m1 is gone, u2's m3 never was.
    assert (merged.n_events, merged.n_rated, merged.n_taken_back) == (9, 3, 1)
    assert (merged.n_unknown, merged.n_new_users) == (0, 0)
    assert merged.dataset.ratings.dtypes.equals(dataset.ratings.dtypes)
    assert rows(dataset) == rows(tiny_dataset(SEVEN, 3, 4))


def test_unknown_movies_are_left_out_and_new_users_are_added(
    dataset: Dataset, tmp_path: Path
) -> None:
    """Counted and told; a new user has no profile; one who only takes back is nobody."""
    path = written(
        tmp_path / "events.csv", "new,m1,5,100", "new,m9,5,101", "other,m9,1,102", "third,m1,,103"
    )

    merged = with_events(dataset, path)

    assert rows(merged.dataset)[7:] == [("new", "m1", 5, 100)]
    assert list(merged.dataset.users["user_id"]) == ["u0", "u1", "u2", "new"]
    added = merged.dataset.users.iloc[-1]
    assert (added["age"], added["gender"], added["occupation"]) == (0, "", "")
    assert merged.sentence() == (
        "events: 4, of which 1 ratings new or changed, 0 taken back, 2 about unknown movies left "
        "out; 1 new users"
    )
    assert len(merged.dataset.movies) == 4


def test_no_events_change_nothing(dataset: Dataset, tmp_path: Path) -> None:
    """A header alone is what a gateway exports before anybody rated."""
    merged = with_events(dataset, written(tmp_path / "events.csv"))

    assert rows(merged.dataset) == rows(dataset)
    assert merged.n_events == 0


def test_what_the_server_exports_is_what_is_read(dataset: Dataset, tmp_path: Path) -> None:
    """Ids with commas and quotes, halves of stars and ratings taken back come through."""
    store_path, output = tmp_path / "store.sqlite3", tmp_path / "events.csv"
    user_id = UserId('a "b", c')
    events = [
        RatingEvent(user_id, MovieId("m1"), 2.5, 100),
        RatingEvent(user_id, MovieId("m2"), 4.0, 101),
        RatingEvent(UserId("u0"), MovieId("m0"), None, 102),
    ]
    with SqliteStore(store_path) as store:
        store.record(events, "", Receipt("", ""))
    export_events(ExportSettings(store_path=store_path, output=output))

    merged = with_events(dataset, output)

    assert rows(merged.dataset)[-2:] == [(user_id, "m1", 2.5, 100), (user_id, "m2", 4, 101)]
    assert ("u0", "m0") not in {row[:2] for row in rows(merged.dataset)}
    assert merged.n_taken_back == 1


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("user_id,movie_id,rating\nu0,m0,1\n", "column timestamp missing"),
        (f"{HEADER}u0,m0,1,5\nu0,m0,6,5\n", "line 3: rating is not empty and not in 1..5; 1 such"),
        (f"{HEADER}u0,m0,good,5\n", "line 2: rating is not empty"),
        (f"{HEADER}u0,m0,nan,5\n", "line 2: rating is not empty"),
        (f"{HEADER}u0,m0,1,yesterday\n", "line 2: timestamp is no time"),
        (f"{HEADER},m0,1,5\n", "line 2: user_id or movie_id is empty"),
        (f"{HEADER}u0,m0,1,5,9\n", "cannot be read as CSV"),
        ("", "cannot be read as CSV"),
    ],
)
def test_a_file_that_is_no_export_is_refused(
    dataset: Dataset, tmp_path: Path, content: str, sentence: str
) -> None:
    """One row that is no event is enough; the line is named."""
    path = tmp_path / "events.csv"
    path.write_text(content)

    with pytest.raises(DataError, match=r"events\.csv") as raised:
        with_events(dataset, path)

    assert sentence in str(raised.value)


def test_the_command_tells_what_became_of_the_events(small, tmp_path, capsys) -> None:
    """`train --events` merges before it splits; a file that is missing is one sentence."""
    data = small.write_grouplens(tmp_path / "data")
    events = written(tmp_path / "events.csv", "somebody,nowhere,3,100")
    train = ["train", f"--data-dir={data}", f"--models-dir={tmp_path / 'models'}", "--split=u1"]

    assert main([*train, f"--events={events}"]) == 2
    told = capsys.readouterr().err
    assert "events: 1, of which 0 ratings new or changed" in told
    assert "1 about unknown movies left out" in told
    # The split is made after the merge: that is where this run ends, for u1 is of ml-100k alone.
    assert "error: u1" in told
    assert main([*train, "--events=missing.csv"]) == 2
    assert "missing.csv is no file" in capsys.readouterr().err


def test_an_event_is_in_the_types_that_training_takes(dataset: Dataset, tmp_path: Path) -> None:
    """Ratings are float32 and times int64, whatever the file says."""
    merged = with_events(dataset, written(tmp_path / "events.csv", "u0,m3,2.5,100"))

    assert merged.dataset.ratings["rating"].dtype == np.float32
    assert merged.dataset.ratings["timestamp"].dtype == np.int64
