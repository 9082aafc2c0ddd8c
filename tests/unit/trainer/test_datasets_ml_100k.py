"""The real MovieLens 100K reads as its own documentation says."""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from trainer.datasets import Col, Dataset, fetch, load_dataset
from trainer.datasets.fetch import SOURCES

FLAGS = (
    *("unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime"),
    *("Documentary", "Drama", "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance"),
    *("Sci-Fi", "Thriller", "War", "Western"),
)


@pytest.fixture(scope="session")
def recbole_zip() -> Path:
    """RecBole's copy, whatever else the cache holds."""
    return fetch("ml-100k", sources=[SOURCES["ml-100k"][-1]])


def write_grouplens(recbole_zip: Path, folder: Path) -> None:
    """RecBole's rows in GroupLens' layout, with the quirks that the original has."""
    with zipfile.ZipFile(recbole_zip) as archive:
        inter, item, user = (
            archive.read(f"ml-100k.{suffix}").decode().partition("\n")[2]
            for suffix in ("inter", "item", "user")
        )
    (folder / "u.data").write_text(inter)
    (folder / "u.user").write_text(user.replace("\t", "|"))
    lines = []
    for movie_id, name, year, genres in csv.reader(
        item.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE
    ):
        title = {"unkonwn": "unknown", "V": f"{name} (V)"}.get(year, f"{name} ({year})")
        trailing = " " if movie_id in {"1128", "1201", "1635"} else ""
        flags = "|".join(str(int(flag in genres.split())) for flag in FLAGS)
        lines.append(f"{movie_id}|{title}{trailing}|01-Jan-1995||url|{flags}\n")
    (folder / "u.item").write_bytes("".join(lines).encode("latin-1"))


def test_sizes(ml_100k: Dataset):
    """100,000 ratings of 1682 movies by 943 users, none of them bad."""
    assert (len(ml_100k.ratings), len(ml_100k.movies), len(ml_100k.users)) == (100_000, 1682, 943)
    assert not ml_100k.rejected
    assert ml_100k.ratings[Col.USER].nunique() == 943
    assert ml_100k.ratings[Col.MOVIE].nunique() == 1682
    assert set(ml_100k.ratings[Col.MOVIE]) == set(ml_100k.movies[Col.MOVIE])


def test_known_rows(ml_100k: Dataset):
    """The first rating, the first user, and the movies that the layouts tell differently."""
    movies = ml_100k.movies.set_index(Col.MOVIE)

    assert ml_100k.ratings.iloc[0].tolist() == ["196", "242", 3.0, 881250949]
    assert ml_100k.users.iloc[0].tolist() == ["1", 24, "M", "technician", "85711"]
    assert movies.loc["1"].tolist() == [
        "Toy Story",
        1995,
        ("Animation", "Children's", "Comedy"),
        (),
    ]
    assert movies.loc["267"].tolist() == ["unknown", 0, (), ()]
    assert movies.loc["1373"].tolist() == ["Good Morning", 1971, (), ()]
    assert movies.loc["1412", Col.TITLE] == ("Land Before Time III: The Time of the Great Giving")
    assert movies.loc["1412", Col.YEAR] == 1995
    assert movies.loc["6", Col.TITLE] == "Shanghai Triad (Yao a yao yao dao waipo qiao)"
    assert (movies[Col.YEAR] == 0).sum() == 1


def test_repeated_titles_stay_separate(ml_100k: Dataset):
    """22 titles repeat, and a note says so."""
    assert (ml_100k.movies[Col.TITLE].value_counts() > 1).sum() == 22
    assert "22 titles repeat; they stay separate movies." in ml_100k.repairs


def test_real_data_is_equal_in_both_layouts(recbole_zip: Path, tmp_path: Path):
    """The same rows as u.* files and as atomic files are one typed table."""
    write_grouplens(recbole_zip, tmp_path)

    atomic, grouplens = load_dataset("ml-100k", recbole_zip), load_dataset("ml-100k", tmp_path)

    for table in ("ratings", "movies", "users"):
        pd.testing.assert_frame_equal(getattr(atomic, table), getattr(grouplens, table))
    assert atomic.fingerprint() == grouplens.fingerprint()
    assert "Movie 1412: release_year 'V' is no year, now 1995." in atomic.repairs
    assert "Movie 267: title 'unkonwn' is now 'unknown'." in atomic.repairs
    assert grouplens.repairs == (
        "Spaces around the title were removed (3 movies: 1128, 1201, 1635).",
        "A mark such as (V) behind the year was removed (1 movies: 1412).",
        "No year behind the title: 0 (unknown) (1 movies: 267).",
        "2 movies have no genre.",
        "22 titles repeat; they stay separate movies.",
    )
