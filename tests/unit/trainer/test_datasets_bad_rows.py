"""Bad rows are counted by reason, and too many of them stop the run."""

from __future__ import annotations

import pytest

from trainer.datasets import Col, DataError, load_dataset


@pytest.mark.parametrize("layout", ["load_grouplens", "load_recbole"])
@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("u1\t1\t3", "other than 4 columns"),
        ("u1\t1\t3\t880000000\tx", "other than 4 columns"),
        ("", "other than 4 columns"),
        ("u1\t1\tgood\t880000000", "a rating that is no number"),
        ("u1\t1\t\t880000000", "a rating that is no number"),
        ("u1\t1\tnan\t880000000", "a rating that is no number"),
        ("u1\t1\t0\t880000000", "a rating outside 1..5"),
        ("u1\t1\tinf\t880000000", "a rating outside 1..5"),
        ("u1\t1\t3\tyesterday", "a timestamp that is no time in seconds since 1970"),
        ("u1\t1\t3\t-1", "a timestamp that is no time in seconds since 1970"),
        ("u1\t1\t3\t880000000000000", "a timestamp that is no time in seconds since 1970"),
        (
            "\t1\t3\t880000000",
            "a user_id that is empty, over 256 bytes or has control characters",
        ),
        (
            "u1\t" + "é" * 129 + "\t3\t880000000",
            "a movie_id that is empty, over 256 bytes or has control characters",
        ),
        (
            "u\x071\t1\t3\t880000000",
            "a user_id that is empty, over 256 bytes or has control characters",
        ),
    ],
)
def test_one_bad_rating_is_left_out_and_counted(small, layout, row, reason, request):
    """A row in 121 is below the limit: the other 120 are read."""
    small.ratings.insert(5, row.encode().decode("latin-1") if "é" in row else row)

    data = request.getfixturevalue(layout)(small)

    assert len(data.ratings) == 120
    assert [(r.partition(": ")[2], n) for r, n in data.rejected.items()] == [(reason, 1)]


def test_more_than_one_percent_stops_the_run(small, load_grouplens):
    """The error lists every reason, its count, and the line of the first such row."""
    small.ratings[2:2] = ["u1\t1\t9\t880000000", "u1\t1\t3", "u1\t1\t0\t880000000"]

    with pytest.raises(DataError) as caught:
        load_grouplens(small)

    assert str(caught.value) == (
        "u.data: 3 of 123 rows are bad, more than 1%: "
        "1 with other than 4 columns (first at line 4); "
        "2 with a rating outside 1..5 (first at line 3)"
    )


def test_lines_count_from_the_header(small, load_recbole):
    """In a file with a header the first row is line 2."""
    small.ratings[:2] = ["u1\t1\tx\t1", "u2\t1\ty\t1"]

    with pytest.raises(DataError, match=r"2 with a rating that is no number \(first at line 2\)"):
        load_recbole(small)


def test_exactly_one_percent_is_allowed(small, load_grouplens):
    """The limit itself passes: 1 of 100."""
    small.ratings[99:] = ["u1\t1\tx\t1"]

    assert len(load_grouplens(small).ratings) == 99


def test_second_rating_of_a_movie_wins(small, load_grouplens):
    """Of two rows for one (user, movie) the later one counts; it is no bad row."""
    again = [row.rsplit("\t", 2)[0] + "\t5\t890000000" for row in small.ratings[:60]]
    small.ratings += again

    data = load_grouplens(small)

    assert len(data.ratings) == 120
    assert list(data.rejected.values()) == [60]
    assert "older rating of the same movie" in next(iter(data.rejected))
    assert data.ratings[Col.RATING].tail(60).eq(5).all()
    assert data.ratings.iloc[-1].tolist() == ["u12", "5", 5.0, 890000000]


def test_bad_row_does_not_overrule_a_good_one(small, load_grouplens):
    """A later row that is bad leaves the earlier good rating of that movie in place."""
    small.ratings.append("u1\t1\t7\t890000000")

    data = load_grouplens(small)

    assert data.ratings.iloc[0].tolist() == ["u1", "1", 3.0, 880000101]


@pytest.mark.parametrize("layout", ["load_grouplens", "load_recbole"])
def test_rated_movie_and_user_without_a_row_are_added(small, layout, request):
    """A rating is kept when the movie or the user is merely not described."""
    small.ratings += ["u1\t77\t4\t880000000"]

    data = request.getfixturevalue(layout)(small)

    assert data.ratings.iloc[-1][Col.MOVIE] == "77"
    assert data.movies.iloc[-1].tolist() == ["77", "", 0, (), ()]
    assert any("1 rated movie_ids have no row in" in repair for repair in data.repairs)
    assert data.movies[Col.YEAR].dtype == "int64"

    small.ratings[-1] = "guest\t1\t4\t880000000"
    data = request.getfixturevalue(layout)(small)
    assert data.users.iloc[-1].tolist() == ["guest", 0, "", "", ""]
    assert data.users[Col.AGE].dtype == "int64"


def test_files_that_do_not_belong_together(small, load_grouplens):
    """Many ratings of movies that u.item lacks are the wrong u.item."""
    del small.movies[0]

    with pytest.raises(DataError, match=r"12 with a movie_id that u\.item lacks"):
        load_grouplens(small)


@pytest.mark.parametrize(
    ("user", "reason"),
    [
        ("u1\told\tM\tx\t1", "an age that is no whole number in 0..120"),
        ("u1\t121\tM\tx\t1", "an age that is no whole number in 0..120"),
        ("u1\t20\tmale\tx\t1", "a gender other than M, F or nothing"),
        ("u2\t20\tM\tx\t1", "a user_id that a later row repeats"),
        ("u1\t20\tM\tx", "other than 5 columns"),
    ],
)
def test_bad_users_are_counted(small, load_recbole, user, reason):
    """Twelve users allow no bad one."""
    small.users[0] = user

    with pytest.raises(DataError, match=reason):
        load_recbole(small)


def test_unknown_age_and_gender_are_allowed(small, load_grouplens):
    """Nothing stated is 0 and ""; it is no bad row."""
    small.users[0] = "u1\t\t\t\t"

    assert load_grouplens(small).users.iloc[0].tolist() == ["u1", 0, "", "", ""]


def test_strange_genres_are_bad(small, load_recbole):
    """A genre that the data set does not have is a bad row of the movies' file."""
    small.movies[0] = ("1", "", "Toy Story", "1995", "Comedy Anime")

    with pytest.raises(DataError, match=r"ml-100k\.item: 1 of 10 rows are bad.*genre"):
        load_recbole(small)


def test_genre_flags_other_than_0_and_1_are_bad(small, tmp_path):
    """u.item's flags are 0 or 1."""
    folder = small.write_grouplens(tmp_path)
    item = folder / "u.item"
    item.write_bytes(item.read_bytes().replace(b"|0\n", b"|2\n", 1))

    with pytest.raises(DataError, match=r"u\.item: 1 of 10 rows are bad.*genre flag"):
        load_dataset("ml-100k", folder)


def test_empty_file(small, load_grouplens):
    """A file without a row is named."""
    small.users.clear()

    with pytest.raises(DataError, match=r"u\.user: no rows"):
        load_grouplens(small)
