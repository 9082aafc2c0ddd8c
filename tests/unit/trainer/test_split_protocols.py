"""Splits by name are the protocols of the sources and of the measured figures, row for row."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import train_test_split

from trainer.datasets import Col, DataError, Dataset
from trainer.split import SPLITS, make_split
from trainer.split.parts import Asking


def dataset(rows: list[tuple[str, str, int]], movies: list[str] | None = None) -> Dataset:
    """(user, movie, timestamp) rows, all rated 3."""
    users, rated, times = zip(*rows, strict=True)
    return Dataset(
        name="made",
        source="made by a test",
        ratings=pd.DataFrame(
            {
                "user_id": list(users),
                "movie_id": list(rated),
                "rating": pd.Series([3.0] * len(rows), dtype="float32"),
                "timestamp": pd.Series(times, dtype="int64"),
            }
        ),
        movies=pd.DataFrame({"movie_id": movies or list(dict.fromkeys(rated))}),
        users=pd.DataFrame({"user_id": list(dict.fromkeys(users))}),
        genres=(),
        rating_range=(1.0, 5.0),
        rejected={},
        repairs=(),
    )


def one_user(n: int) -> Dataset:
    """Movies m0 (oldest) to m<n-1> (newest) of one user."""
    return dataset([("a", f"m{i}", 100 + i) for i in range(n)])


def thirty_users(n_rows: int = 40) -> Dataset:
    """Users 1 to 30 with `n_rows` ratings each, in an order that is neither theirs nor time's."""
    rows = [(str(user), f"m{i}", 1000 - i) for i in range(n_rows) for user in range(30, 0, -1)]
    return dataset(rows)


def parts(split) -> tuple[int, int, int]:
    return tuple(split.counts().values())


def test_u1_is_the_first_fifth_of_the_file(ml_100k: Dataset):
    """Test is rows 0 to 19,999; validation is scikit-learn's draw from the other 80,000."""
    split = make_split("u1", ml_100k)
    base = ml_100k.ratings.iloc[20_000:]
    train, validation = train_test_split(base, test_size=0.1, random_state=42)

    assert split.test.index.tolist() == list(range(20_000))
    assert split.validation.index.tolist() == sorted(validation.index)
    assert split.train.index.tolist() == sorted(train.index)
    assert split.final_train.index.tolist() == list(range(20_000, 100_000))
    # As published: u1.test has 459 users and 1,410 movies.
    assert split.test[Col.USER].nunique() == 459
    assert split.test[Col.MOVIE].nunique() == 1410


def test_the_five_folds_cover_the_file(ml_100k: Dataset):
    """u1 to u5 test every row once; the published u5.test has 927 users."""
    folds = [make_split(f"u{fold}", ml_100k) for fold in range(1, 6)]

    tested = [row for fold in folds for row in fold.test.index]
    assert tested == list(range(100_000))
    assert folds[4].test[Col.USER].nunique() == 927
    assert {parts(fold) for fold in folds} == {(72_000, 8_000, 20_000)}


def test_u1_needs_ml_100k():
    """On another data set the name means nothing."""
    with pytest.raises(DataError, match=r"u1 is a split of MovieLens 100K's 100,000 ratings"):
        make_split("u1", one_user(10))


def test_ls_random_is_drawn_by_user_numbers():
    """The draw is the one that scikit-learn makes from integer ids: user 2 comes before 10."""
    data = thirty_users()
    table = data.ratings.assign(number=data.ratings[Col.USER].astype(int))
    rest, test = train_test_split(table, test_size=0.1, random_state=42, stratify=table.number)
    train, validation = train_test_split(
        rest, test_size=1 / 9, random_state=42, stratify=rest.number
    )

    split = make_split("ls-random", data)

    assert split.test.index.tolist() == sorted(test.index)
    assert split.validation.index.tolist() == sorted(validation.index)
    assert split.train.index.tolist() == sorted(train.index)
    assert split.final_train.index.tolist() == split.train.index.tolist()
    assert parts(split) == (960, 120, 120)


def test_ids_that_are_no_numbers_can_be_stratified():
    """Each of five users gives 4 of 20 ratings."""
    data = dataset([(user, f"m{i}", i) for i in range(20) for user in "edcba"])

    split = make_split("72/8/20", data)

    assert split.test[Col.USER].value_counts().to_dict() == dict.fromkeys("abcde", 4)


def test_stratified_needs_two_ratings_of_each_user():
    """A user with one rating cannot be in both parts: the message says how many are needed."""
    with pytest.raises(DataError, match=r"cannot be drawn from 2 rows: .*least populated"):
        make_split("ls-random", dataset([("a", "x", 1), ("b", "x", 2)]))


@pytest.mark.parametrize(
    ("n", "expected"),
    [
        (20, (12 + 1, 3, 4)),  # floor(0.2 * 20) = 4; of the other 16 floor(3.2) = 3
        (4, (2, 1, 1)),  # floor(0.8) = 0, but at least 1
        (2, (1, 0, 1)),  # the oldest stays
        (1, (1, 0, 0)),
        (35, (23, 5, 7)),  # floor(7.0) = 7; of 28 floor(5.6) = 5
    ],
)
def test_ls_temporal_sizes(n, expected):
    """(train, validation, test) of one user with n ratings."""
    assert parts(make_split("ls-temporal", one_user(n))) == expected


def test_ls_temporal_takes_the_newest():
    """The last fifth is test, the fifth before it validation, and both are known at asking time."""
    split = make_split("ls-temporal", one_user(10))

    assert split.test[Col.MOVIE].tolist() == ["m8", "m9"]
    assert split.validation[Col.MOVIE].tolist() == ["m7"]
    assert split.asking.given[Col.MOVIE].tolist() == [f"m{i}" for i in range(8)]
    assert sorted(split.asking.candidates) == [f"m{i}" for i in range(10)]
    assert split.asking.ladder == ()


def test_leave_last_out():
    """The last rating is test, the one before it validation; two ratings are too few."""
    split = make_split("leave-last-out", dataset(
        [("a", "x", 3), ("a", "y", 1), ("b", "x", 1), ("a", "z", 2), ("b", "y", 2)]
    ))  # fmt: skip

    assert split.test.index.tolist() == [0]
    assert split.validation.index.tolist() == [3]
    assert split.train.index.tolist() == [1, 2, 4]


def test_global_temporal():
    """The newest rows of all are test; of one second the later row of the file is newer."""
    rows = [("a", "x", 9), ("b", "x", 5), ("a", "y", 1), ("b", "y", 5), ("c", "z", 7)]

    split = make_split("global-temporal:test=0.4,validation=0.2", dataset(rows))

    assert split.test.index.tolist() == [0, 4]
    assert split.validation.index.tolist() == [3]
    assert split.train.index.tolist() == [1, 2]
    assert split.parameters == {"test": 0.4, "validation": 0.2}


def test_every_twentieth_row():
    """Rows 0, 20, 40 of the file are test, a tenth of the others validation."""
    split = make_split("index%20", one_user(50))

    assert split.test.index.tolist() == [0, 20, 40]
    assert parts(split) == (42, 5, 3)


def test_70_15_15_and_85_15_are_the_sources_draws():
    """scikit-learn with the sources' seeds over the rows in file order."""
    data = one_user(200)
    rows = np.arange(200)
    _, held_out = train_test_split(rows, test_size=0.3, random_state=47005)
    validation, test = train_test_split(held_out, test_size=0.5, random_state=47005)
    split = make_split("70/15/15", data)
    assert split.validation.index.tolist() == sorted(validation)
    assert split.test.index.tolist() == sorted(test)
    assert parts(split) == (140, 30, 30)
    assert not split.refit

    _, test = train_test_split(rows, test_size=0.15, random_state=2137)
    split = make_split("85/15", data)
    assert split.test.index.tolist() == sorted(test)
    assert parts(split) == (153, 17, 30)


def test_72_8_20():
    """Of each user's 50 ratings 10 are test; of all others a tenth is validation."""
    data = thirty_users(50)

    split = make_split("72/8/20", data)

    assert parts(split) == (1080, 120, 300)
    assert set(split.test[Col.USER].value_counts()) == {10}
    assert set(split.validation[Col.USER].value_counts()) == {4}


def test_80_20_is_a_mask():
    """Row i is test where the i-th number of the seeded generator is at least 0.8."""
    np.random.seed(7)
    expected = np.flatnonzero(np.random.rand(100) >= 0.8)

    split = make_split("80/20:seed=7", one_user(100))

    assert split.test.index.tolist() == expected.tolist()


def test_random_takes_its_parameters():
    """Fractions are of the whole; a seed is a split."""
    data = one_user(100)
    split = make_split("random:seed=1,test=0.2,validation=0.3", data)
    other = make_split("random:seed=2,test=0.2,validation=0.3", data)

    assert parts(split) == parts(other) == (50, 30, 20)
    assert split.test.index.tolist() != other.test.index.tolist()
    assert split.parameters == {"seed": 1, "test": 0.2, "validation": 0.3}
    assert parts(make_split("random:validation=0", data)) == (90, 0, 10)


def test_cold_100k_is_the_ladder(ml_100k: Dataset):
    """754 users train, 179 of 189 new ones have 16,296 ratings after their first 20."""
    split = make_split("cold-100k", ml_100k)
    asking = split.asking
    cold = {str(i + 1) for i in np.random.default_rng(42).permutation(943)[:189]}

    assert split.train[Col.USER].nunique() == 754
    assert not cold & set(split.train[Col.USER])
    assert set(asking.given[Col.USER]) == cold
    assert (len(split.test), split.test[Col.USER].nunique()) == (16_296, 179)
    assert set(split.test[Col.USER]) <= cold
    assert asking.ladder == (0, 1, 3, 5, 10, 20)
    assert len(asking.candidates) == 1682
    assert len(split.train) + len(split.test) + split.unassigned == 100_000
    for n in asking.ladder:
        shown = asking.history(n)[Col.USER].value_counts()
        assert shown.to_dict() == (dict.fromkeys(cold, n) if n else {})
    newest_shown = asking.given.groupby(Col.USER)[Col.TIME].max()
    oldest_asked = split.test.groupby(Col.USER)[Col.TIME].min()
    assert (newest_shown[oldest_asked.index] <= oldest_asked).all()


def test_cold_100k_validation_stays_inside_the_training_users(ml_100k: Dataset):
    """The twin holds out a fifth of the 754 users and sees nothing of the 189."""
    outer, inner = make_split("cold-100k", ml_100k), make_split("cold-100k-validation", ml_100k)

    rows = pd.Index([*inner.train.index, *inner.test.index, *inner.asking.given.index])
    assert rows.is_unique
    assert set(rows) == set(outer.train.index)
    assert inner.asking.given[Col.USER].nunique() == 151


def test_cold_movies_are_ranked_by_what_else_was_rated(ml_100k: Dataset):
    """168 movies are new; 924 users rated one, and the other movies are what is known of them."""
    split = make_split("cold-movies", ml_100k)
    new = split.asking.candidates
    expected = np.random.default_rng(42).permutation(1682)[:168] + 1

    assert set(new) == {str(number) for number in expected}
    assert split.test[Col.USER].nunique() == 924
    assert set(split.test[Col.MOVIE]) == set(new)
    assert not split.train[Col.MOVIE].isin(new).any()
    assert set(split.asking.given[Col.USER]) == set(split.test[Col.USER])
    assert set(split.asking.given.index) <= set(split.train.index)
    assert len(split.train) + len(split.test) == 100_000


def test_cold_movies_validation_stays_inside_the_training_movies(ml_100k: Dataset):
    """The twin holds out 151 of the other 1,514 movies and has no rating of the 168."""
    outer, inner = make_split("cold-movies", ml_100k), make_split("cold-movies-validation", ml_100k)

    assert len(inner.asking.candidates) == 151
    assert not inner.asking.candidates.isin(outer.asking.candidates).any()
    assert set(inner.train.index) | set(inner.test.index) == set(outer.train.index)


def test_cold_splits_that_cannot_be_made():
    """Another data set has no user 943; nobody rated the one movie of ten that is drawn."""
    with pytest.raises(DataError, match="users 1 to 943"):
        make_split("cold-100k", one_user(10))
    # default_rng(42).permutation(10)[:1] is [5].
    catalogue = [f"m{i}" for i in range(10)]
    rows = [("a", movie, i) for i, movie in enumerate(catalogue) if movie != "m5"]
    with pytest.raises(DataError, match="needs movies with ratings to hold out; 1 were drawn"):
        make_split("cold-movies", dataset(rows, catalogue))


def test_history_shows_the_first_rows_of_each_user():
    """The number is per user, in the order of `given`."""
    given = one_user(3).ratings
    asking = Asking(pd.concat([given, given.assign(user_id="b")]), pd.Index(["m0"]))

    assert asking.history(2)[Col.MOVIE].tolist() == ["m0", "m1", "m0", "m1"]
    assert len(asking.history(0)) == 0
    assert len(asking.history()) == 6


def test_every_name_is_disjoint_and_stable(ml_100k: Dataset):
    """Each split of ml-100k has disjoint parts, is the same twice, and carries its own name."""
    for name in SPLITS.keys() - {"file"}:
        split, again = make_split(name, ml_100k), make_split(name, ml_100k)
        rows = pd.Index([*split.train.index, *split.validation.index, *split.test.index])
        assert rows.is_unique, name
        assert len(rows) + split.unassigned in (
            {100_000} | {len(make_split(name.removesuffix("-validation"), ml_100k).train)}
        ), name
        assert split.test.equals(again.test), name
        assert split.name == name
        assert not split.train.empty, name
        assert not split.test.empty, name


def test_split_file_by_name(tmp_path):
    """The file is the parameter; without one the message says how it is given."""
    path = tmp_path / "s.csv"
    path.write_text("user_id,movie_id,rating,timestamp,part\na,m0,3,100,train\na,m1,3,101,test\n")

    assert parts(make_split(f"file:path={path}", one_user(3))) == (1, 0, 1)
    with pytest.raises(DataError, match=r"file:path=FILE\.csv"):
        make_split("file", one_user(3))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("u6", "split 'u6' is unknown; known: u1, u2"),
        ("u1:seed=3", "'seed=3' is no parameter of it; known: none"),
        ("u1:fold=3", "'fold=3' is no parameter of it; known: none"),
        ("random:size=3", "'size=3' is no parameter of it; known: seed=..., test="),
        ("random:seed", "'seed' is no parameter of it"),
        ("random:seed=x", "'seed=x': invalid literal"),
        ("random:test=0.9", "their sum below 1"),
        ("global-temporal:test=1", "their sum below 1"),
    ],
)
def test_names_that_mean_nothing(name, message):
    """The message says what is known."""
    with pytest.raises(DataError, match=message):
        make_split(name, one_user(10))
