"""Both layouts of MovieLens 100K become one typed table."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from trainer.datasets import Col, DataError, load_dataset


def movie(data, movie_id):
    row = data.movies[data.movies[Col.MOVIE] == movie_id].iloc[0]
    return row[Col.TITLE], row[Col.YEAR], row[Col.GENRES]


def test_both_layouts_give_equal_tables(small, load_grouplens, load_recbole):
    """Nothing but the source and the listed repairs tells the layouts apart."""
    one, other = load_grouplens(small), load_recbole(small)

    for table in ("ratings", "movies", "users"):
        pd.testing.assert_frame_equal(getattr(one, table), getattr(other, table))
    assert one.fingerprint() == other.fingerprint()
    assert (one.source, other.source) == (
        "MovieLens 100K, u.data layout",
        "MovieLens 100K, RecBole atomic files",
    )


@pytest.mark.parametrize("layout", ["load_grouplens", "load_recbole"])
def test_tables_are_typed_and_in_file_order(small, layout, request):
    """Ids are strings, ratings float32, times int64, and rows keep their order."""
    data = request.getfixturevalue(layout)(small)

    assert list(data.ratings.columns) == ["user_id", "movie_id", "rating", "timestamp"]
    assert list(data.movies.columns) == ["movie_id", "title", "year", "genres", "tags"]
    assert list(data.users.columns) == ["user_id", "age", "gender", "occupation", "zip_code"]
    assert isinstance(data.ratings.index, pd.RangeIndex)
    assert data.ratings[Col.RATING].dtype == np.float32
    assert data.ratings[Col.TIME].dtype == np.int64
    # user 2, movie 1: rating 1 + 3 % 5, time 880000000 + 200 + 1
    assert data.ratings.iloc[1].tolist() == ["u2", "1", 4.0, 880000201]
    assert data.users.iloc[0].tolist() == ["u1", 21, "F", "student", "V1N4P"]
    assert data.rating_range == (1.0, 5.0)
    assert len(data.genres) == 18
    assert "unknown" not in data.genres


@pytest.mark.parametrize("layout", ["load_grouplens", "load_recbole"])
@pytest.mark.parametrize(
    ("movie_id", "expected"),
    [
        ("1", ("Toy Story", 1995, ("Animation", "Children's", "Comedy"))),
        ("2", ("Seven (Se7en)", 1995, ("Crime", "Thriller"))),
        ("3", ("Misérables, Les", 1995, ("Drama", "Musical"))),
        ("4", ("Two Friends", 1986, ("Drama",))),
        ("5", ("Land Before Time", 1995, ("Animation",))),
        ("6", ("unknown", 0, ())),
        ("8", ("2001: A Space Odyssey", 1968, ("Drama", "Sci-Fi"))),
        ("9", ("Fire Down Below", 1997, ("Action", "Drama", "Thriller"))),
        ("10", ("Good Morning", 1971, ())),
    ],
)
def test_titles_years_and_genres(small, layout, movie_id, expected, request):
    """Only the trailing year leaves the title; genres stand in the data set's order."""
    assert movie(request.getfixturevalue(layout)(small), movie_id) == expected


def test_repairs_are_listed(small, load_grouplens, load_recbole):
    """Each repair is a sentence that names the movie; repeated titles are noted."""
    assert load_grouplens(small).repairs == (
        "Spaces around the title were removed (1 movies: 4).",
        "A mark such as (V) behind the year was removed (1 movies: 5).",
        "No year behind the title: 0 (unknown) (1 movies: 6).",
        "2 movies have no genre.",
        "1 titles repeat; they stay separate movies.",
    )
    assert load_recbole(small).repairs == (
        "Movie 5: release_year 'V' is no year, now 1995.",
        "Movie 6: release_year 'unkonwn' is no year, now 0 (unknown).",
        "Movie 6: title 'unkonwn' is now 'unknown'.",
        "2 movies have no genre.",
        "1 titles repeat; they stay separate movies.",
    )


@pytest.mark.parametrize("layout", ["load_grouplens", "load_recbole"])
def test_impossible_year_becomes_unknown(small, layout, request):
    """A year outside 1888..2100 is 0 and counted as a repair."""
    small.movies[0] = ("1", "Toy Story (1066)", "Toy Story", "1066", "Comedy")

    data = request.getfixturevalue(layout)(small)

    assert movie(data, "1") == ("Toy Story", 0, ("Comedy",))
    assert any("1066" in line or "1888..2100" in line for line in data.repairs)


def test_fingerprint_follows_the_content(small, load_grouplens):
    """One other rating is another fingerprint."""
    before = load_grouplens(small).fingerprint()
    user, movie_id, _, time = small.ratings[7].split("\t")
    small.ratings[7] = "\t".join((user, movie_id, "3.5", time))

    assert load_grouplens(small).fingerprint() != before


def test_zip_with_a_folder_inside_is_a_folder(small, tmp_path, load_grouplens):
    """`data_dir` may be a zip whose files lie in a sub-folder."""
    expected = load_grouplens(small).fingerprint()
    with zipfile.ZipFile(tmp_path / "copy.zip", "w") as archive:
        for file in (tmp_path / "grouplens").iterdir():
            archive.write(file, f"ml-100k/{file.name}")
            archive.writestr(f"__MACOSX/ml-100k/._{file.name}", b"\0")

    assert load_dataset("ml-100k", tmp_path / "copy.zip").fingerprint() == expected
    assert load_dataset("ml-100k", tmp_path).fingerprint() == expected


def test_line_ends_and_encodings_do_not_matter(small, tmp_path, load_grouplens):
    """CRLF, a byte order mark and a u.item saved as UTF-8 read as the original."""
    expected = load_grouplens(small).fingerprint()

    crlf = small.write_grouplens(tmp_path / "crlf", newline="\r\n", item="utf-8")
    assert load_dataset("ml-100k", crlf).fingerprint() == expected
    marked = small.write_recbole(tmp_path / "bom", newline="\r\n")
    inter = marked / "ml-100k.inter"
    inter.write_bytes(b"\xef\xbb\xbf" + inter.read_bytes())
    assert load_dataset("ml-100k", marked).fingerprint() == expected


def test_recbole_columns_may_stand_in_any_order(small, tmp_path, load_recbole):
    """The header names the columns; others than the needed ones are ignored."""
    expected = load_recbole(small).fingerprint()
    inter = tmp_path / "recbole" / "ml-100k.inter"
    lines = [line.split("\t") for line in inter.read_text().splitlines()]
    inter.write_text("".join("\t".join((t, "x", r, m, u)) + "\n" for u, m, r, t in lines))

    assert load_dataset("ml-100k", tmp_path / "recbole").fingerprint() == expected


def test_recbole_column_missing(small, tmp_path):
    """A header without a needed column names it."""
    folder = small.write_recbole(tmp_path)
    inter = folder / "ml-100k.inter"
    inter.write_text(inter.read_text().replace("rating:float", "stars:float", 1))

    with pytest.raises(DataError, match=r"ml-100k\.inter: column rating missing"):
        load_dataset("ml-100k", folder)


def test_recbole_not_utf8(small, tmp_path):
    """Bytes that are no UTF-8 are an error with the line."""
    folder = small.write_recbole(tmp_path)
    item = folder / "ml-100k.item"
    item.write_bytes(item.read_bytes().replace("é".encode(), b"\xe9"))

    with pytest.raises(DataError, match=r"ml-100k\.item: line 4 is not UTF-8"):
        load_dataset("ml-100k", folder)


def test_unknown_dataset_name():
    """The message lists the known names."""
    with pytest.raises(DataError, match="'ml-7' is unknown; known: ml-100k"):
        load_dataset("ml-7")


def test_missing_files_are_named(small, tmp_path):
    """Half a layout says what is missing, an empty folder what is wanted."""
    small.write_grouplens(tmp_path / "half")
    (tmp_path / "half" / "u.item").unlink()
    (tmp_path / "empty").mkdir()

    with pytest.raises(DataError, match=r"u\.data is there but u\.item is missing"):
        load_dataset("ml-100k", tmp_path / "half")
    with pytest.raises(DataError, match=r"needs u\.data, u\.item and u\.user, or RecBole's"):
        load_dataset("ml-100k", tmp_path / "empty")


def test_no_folder_and_no_zip(tmp_path):
    """A path that is neither says so."""
    (tmp_path / "letter.txt").write_text("dear reader")

    with pytest.raises(DataError, match="no such folder or zip"):
        load_dataset("ml-100k", tmp_path / "nowhere")
    with pytest.raises(DataError, match="not a readable zip"):
        load_dataset("ml-100k", tmp_path / "letter.txt")


def test_two_copies_are_ambiguous(small, tmp_path):
    """Two equally good copies are not guessed between; the one nearer to the top is."""
    small.write_grouplens(tmp_path / "a")
    small.write_grouplens(tmp_path / "b")

    with pytest.raises(DataError, match=r"both a/u\.data and b/u\.data could be meant"):
        load_dataset("ml-100k", tmp_path)
    small.write_recbole(tmp_path)
    assert load_dataset("ml-100k", tmp_path).source == "MovieLens 100K, RecBole atomic files"


def test_damaged_zip_member(small, tmp_path):
    """A zip whose content fails its checksum is an error, not another data set."""
    small.write_grouplens(tmp_path / "files")
    copy = tmp_path / "copy.zip"
    with zipfile.ZipFile(copy, "w", zipfile.ZIP_STORED) as archive:
        for file in (tmp_path / "files").iterdir():
            archive.write(file, file.name)
    copy.write_bytes(copy.read_bytes().replace(b"880000101", b"880000999", 1))

    with pytest.raises(DataError, match=r"u\.data cannot be read"):
        load_dataset("ml-100k", Path(copy))
