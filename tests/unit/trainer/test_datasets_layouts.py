"""Every layout of MovieLens becomes one typed table, whatever its separators and encodings."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pandas as pd
import pytest

from trainer.datasets import Col, DataError, load_dataset

MOVIES = (
    ("0", "Toy Story (1995)", "Animation|Children's|Comedy"),
    ("2", "City of Lost Children, The (Cité des enfants perdus, La) (1995)", "Adventure|Sci-Fi"),
    ("3", 'Movie: "The Quoted" One (2001)', "Comedy|Action"),
    ("4", "Babylon 5", "Sci-Fi"),
    ("5", "Death Note (2006\N{EN DASH}2007)", "(no genres listed)"),
    ("6", "Running Series (2011- )", "Drama"),
    ("7", "千と千尋の神隠し (2001)", "Animation"),
    ("8", "Toy Story (1995)", "Comedy"),
)
EXPECTED = {
    "0": ("Toy Story", 1995, ("Animation", "Children's", "Comedy")),
    "2": (
        "City of Lost Children, The (Cité des enfants perdus, La)",
        1995,
        ("Adventure", "Sci-Fi"),
    ),
    "3": ('Movie: "The Quoted" One', 2001, ("Action", "Comedy")),
    "4": ("Babylon 5", 0, ("Sci-Fi",)),
    "5": ("Death Note", 2006, ()),
    "6": ("Running Series", 2011, ("Drama",)),
    "7": ("千と千尋の神隠し", 2001, ("Animation",)),
    "8": ("Toy Story", 1995, ("Comedy",)),
}
# 15 users, from 0 on, times 8 movies: 120 ratings in half stars.
RATINGS = [
    (str(user), movie, 0.5 + (user + position) % 10 / 2, 1_000_000_000 + 10 * user + position)
    for user in range(15)
    for position, (movie, _, _) in enumerate(MOVIES)
]
TAGS = [
    ("1", "0", "Pixar"),
    ("2", "0", "  pixar "),
    ("2", "0", "PIXAR!"),  # the same user again: still two users
    ("3", "0", "fun, for kids"),
    ("3", "2", '"dystopia"'),
    ("4", "2", "\N{FULLWIDTH LATIN SMALL LETTER A}rt"),
    ("4", "2", " . "),
]


def quote(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if any(c in text for c in ',"\n') else text


def write_csv(folder: Path, newline: str = "\n", header: str = "userId,movieId,rating,timestamp",
              titles: str = "movieId,title,genres") -> Path:  # fmt: skip
    """The layout of latest-small, 20M and later."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, first, rows in (
        ("ratings.csv", header, RATINGS),
        ("movies.csv", titles, MOVIES),
        ("tags.csv", "userId,movieId,tag,timestamp", [(*tag, 1) for tag in TAGS]),
    ):
        lines = [first, *(",".join(quote(str(value)) for value in row) for row in rows)]
        (folder / name).write_bytes("".join(line + newline for line in lines).encode())
    return folder


def write_dat(folder: Path, encoding: str = "utf-8", newline: str = "\n") -> Path:
    """The layout of 1M and 10M, without users.dat."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in (
        ("ratings.dat", RATINGS),
        ("movies.dat", MOVIES),
        ("tags.dat", [(*tag, 1) for tag in TAGS]),
    ):
        lines = ["::".join(str(value) for value in row) + newline for row in rows]
        (folder / name).write_bytes("".join(lines).encode(encoding, "replace"))
    return folder


def write_recbole(folder: Path) -> Path:
    """RecBole's conversion of such a data set: no .user file, genres separated by spaces."""
    folder.mkdir(parents=True, exist_ok=True)
    items = []
    for movie, title, genres in MOVIES:
        name, year, _ = EXPECTED[movie]
        items.append((movie, name, year or title, genres.replace("|", " ")))
    for name, first, rows in (
        ("ml-10m.inter", "user_id:token\titem_id:token\trating:float\ttimestamp:float", RATINGS),
        (
            "ml-10m.item",
            "item_id:token\tmovie_title:token_seq\trelease_year:token\tgenre:token_seq",
            items,
        ),
    ):
        lines = [first, *("\t".join(str(value) for value in row) for row in rows)]
        (folder / name).write_text("".join(line + "\n" for line in lines))
    return folder


def described(data) -> dict[str, tuple[str, int, tuple[str, ...]]]:
    return {row.movie_id: (row.title, row.year, row.genres) for row in data.movies.itertuples()}


@pytest.mark.parametrize("write", [write_csv, write_dat, write_recbole])
def test_layouts_give_equal_tables(tmp_path, write):
    """Titles, years, genres, half stars and ids from 0 on are the same in every layout."""
    data = load_dataset("ml-10m", write(tmp_path))

    assert described(data) == EXPECTED
    assert data.genres == ("Action", "Adventure", "Animation", "Children's", "Comedy", "Drama",
                           "Sci-Fi")  # fmt: skip
    assert data.rating_range == (0.5, 5.0)
    assert data.ratings.to_numpy().tolist() == [list(row) for row in RATINGS]
    assert data.users[Col.USER].tolist() == [str(user) for user in range(15)]
    assert data.users.iloc[0].tolist() == ["0", 0, "", "", ""]
    assert not [reason for reason in data.rejected if "ratings" in reason or "movies" in reason]


def test_repairs_are_reported(tmp_path):
    """Missing years, ranges, missing genres, missing users, repeated titles and tags are told."""
    data = load_dataset("ml-25m", write_csv(tmp_path))

    assert data.source == "MovieLens 25M, CSV layout"
    assert data.repairs == (
        "Of a range of years the first was taken (2 movies: 5, 6).",
        "No year behind the title: 0 (unknown) (1 movies: 4).",
        "No file describes the users: 15 with ratings.",
        "1 movies have no genre.",
        "1 titles repeat; they stay separate movies.",
        "4 different tags on 2 movies, 0 beyond the first 20 of a movie left out.",
    )
    assert data.rejected == {"tags.csv: a tag that is empty, unprintable or over 64 bytes": 1}


@pytest.mark.parametrize("write", [write_csv, write_dat])
def test_tags_are_normalised_and_counted_by_user(tmp_path, write):
    """The tag of more users stands first; spelling, quotes and width make no difference."""
    movies = load_dataset("ml-10m", write(tmp_path)).movies.set_index(Col.MOVIE)

    assert movies.loc["0", Col.TAGS] == ("pixar", "fun, for kids")
    assert movies.loc["2", Col.TAGS] == ("art", "dystopia")
    assert movies.loc["3", Col.TAGS] == ()


def test_a_movie_keeps_twenty_tags(tmp_path):
    """Of 25 tags the 20 that most users gave are kept; the rest is counted."""
    folder = write_csv(tmp_path)
    rows = [f"{user},0,tag {tag:02},1" for tag in range(25) for user in range(1 + (tag >= 22))]
    (folder / "tags.csv").write_text("userId,movieId,tag,timestamp\n" + "\n".join(rows))

    data = load_dataset("ml-25m", folder)

    tags = data.movies[Col.TAGS].iloc[0]
    assert tags[:4] == ("tag 22", "tag 23", "tag 24", "tag 00")
    assert len(tags) == 20
    assert (
        "20 different tags on 1 movies, 5 beyond the first 20 of a movie left out." in data.repairs
    )


def test_tags_of_unknown_movies_are_left_out(tmp_path):
    """A tag may be on a movie that nobody rated: it is counted and no error."""
    folder = write_csv(tmp_path)
    with (folder / "tags.csv").open("a") as stream:
        stream.write("1,999,lost,1\n")

    rejected = load_dataset("ml-25m", folder).rejected

    assert rejected["tags.csv: a tag of a movie that nobody described or rated"] == 1


def test_files_without_a_row(tmp_path):
    """No tags yet is fine; no ratings is not."""
    folder = write_csv(tmp_path)
    (folder / "tags.csv").write_text("userId,movieId,tag,timestamp\n")
    assert load_dataset("ml-25m", folder).movies[Col.TAGS].tolist() == [()] * 8
    (folder / "tags.csv").unlink()
    assert load_dataset("ml-25m", folder).movies[Col.TAGS].tolist() == [()] * 8

    (folder / "ratings.csv").write_text("userId,movieId,rating,timestamp\n")
    with pytest.raises(DataError, match=r"ratings\.csv: no rows"):
        load_dataset("ml-25m", folder)


@pytest.mark.parametrize(
    "header",
    ["USERID,MovieID,Rating,TimeStamp", '"user_id","movie_id","rating","timestamp"',
     "user,movie,rating,timestamp", "User Id, Item Id ,rating,timestamp"],
)  # fmt: skip
def test_header_case_and_spelling_do_not_matter(tmp_path, header):
    """Case, spaces, quotes and underscores in a header say nothing; nor do CRLF and a BOM."""
    expected = load_dataset("ml-25m", write_csv(tmp_path / "a")).fingerprint()
    other = write_csv(tmp_path / "b", "\r\n", header, "MOVIE_ID,TITLE,Genre")
    movies = other / "movies.csv"
    movies.write_bytes(b"\xef\xbb\xbf" + movies.read_bytes())

    assert load_dataset("ml-25m", other).fingerprint() == expected


def test_missing_column(tmp_path):
    """A header that lacks a needed column names it."""
    folder = write_csv(tmp_path, header="userId,movieId,stars,timestamp")

    with pytest.raises(DataError, match=r"ratings\.csv: column rating missing in the header"):
        load_dataset("ml-25m", folder)


def test_a_column_twice(tmp_path):
    """Which of two columns of one name is meant is not guessed."""
    folder = write_csv(tmp_path, header="userId,movieId,rating,rating")

    with pytest.raises(DataError, match=r"the header names rating more than once"):
        load_dataset("ml-25m", folder)


def test_quote_that_is_never_closed(tmp_path):
    """What an open quote swallows counts as bad rows: the run stops."""
    folder = write_csv(tmp_path)
    ratings = folder / "ratings.csv"
    lines = ratings.read_text().splitlines(keepends=True)
    ratings.write_text("".join([*lines[:60], '1,"2,3.0,1\n', *lines[60:]]))

    with pytest.raises(DataError, match=r"61 with a line inside a quoted value \(first at line 61"):
        load_dataset("ml-25m", folder)


def test_quote_that_is_never_closed_in_a_large_file(tmp_path):
    """A value of more than a megabyte is an error with the file's name."""
    folder = write_csv(tmp_path)
    with (folder / "ratings.csv").open("a") as stream:
        stream.write('1,"2,3.0,1\n' + "1,2,3.0,1\n" * 250_000)

    with pytest.raises(DataError, match=r"ratings\.csv: a value is over a megabyte long or"):
        load_dataset("ml-25m", folder)


def test_line_break_inside_quotes(tmp_path):
    """One text over two lines is one value, and the second line is counted."""
    folder = write_csv(tmp_path)
    rows = ["userId,movieId,tag,timestamp", '1,0,"two\nlines",1', *["1,0,x,1"] * 200]
    (folder / "tags.csv").write_text("\n".join(rows) + "\n")

    data = load_dataset("ml-25m", folder)

    assert data.movies[Col.TAGS].iloc[0] == ("two lines", "x")
    assert data.rejected["tags.csv: a line inside a quoted value"] == 1


def test_ml_1m_codes_become_names(tmp_path):
    """Occupations are named as the README says; ages stay the lower bound of their group."""
    movies = "1::Toy Story (1995)::Animation|Children's|Comedy\n3::Misérables, Les (1995)::Drama\n"
    (tmp_path / "movies.dat").write_bytes(movies.encode("latin-1"))
    (tmp_path / "users.dat").write_text("1::F::1::10::48067\n2::M::56::16::70072\n3::M::25::0::1\n")
    (tmp_path / "ratings.dat").write_text("1::3::5::978300760\n2::1::3::978302109\n")

    data = load_dataset("ml-1m", tmp_path)

    assert data.source == "MovieLens 1M, ratings.dat layout"
    assert data.users.to_numpy().tolist() == [
        ["1", 1, "F", "K-12 student", "48067"],
        ["2", 56, "M", "self-employed", "70072"],
        ["3", 25, "M", "other", "1"],
    ]
    assert list(data.users.columns) == ["user_id", "age", "gender", "occupation", "zip_code"]
    assert described(data)["3"] == ("Misérables, Les", 1995, ("Drama",))
    assert data.rating_range == (1.0, 5.0)
    assert len(data.genres) == 18

    (tmp_path / "users.dat").write_text("1::F::1::21::48067\n")
    with pytest.raises(DataError, match=r"an occupation other than 0\.\.20"):
        load_dataset("ml-1m", tmp_path)


def test_ml_1m_as_csv_in_latin_1(tmp_path):
    """A copy of 1M as CSV, with users.csv and Latin-1 titles, reads as the original."""
    (tmp_path / "movies.csv").write_bytes(
        'movie,title,genres\n3,"Misérables, Les (1995)",Drama\n'.encode("latin-1")
    )
    (tmp_path / "users.csv").write_text("user,gender,age,occupation,zip\n1,F,18,4,48067\n")
    (tmp_path / "ratings.csv").write_text("user,movie,rating,timestamp\n1,3,5,978300760\n")

    data = load_dataset("ml-1m", tmp_path)

    assert described(data) == {"3": ("Misérables, Les", 1995, ("Drama",))}
    assert data.users.iloc[0].tolist() == ["1", 18, "F", "college/grad student", "48067"]


def test_second_rating_in_half_stars_wins(tmp_path):
    """The later row counts in every layout, and how many were overruled is told."""
    folder = write_dat(tmp_path)
    with (folder / "ratings.dat").open("a") as stream:
        stream.write("0::0::4.5::1200000000\n")

    data = load_dataset("ml-10m", folder)

    assert len(data.ratings) == 120
    assert data.ratings.iloc[-1].tolist() == ["0", "0", 4.5, 1200000000]
    assert list(data.rejected.values())[:1] == [1]


def test_half_stars_are_bad_in_a_data_set_of_whole_ones(tmp_path):
    """0.5 lies outside MovieLens 100K's range: the files are not what was asked for."""
    with pytest.raises(DataError, match=r"with a rating outside 1\.\.5"):
        load_dataset("ml-100k", write_csv(tmp_path))


def test_layout_is_found_by_the_files(tmp_path):
    """A zip with a folder inside; what is missing beside half a layout is named."""
    write_csv(tmp_path / "files")
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for file in (tmp_path / "files").iterdir():
            archive.write(file, f"ml-latest-small/{file.name}")
    assert len(load_dataset("ml-latest-small", tmp_path / "x.zip").ratings) == 120

    (tmp_path / "files" / "movies.csv").unlink()
    with pytest.raises(DataError, match=r"ratings\.csv is there but movies\.csv is missing"):
        load_dataset("ml-latest-small", tmp_path / "files")


def test_string_ids_stay_as_they_are(tmp_path):
    """Ids are texts: leading zeros, letters and any script are kept, and order is the file's."""
    (tmp_path / "movies.csv").write_text("movieId,title,genres\n007,Dr. No (1962),Action\n")
    (tmp_path / "ratings.csv").write_text(
        "userId,movieId,rating,timestamp\nżółw,007,3,1\nu-1,007,4,2\n"
    )

    data = load_dataset("ml-latest-small", tmp_path)

    assert data.users[Col.USER].tolist() == ["żółw", "u-1"]
    assert data.ratings[Col.MOVIE].tolist() == ["007", "007"]
    assert isinstance(data.ratings.index, pd.RangeIndex)
