"""Held-out rows are each user's newest, and a split file is taken at its word or refused."""

from __future__ import annotations

import math

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.datasets import DataError
from trainer.split import per_user_temporal, split_file


def table(rows: list[tuple[str, str, int]]) -> pd.DataFrame:
    """(user, movie, timestamp) rows, all rated 3."""
    users, movies, times = zip(*rows, strict=True)
    return pd.DataFrame(
        {
            "user_id": list(users),
            "movie_id": list(movies),
            "rating": pd.Series([3.0] * len(rows), dtype="float32"),
            "timestamp": list(times),
        }
    )


def one_user(n: int) -> pd.DataFrame:
    """Movies m0 (newest) to m<n-1> (oldest) of one user: file order is not time order."""
    return table([("a", f"m{i}", 1000 - i) for i in range(n)])


def test_newest_rows_are_held_out():
    """Of 20 rows the 2 newest are test, the 2 before them validation."""
    split = per_user_temporal(one_user(20))

    assert split.test["movie_id"].tolist() == ["m0", "m1"]
    assert split.validation["movie_id"].tolist() == ["m2", "m3"]
    assert split.train["movie_id"].tolist() == [f"m{i}" for i in range(4, 20)]
    assert split.history["movie_id"].tolist() == [f"m{i}" for i in range(2, 20)]
    assert split.counts() == {"train": 16, "validation": 2, "test": 2}
    assert split.unassigned == 0
    assert split.name == "per-user-temporal"
    assert split.parameters == {"test": 0.1, "validation": 0.1}


def test_equal_times_are_ordered_by_the_file():
    """Of rows of one second the later one in the file is newer."""
    split = per_user_temporal(table([("a", f"m{i}", 7) for i in range(10)]))

    assert split.test["movie_id"].tolist() == ["m9"]
    assert split.validation["movie_id"].tolist() == ["m8"]


def test_parts_keep_file_order_and_index():
    """Rows of several users stay where they stood, with the index of the ratings."""
    ratings = table([(user, f"m{i}", 10 - i) for i in range(5) for user in "ba"])

    split = per_user_temporal(ratings)

    assert split.test.index.tolist() == [0, 1]
    assert split.validation.index.tolist() == [2, 3]
    assert split.train.index.tolist() == [4, 5, 6, 7, 8, 9]
    assert split.history.index.tolist() == list(range(2, 10))


@pytest.mark.parametrize(
    ("n", "test", "validation", "expected"),
    [
        (4, 0.1, 0.1, (4, 0, 0)),  # under 5 rows: nothing held out
        (4, 0.5, 0.4, (4, 0, 0)),
        (5, 0.1, 0.1, (3, 1, 1)),  # floor(0.5) = 0, but at least 1
        (19, 0.1, 0.1, (17, 1, 1)),
        (30, 0.1, 0.1, (24, 3, 3)),
        (100, 0.29, 0.29, (42, 29, 29)),  # 0.29 * 100 is 28.999... in binary
        (10, 0.2, 0.0, (8, 0, 2)),  # a fraction of 0 is an empty part
        (10, 0.0, 0.2, (8, 2, 0)),
        (5, 0.1, 0.85, (1, 3, 1)),  # one row stays in train
    ],
)
def test_sizes_of_the_parts(n, test, validation, expected):
    """(train, validation, test) of one user with n rows."""
    assert tuple(per_user_temporal(one_user(n), test, validation).counts().values()) == expected


@pytest.mark.parametrize(("test", "validation"), [(-0.1, 0.1), (0.1, -0.1), (0.5, 0.5), (1.0, 0)])
def test_fractions_out_of_range(test, validation):
    """The message names both and the allowed range."""
    with pytest.raises(DataError, match="at least 0 and their sum below 1"):
        per_user_temporal(one_user(10), test, validation)
    with pytest.raises(DataError):
        per_user_temporal(one_user(10), math.nan, 0.1)


@given(
    rows=st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9)), min_size=1, max_size=60),
    test=st.floats(0, 0.45),
    validation=st.floats(0, 0.45),
)
def test_nothing_leaks(rows, test, validation):
    """Parts are disjoint and complete; no test row is older than a row that is learnt from."""
    ratings = table([(user, f"m{i}", time) for i, (user, time) in enumerate(rows)])

    split = per_user_temporal(ratings, test, validation)

    parts = [split.train, split.validation, split.test]
    assert sorted(i for part in parts for i in part.index) == list(ratings.index)
    for earlier, later in ((split.train, split.validation), (split.history, split.test)):
        for user, rows_of_user in later.groupby("user_id"):
            past = earlier[earlier["user_id"] == user]
            newest = max(zip(past["timestamp"], past.index, strict=True))
            oldest = min(zip(rows_of_user["timestamp"], rows_of_user.index, strict=True))
            assert newest < oldest
    assert set(split.train["user_id"]) == set(ratings["user_id"])


RATINGS = table([("a", "x", 1), ("a", "y", 2), ("b", "x", 3), ("b", "y", 4)])
HEADER = "user_id,movie_id,rating,timestamp,part"
LINES = ("b,x,3,3,validation", "a,x,3.0,1,train", "a,y,3,2,test")


def write(path, *lines: str):
    path.write_text("\n".join(lines) + "\n")
    return path


def test_split_file_as_csv_and_tsv(tmp_path):
    """Each listed row is in its part, in file order of the ratings; the rest is counted."""
    for name, separator in (("s.csv", ","), ("s.tsv", "\t")):
        lines = [line.replace(",", separator) for line in (HEADER, *LINES)]
        split = split_file(write(tmp_path / name, *lines), RATINGS)

        assert split.train.index.tolist() == [0]
        assert split.test.index.tolist() == [1]
        assert split.validation.index.tolist() == [2]
        assert split.unassigned == 1
        assert split.name == "split-file"
        assert split.parameters["file"] == name
        assert len(split.parameters["sha256"]) == 64


def test_split_file_columns_by_name(tmp_path):
    """Columns may stand in any order beside others, after a byte order mark."""
    path = write(tmp_path / "s.csv", "\ufeffpart,note,timestamp,rating,movie_id,user_id",
                 "train,hello,1,3,x,a")  # fmt: skip

    assert split_file(path, RATINGS).train.index.tolist() == [0]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["user_id,movie_id,rating,part", "a,x,3,train"], "column timestamp missing"),
        ([HEADER, *LINES, "b,y,3,4,Train"], "line 5: part is not train, validation, test"),
        ([HEADER, *LINES, "a,x,3,1,test"], "line 5: the .* pair stands above already"),
        ([HEADER, "c,x,3,1,train"], "line 2: the data set has no rating of this user and movie"),
        ([HEADER, "a,x,4,1,train"], "line 2: rating or timestamp is another one"),
        ([HEADER, "a,x,3,9,train"], "line 2: rating or timestamp is another one"),
        ([HEADER, "a,x,good,1,train"], "line 2: rating or timestamp is another one"),
        ([HEADER, "a,x,3,1,test"], "no row has the part train"),
        ([HEADER, "a,x,3,1,train,more"], "cannot be read as CSV or TSV"),
        ([HEADER], "no row has the part train"),
        ([""], "missing|cannot be read"),
    ],
)
def test_split_file_errors(tmp_path, lines, message):
    """What is wrong is named, with its line."""
    with pytest.raises(DataError, match=message):
        split_file(write(tmp_path / "s.csv", *lines), RATINGS)


def test_split_file_missing(tmp_path):
    """No file is the user's error too."""
    with pytest.raises(DataError, match="cannot be read"):
        split_file(tmp_path / "none.csv", RATINGS)


def test_split_file_reproduces_a_split(tmp_path):
    """A split written to a file and read again is the same split."""
    ratings = table([(user, f"m{i}", i) for user in "abc" for i in range(12)])
    split = per_user_temporal(ratings)
    parts = [getattr(split, part).assign(part=part) for part in ("test", "train", "validation")]
    pd.concat(parts).to_csv(tmp_path / "s.csv", index=False)

    again = split_file(tmp_path / "s.csv", ratings)

    for part in ("train", "validation", "test"):
        pd.testing.assert_frame_equal(getattr(again, part), getattr(split, part))
