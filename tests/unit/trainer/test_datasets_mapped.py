"""Anybody's own CSV, TSV and Parquet files are read through a column mapping."""

from __future__ import annotations

import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from trainer.datasets import Col, DataError, load_mapped

MAPPING = """
name = "shop"
rating_range = [0, 10]

[ratings]
file = "events.{kind}"
user_id = "customer"
movie_id = "sku"
rating = "stars"
timestamp = "when"
timestamp_unit = "{unit}"

[movies]
file = "products.{kind}"
movie_id = "sku"
title = "name"
year = "made"
genres = "shelf"
genre_separator = ";"
tags = "keywords"
tag_separator = ","

[users]
file = "people.{kind}"
user_id = "customer"
age = "years"
"""
EVENTS = {
    "customer": ["ann", "0", "ann"],
    "sku": [10, 11, 11],
    "stars": [9.5, 0.0, 10.0],
    "when": [1_000_000_000_123, 1_000_000_001_000, 1_000_000_002_999],
}
PRODUCTS = {
    "sku": [10, 11],
    "name": ["Lamp (1999)", 'The "Chair", 2nd'],
    "made": [2001, None],
    "shelf": [["Light", "Home"], []],
    "keywords": [["Old", "warm light"], ["wood"]],
}
PEOPLE = {"customer": ["0", "ann"], "years": [31, None]}


def write(folder: Path, kind: str, unit: str = "ms", events: pa.Table | None = None) -> Path:
    """The three files and their mapping."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, columns, joint in (
        ("events", EVENTS, ""),
        ("products", PRODUCTS, ";"),
        ("people", PEOPLE, ""),
    ):
        table = pa.table(columns) if events is None or name != "events" else events
        if kind == "parquet":
            parquet.write_table(table, folder / f"{name}.parquet")
            continue
        frame = table.to_pandas()
        if joint:
            frame["shelf"] = frame["shelf"].map(joint.join)
            frame["keywords"] = frame["keywords"].map(",".join)
            frame["made"] = frame["made"].astype("Int64")
        frame.to_csv(folder / f"{name}.{kind}", index=False, sep="\t" if kind == "tsv" else ",")
    path = folder / "shop.toml"
    path.write_text(MAPPING.format(kind=kind, unit=unit))
    return path


@pytest.mark.parametrize("kind", ["csv", "tsv", "parquet"])
def test_formats_give_the_same_tables(tmp_path, kind):
    """Ids, half stars, milliseconds, lists and gaps mean the same in each format."""
    data = load_mapped(write(tmp_path, kind))

    assert (data.name, data.source) == ("shop", "shop, columns by shop.toml")
    assert data.ratings.to_numpy().tolist() == [
        ["ann", "10", 9.5, 1_000_000_000],
        ["0", "11", 0.0, 1_000_000_001],
        ["ann", "11", 10.0, 1_000_000_002],
    ]
    assert data.movies.to_numpy().tolist() == [
        ["10", "Lamp (1999)", 2001, ("Home", "Light"), ("old", "warm light")],
        ["11", 'The "Chair", 2nd', 0, (), ("wood",)],
    ]
    assert data.users.to_numpy().tolist() == [["0", 31, "", "", ""], ["ann", 0, "", "", ""]]
    assert data.genres == ("Home", "Light")
    assert data.rating_range == (0.0, 10.0)
    assert data.rejected == {}


def test_parquet_types_need_no_unit(tmp_path):
    """Timestamps have their own unit, dictionaries are texts, and float ids lose their .0."""
    moments = pa.array([datetime(2001, 9, 9, 1, 46, 40, tzinfo=UTC)] * 3, pa.timestamp("us", "UTC"))
    events = pa.table(
        {
            "customer": pa.array(["ann", "0", "ann"]).dictionary_encode(),
            "sku": pa.array([10.0, 11.0, 11.0]),
            "stars": pa.array([9, 0, 10], pa.int8()),
            "when": moments,
        }
    )

    data = load_mapped(write(tmp_path, "parquet", events=events))

    assert data.ratings.iloc[0].tolist() == ["ann", "10", 9.0, 1_000_000_000]


def test_parquet_ids_with_gaps(tmp_path):
    """Ids that a gap has turned into floats stay whole numbers, and the gap is an empty id."""
    ids = [12_345_678_901.0] * 150 + [float("nan")]
    events = pa.table({"u": ids, "i": [*range(150), 3], "r": [1.5, *[4.0] * 150]})
    parquet.write_table(events, tmp_path / "e.parquet")
    (tmp_path / "m.toml").write_text(
        '[ratings]\nfile="e.parquet"\nuser_id="u"\nmovie_id="i"\nrating="r"'
    )

    data = load_mapped(tmp_path / "m.toml")

    assert data.users[Col.USER].tolist() == ["12345678901"]
    assert data.ratings[Col.RATING].tolist() == [1.5, *[4.0] * 149]
    assert list(data.rejected.values()) == [1]


def test_times_as_text(tmp_path):
    """ISO 8601 with and without an offset is read as UTC."""
    (tmp_path / "e.csv").write_text(
        "u,i,r,t\na,1,3,2001-09-09T01:46:40Z\nb,1,4,2001-09-09 03:46:41+02:00\n"
    )
    (tmp_path / "m.toml").write_text(
        '[ratings]\nfile="e.csv"\nuser_id="u"\nmovie_id="i"\nrating="r"\ntimestamp="t"\n'
        'timestamp_unit="iso"'
    )

    assert load_mapped(tmp_path / "m.toml").ratings[Col.TIME].tolist() == [10**9, 10**9 + 1]


def test_ratings_alone_are_enough(tmp_path):
    """Without other files movies and users are the rated ones, and all guesses are told."""
    (tmp_path / "data").mkdir()
    with zipfile.ZipFile(tmp_path / "data" / "x.zip", "w") as archive:
        archive.writestr("in/e.txt", "u;i;r\na;1;3\na;1;4\nb;x y;1\n")
    (tmp_path / "mine.toml").write_text(
        '[ratings]\nfile="in/e.txt"\nseparator=";"\nuser_id="u"\nmovie_id="i"\nrating="r"'
    )

    data = load_mapped(tmp_path / "mine.toml", tmp_path / "data" / "x.zip")

    assert data.name == "mine"
    assert data.ratings.to_numpy().tolist() == [["a", "1", 4.0, 0], ["b", "x y", 1.0, 0]]
    assert data.movies.to_numpy().tolist() == [["1", "", 0, (), ()], ["x y", "", 0, (), ()]]
    assert data.rating_range == (1.0, 4.0)
    assert data.repairs == (
        "There are no timestamps: rows count as being in order of time.",
        "No rating_range is given: 1..4 is what occurs.",
        "No file describes the movies: 2 rated ones, title unknown.",
        "No file describes the users: 2 with ratings.",
        "2 movies have no genre.",
    )
    assert data.rejected == {
        "e.txt: an older rating of the same movie by the same user (the last row counts)": 1
    }


def test_encoding(tmp_path):
    """Another encoding than UTF-8 is named in the mapping."""
    (tmp_path / "e.csv").write_bytes("u,i,r\nJosé,1,3\nJosé,2,4\n".encode("cp1252"))
    lines = '[ratings]\nfile="e.csv"\nuser_id="u"\nmovie_id="i"\nrating="r"\n'
    (tmp_path / "m.toml").write_text(lines + 'encoding="cp1252"')
    assert load_mapped(tmp_path / "m.toml").ratings[Col.USER].tolist() == ["José", "José"]

    (tmp_path / "m.toml").write_text(lines)
    with pytest.raises(DataError, match=r"e\.csv: cannot be read as utf-8"):
        load_mapped(tmp_path / "m.toml")


RATINGS = '[ratings]\nfile = "e.csv"\nuser_id = "u"\nmovie_id = "i"\nrating = "r"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[ratings", "cannot be read as TOML"),
        ("", r"the table \[ratings\] is missing"),
        ("name = 3\n" + RATINGS, "name is to be a text"),
        ("ratings = 3", r"\[ratings\] is to be a table of texts"),
        ('[ratings]\nfile = "e.csv"', r"\[ratings\] lacks user_id, movie_id, rating"),
        (RATINGS + 'stars = "x"', r"\[ratings\] stars is unknown; known: .*rating"),
        ("[reviews]\n" + RATINGS, r"reviews is unknown; known: movies, name"),
        (RATINGS + 'timestamp_unit = "h"', "timestamp_unit 'h' is none of s, ms, us, ns, iso"),
        (RATINGS + 'separator = "::"', "separator is to be one character"),
        ("rating_range = [5, 1]\n" + RATINGS, "rating_range is to be two numbers"),
        ("rating_range = [1]\n" + RATINGS, "rating_range is to be two numbers"),
        ('rating_range = ["a", "b"]\n' + RATINGS, "rating_range is to be two numbers"),
        (RATINGS.replace("e.csv", "f.csv"), r"\[ratings\] file f\.csv is not there"),
        (RATINGS.replace("e.csv", "e.txt"), r"\[ratings\] needs a separator"),
        (RATINGS.replace('"r"', '"stars"'), r"column stars missing; the file has u, i, r"),
        (RATINGS.replace("e.csv", "no.parquet"), r"no\.parquet: cannot be read as Parquet"),
        (RATINGS.replace("e.csv", "other.parquet"), r"column r missing; the file has u, i"),
        (RATINGS.replace("e.csv", "odd.parquet"), r"column u of type .* cannot be used"),
        (RATINGS.replace("e.csv", "same.csv"), "name the rating_range"),
    ],
)  # fmt: skip
def test_errors_say_what_to_change(tmp_path, text, message):
    """Each mistake in a mapping, or in a file that it names, is told."""
    (tmp_path / "e.csv").write_text("u,i,r\na,1,3\nb,1,4\n")
    (tmp_path / "same.csv").write_text("u,i,r\na,1,3\nb,1,3\n")
    (tmp_path / "e.txt").write_text("u,i,r\na,1,3\n")
    (tmp_path / "no.parquet").write_text("not at all")
    parquet.write_table(pa.table({"u": ["a"], "i": ["b"]}), tmp_path / "other.parquet")
    odd = pa.table({"u": [{"x": 1}], "i": ["b"], "r": [1]})
    parquet.write_table(odd, tmp_path / "odd.parquet")
    (tmp_path / "m.toml").write_text(text)

    with pytest.raises(DataError, match=message):
        load_mapped(tmp_path / "m.toml")


def test_missing_mapping(tmp_path):
    """No file is the user's error too."""
    with pytest.raises(DataError, match="cannot be read as TOML"):
        load_mapped(tmp_path / "none.toml")


def test_index_is_fresh(tmp_path):
    """Tables are numbered from 0, as from every other layout."""
    data = load_mapped(write(tmp_path, "parquet"))

    assert isinstance(data.ratings.index, pd.RangeIndex)
    assert isinstance(data.movies.index, pd.RangeIndex)
