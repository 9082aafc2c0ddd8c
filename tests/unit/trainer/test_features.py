"""Movies and users as feature rows: worked by hand, on text of any script."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from tests.worlds import checkerboard
from trainer.datasets.tags import normal_tag
from trainer.features import movies as movie_features
from trainer.features.index import DenseIndex
from trainer.features.movies import (
    N_YEAR_BUCKETS,
    N_YEARS,
    MovieFeatures,
    MovieVocabulary,
    build_vocabulary,
    catalogue_rows,
    normal_tags,
    title_words,
    year_buckets,
)
from trainer.features.profiles import (
    AGE_TOKENS,
    ProfileFeatures,
    ProfileVocabulary,
    age_token,
    favorite_genres,
    user_rows,
)
from trainer.features.profiles import build_vocabulary as build_profile_vocabulary


def movie_rows(
    features: MovieFeatures, titles: list[str], genres: list[list[str]], years: list[int]
) -> np.ndarray:
    return features(
        tf.constant(titles),
        tf.reshape(tf.constant(genres, tf.string), (len(titles), -1)),
        tf.constant(years, tf.int64),
        tf.fill((len(titles), 1), ""),
    ).numpy()


@pytest.mark.parametrize(
    ("title", "words"),
    [
        ("One NIGHT, only", ["one", "night", "only"]),
        ("2001: A Space Odyssey", ["2001", "a", "space", "odyssey"]),
        ("Amélie: ÉTÉ", ["amélie", "été"]),
        ("Сталкер / 千と千尋", ["сталкер", "千と千尋"]),
        ("Schindler's List", ["schindler", "s", "list"]),
        ("  spaced   out  ", ["spaced", "out"]),
        ("", []),
        ("...!", []),
    ],
)
def test_title_words(title, words):
    """Runs of letters and digits of any script, in lower case; punctuation separates."""
    found = title_words(tf.constant([title])).to_list()[0]

    assert [word.decode() for word in found] == words


@pytest.mark.parametrize(
    ("year", "bucket"),
    [(0, 0), (1900, 1), (1904, 1), (1905, 2), (1850, 1), (1994, 19), (2500, N_YEAR_BUCKETS - 1)],
)
def test_year_buckets(year, bucket):
    """Five years a bucket from 1900; 0 is unknown, a year outside goes to the nearest bucket."""
    assert year_buckets(tf.constant([year], tf.int64)).numpy().tolist() == [bucket]


def test_a_single_year_has_a_column_of_its_own():
    """1994 is column 94 of the single years; an unknown year and one before 1900 have none."""
    features = MovieFeatures(MovieVocabulary((), (), ()))
    rows = movie_rows(features, ["", "", ""], [[""], [""], [""]], [1994, 0, 1850])

    single = rows[:, features.vocabulary.columns("single_years")]
    np.testing.assert_array_equal(single, [np.eye(N_YEARS)[94], [0] * N_YEARS, [0] * N_YEARS])


def test_movie_row_is_a_one_and_groups_of_unit_length():
    """Two genres count 1 / sqrt(2) each, a repeated word once, unknown ones nothing."""
    features = MovieFeatures(MovieVocabulary(("Action", "Comedy", "War"), ("night",), ()))
    row = movie_rows(features, ["Night of the night"], [["", "War", "Action", "Opera"]], [0])[0]

    half = 1 / np.sqrt(2)
    expected = [1, half, 0, half, *[1] + [0] * (N_YEAR_BUCKETS - 1), *[0] * N_YEARS, 1]
    np.testing.assert_allclose(row, expected, atol=1e-6)
    assert features.vocabulary.n_features == len(expected)


@pytest.mark.parametrize("genres", [[[""], [""]], [[], []]])
def test_a_movie_without_title_or_genres_is_finite(genres):
    """Nothing known, in a batch of nothing known: the constant and the unknown year."""
    features = MovieFeatures(MovieVocabulary(("Action",), ("night",), ()))
    rows = movie_rows(features, ["", "!?"], genres, [0, 0])

    expected = [1, 0, 1, *[0] * (N_YEAR_BUCKETS + N_YEARS)]
    np.testing.assert_array_equal(rows, [expected, expected])


def test_vocabulary_keeps_the_words_of_enough_titles():
    """A word counts once a title: "story" stands in all, "1" in one, "even" in half of them."""
    dataset = checkerboard(n_movies=10)
    vocabulary = build_vocabulary(dataset, min_title_count=5)

    assert vocabulary.words == ("even", "odd", "story")
    assert vocabulary.genres == dataset.genres


def test_catalogue_rows_are_the_rows_of_each_movie_alone():
    """A movie's row does not depend on what else is in the batch, movies without genres too."""
    dataset = checkerboard(n_movies=6)
    genres = [("Even", "Odd"), (), ("Odd",), ("Even",), (), ("Odd",)]
    titles = ["", "story", "story odd", "odd", "...", "Ödd"]
    dataset = replace(dataset, movies=dataset.movies.assign(genres=genres, title=titles))
    features = MovieFeatures(MovieVocabulary(dataset.genres, ("odd", "story"), ()))
    alone = [
        movie_rows(features, [title], [["", *names]], [year])[0]
        for title, names, year in zip(titles, genres, dataset.movies["year"], strict=True)
    ]

    np.testing.assert_allclose(catalogue_rows(features, dataset), alone, atol=1e-6)


@pytest.mark.parametrize(
    ("written", "tag"),
    [
        ("  Sci-Fi ", "sci-fi"),
        ("TIME \t travel!", "time travel"),
        ("'quoted\"", "quoted"),
        ("#hash_tag*", "hash_tag"),
        ("ÉTUDE\u00a0noir", "étude noir"),
        ("\u2003ŽLUŤOUČKÝ 千と千尋\x85\x1c", "žluťoučký 千と千尋"),
        ("...", ""),
        ("", ""),
    ],
)
def test_the_graph_reads_a_tag_as_the_reader_of_the_data_does(written, tag):
    """Lower case, single spaces, no punctuation at the ends; both ways of doing it agree."""
    assert normal_tags(tf.constant([[written]])).numpy()[0, 0].decode() == tag
    assert normal_tag(written) == tag


def tagged(*tags: tuple[str, ...]):
    """A data set of so many movies with these tags."""
    dataset = checkerboard(n_movies=len(tags))
    return replace(dataset, movies=dataset.movies.assign(tags=list(tags)))


def test_vocabulary_keeps_the_tags_of_enough_movies(monkeypatch):
    """A tag counts once a movie; of too many the most frequent, then by the alphabet."""
    dataset = tagged(
        ("dark", "heist"), ("dark", "aliens"), ("aliens", "heist"), ("dark", "rare", "RARE!")
    )

    assert build_vocabulary(dataset, 9, min_tag_count=2).tags == ("aliens", "dark", "heist")
    assert build_vocabulary(dataset, 9).tags == ()
    monkeypatch.setattr(movie_features, "MAX_TAG_FEATURES", 2)
    assert build_vocabulary(dataset, 9, min_tag_count=2).tags == ("aliens", "dark")


def test_tags_of_the_catalogue_are_features():
    """Two tags count 1 / sqrt(2) each; what a caller writes otherwise is the same tag."""
    dataset = tagged(("dark", "heist"), (), ("dark", "rare"))
    features = MovieFeatures(build_vocabulary(dataset, 9, min_tag_count=1))
    rows = catalogue_rows(features, dataset)
    raw = features(
        tf.constant(["Even story 0"]),
        tf.constant([["Even"]]),
        tf.constant([1950], tf.int64),
        tf.constant([[" Heist!", "", "DARK", "unheard of"]]),
    )

    half = 1 / np.sqrt(2)
    found = rows[:, features.vocabulary.columns("tags")]
    np.testing.assert_allclose(found, [[half, half, 0], [0, 0, 0], [half, 0, half]], atol=1e-6)
    np.testing.assert_allclose(raw, rows[:1], atol=1e-6)


@pytest.mark.parametrize(
    ("age", "token"),
    [
        (1, "age:0-17"),
        (17, "age:0-17"),
        (18, "age:18-24"),
        (24, "age:18-24"),
        (25, "age:25-34"),
        (55, "age:50-55"),
        (56, "age:56+"),
        (120, "age:56+"),
    ],
)
def test_age_buckets(age, token):
    """A bucket holds its lower bound; in Python and in the graph."""
    features = ProfileFeatures(ProfileVocabulary(AGE_TOKENS))
    row = features(tf.constant([["", f"age:{age}"]])).numpy()[0]

    assert age_token(age) == token
    assert row.tolist() == [1, *(float(token == known) for known in AGE_TOKENS)]


@pytest.mark.parametrize(
    "profile", [[""], [], ["age:", "age:x", "age:-3", "age:1234", "gender:X", "what:ever"]]
)
def test_a_profile_that_says_nothing_is_the_constant(profile):
    """Padding, no column at all, and tokens that nobody knows leave column 0 alone."""
    features = ProfileFeatures(ProfileVocabulary((*AGE_TOKENS, "gender:F")))
    row = features(tf.reshape(tf.constant(profile, tf.string), (1, -1))).numpy()[0]

    assert row.tolist() == [1, *[0] * (len(AGE_TOKENS) + 1)]


def test_favorite_genres_are_those_watched_more_than_others_do():
    """Everybody meets both genres; the favourite is the one above the usual share."""
    dataset = checkerboard(n_users=2, n_movies=10)
    even, odd = np.array([0, 2, 4, 1]), np.array([1, 3, 5, 2])

    assert favorite_genres(dataset, [even, odd, np.zeros(0, np.int64)]) == [
        ("Even",),
        ("Odd",),
        (),
    ]


def test_user_rows_hold_what_is_known():
    """Age bucket, gender, occupation and favourite genres; an unknown age or gender is nothing."""
    dataset = checkerboard(n_users=2, n_movies=10)
    users = dataset.users.assign(age=[30, 0], gender=["F", ""], occupation=["student", ""])
    dataset = replace(dataset, users=users)
    vocabulary = build_profile_vocabulary(dataset)
    histories = [np.array([0, 2, 4, 1]), np.array([1, 3, 5, 2])]
    rows = user_rows(ProfileFeatures(vocabulary), dataset, DenseIndex(dataset), histories)

    def tokens(row: np.ndarray) -> set[str]:
        return {vocabulary.tokens[column] for column in np.flatnonzero(row[1:])}

    assert tokens(rows[0]) == {"age:25-34", "gender:F", "occupation:student", "genre:Even"}
    assert tokens(rows[1]) == {"genre:Odd"}
    assert rows[:, 0].tolist() == [1, 1]
