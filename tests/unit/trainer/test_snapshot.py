"""The snapshot holds what serving.contract.snapshot says, counted from rows that may be known."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from serving.contract import (
    HISTORIES_FILE,
    HOLDOUT_FILE,
    MOVIE_VECTORS_FILE,
    MOVIES_FILE,
    POPULAR_FILE,
    SNAPSHOT_FILES,
    USERS_FILE,
    VOCABULARIES_FILE,
)
from tests.unit.trainer.served import SIMILAR_DIM, make_ingredients
from tests.worlds import GENRES, checkerboard
from trainer.datasets import Dataset
from trainer.export.snapshot import popular_rankings, write_snapshot
from trainer.features.index import DenseIndex
from trainer.split import Split, per_user_temporal

N_USERS, N_MOVIES = 120, 60


def world() -> tuple[Dataset, Split]:
    """Even users are women; u0 has no rating outside test, u3 told nothing, m59 is unrated."""
    dataset = checkerboard(N_USERS, N_MOVIES, n_rated=26)
    users = dataset.users.copy()
    users.loc[users["user_id"] == "u3", ["age", "gender", "occupation"]] = (0, "", "")
    ratings = dataset.ratings[dataset.ratings["movie_id"] != "m59"]
    dataset = replace(dataset, users=users, ratings=ratings.sample(frac=1, random_state=1))
    split = per_user_temporal(dataset.ratings)
    of_u0 = dataset.ratings["user_id"] == "u0"
    split = replace(
        split,
        train=split.train[split.train["user_id"] != "u0"],
        validation=split.validation[split.validation["user_id"] != "u0"],
        test=dataset.ratings[of_u0 | dataset.ratings.index.isin(split.test.index)],
    )
    return dataset, split


class Written:
    """A snapshot on disk, and what it was written from."""

    def __init__(self, folder: Path) -> None:
        self.dataset, self.split = world()
        self.folder = folder
        index = DenseIndex(self.dataset)
        self.parts = make_ingredients(N_MOVIES)
        history = index.interactions(self.split.history)
        write_snapshot(folder, self.dataset, index, history, self.split, self.parts, seed=3)

    def json(self, name: str) -> Any:
        return json.loads((self.folder / name).read_text(encoding="utf-8"))

    def arrays(self, name: str) -> dict[str, np.ndarray]:
        return dict(np.load(self.folder / name, allow_pickle=False))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    return Written(tmp_path_factory.mktemp("snapshot"))


def test_every_file_of_the_contract_is_there(written: Written):
    """These files and no other."""
    assert {path.name for path in written.folder.iterdir()} == set(SNAPSHOT_FILES)


def test_arrays_have_the_contract_s_dtypes_and_shapes(written: Written):
    """U users, N movies, S segments, n ratings; no pickle needed to read them."""
    histories, popular = written.arrays(HISTORIES_FILE), written.arrays(POPULAR_FILE)
    n_ratings = len(written.split.history)
    n_segments = len(written.json(VOCABULARIES_FILE)["segments"])
    found = {name: (array.dtype.name, array.shape) for name, array in histories.items()}
    user_ids = found.pop("user_ids")
    assert user_ids[0].startswith("str")
    assert user_ids[1] == (N_USERS,)
    assert found == {
        "offsets": ("int64", (N_USERS + 1,)),
        "movie_index": ("int32", (n_ratings,)),
        "ratings": ("float32", (n_ratings,)),
        "timestamps": ("int64", (n_ratings,)),
    }
    assert {name: (array.dtype.name, array.shape) for name, array in popular.items()} == {
        "order": ("int32", (n_segments, N_MOVIES)),
        "scores": ("float32", (n_segments, N_MOVIES)),
        "shrunk_mean": ("float32", (N_MOVIES,)),
    }


def test_histories_are_the_known_rows_oldest_first(written: Written):
    """Each user's train and validation rows in order of time, though the file was shuffled."""
    stored = written.arrays(HISTORIES_FILE)
    movie_ids = [movie["movie_id"] for movie in written.json(MOVIES_FILE)["movies"]]
    history = written.split.history.sort_values("timestamp", kind="stable")
    for position, user in enumerate(stored["user_ids"]):
        rows = slice(stored["offsets"][position], stored["offsets"][position + 1])
        expected = history[history["user_id"] == user]
        assert [movie_ids[i] for i in stored["movie_index"][rows]] == list(expected["movie_id"])
        assert stored["ratings"][rows].tolist() == expected["rating"].tolist()
        assert stored["timestamps"][rows].tolist() == expected["timestamp"].tolist()


def test_the_hold_out_sample_is_nobody_s_history(written: Written):
    """Test rows alone: a pair of the sample stands in no history."""
    holdout = written.json(HOLDOUT_FILE)
    shown = {
        (user["user_id"], rating["movie_id"], rating["rating"])
        for user in holdout["users"]
        for rating in user["ratings"]
    }
    known = set(zip(*(written.split.history[c] for c in ("user_id", "movie_id")), strict=True))
    test = written.split.test

    assert shown == set(zip(test["user_id"], test["movie_id"], test["rating"], strict=True))
    assert not {pair[:2] for pair in shown} & known
    assert holdout["protocol"] == "test part of split 'per-user-temporal', never trained on"


def test_the_hold_out_s_popularity_counts_known_rows(written: Written):
    """Most rated first, every movie once."""
    ranked = written.json(HOLDOUT_FILE)["popularity"]
    counts = written.split.history["movie_id"].value_counts()

    assert sorted(ranked) == sorted(written.dataset.movies["movie_id"])
    by_rank = [int(counts.get(movie, 0)) for movie in ranked]
    assert by_rank == sorted(by_rank, reverse=True)


def test_movies_count_known_ratings(written: Written):
    """rating_count and mean_rating leave test rows out; an unrated movie has 0 and 0."""
    history = written.split.history
    movies = {movie["movie_id"]: movie for movie in written.json(MOVIES_FILE)["movies"]}
    of_m4 = history.loc[history["movie_id"] == "m4", "rating"]

    assert movies["m4"]["rating_count"] == len(of_m4)
    assert movies["m4"]["mean_rating"] == pytest.approx(of_m4.mean(), abs=1e-4)
    assert (movies["m59"]["rating_count"], movies["m59"]["mean_rating"]) == (0, 0.0)
    assert movies["m4"]["title"] == "Even story 4"
    assert (movies["m4"]["year"], movies["m4"]["genres"], movies["m4"]["tags"]) == (
        1954,
        ["Even"],
        [],
    )


def test_users_are_all_there(written: Written):
    """Users without a known rating too; what nobody told is 0 and ""."""
    users = {user["user_id"]: user for user in written.json(USERS_FILE)["users"]}

    assert len(users) == N_USERS
    assert users["u3"] == {
        "user_id": "u3",
        "age": 0,
        "gender": "",
        "occupation": "",
        "zip_code": "00000",
    }
    assert users["u4"]["age"] == 24


def test_shrunk_means_are_inside_the_range(written: Written):
    """(sum + 5 mu) / (n + 5) of the known rows; mu where there is none."""
    history = written.split.history
    shrunk = written.arrays(POPULAR_FILE)["shrunk_mean"]
    mean = history["rating"].mean()
    of_m4 = history.loc[history["movie_id"] == "m4", "rating"]

    assert shrunk.min() >= 1
    assert shrunk.max() <= 5
    assert shrunk[4] == pytest.approx((of_m4.sum() + 5 * mean) / (len(of_m4) + 5), rel=1e-5)
    assert shrunk[59] == pytest.approx(mean, rel=1e-5)


def test_rankings_are_the_whole_catalogue_best_first(written: Written):
    """Every row of every segment lists each movie once, by falling score."""
    popular = written.arrays(POPULAR_FILE)

    for order, scores in zip(popular["order"], popular["scores"], strict=True):
        assert sorted(order.tolist()) == list(range(N_MOVIES))
        assert (np.diff(scores) <= 0).all()


def test_everybody_s_ranking_counts_late_ratings(written: Written):
    """Positions from 20 on of each history; among equals the more rated movie comes first."""
    history = written.split.history.sort_values("timestamp", kind="stable")
    late = history[history.groupby("user_id").cumcount() >= 20]["movie_id"].value_counts()
    total = history["movie_id"].value_counts()
    key = [(late.get(f"m{i}", 0), total.get(f"m{i}", 0)) for i in range(N_MOVIES)]
    ranked = [key[i] for i in written.arrays(POPULAR_FILE)["order"][0]]

    assert ranked == sorted(key, reverse=True)
    assert ranked[0][0] > 0


def test_segments_are_everybody_then_genders_ages_and_both(written: Written):
    """Segment 0 is everybody; the women's ranking starts with what women watch."""
    vocabularies = written.json(VOCABULARIES_FILE)
    segments = [(s["gender"], s["age_bucket"]) for s in vocabularies["segments"]]
    order = written.arrays(POPULAR_FILE)["order"]
    buckets = range(len(vocabularies["age_bounds"]))

    assert segments[0] == ("", -1)
    assert segments[1:] == [
        *((g, -1) for g in "FM"),
        *(("", b) for b in buckets),
        *((g, b) for g in "FM" for b in buckets),
    ]
    assert vocabularies["age_bounds"] == [0, 18, 25, 35, 45, 50, 56]
    assert vocabularies["genres"] == list(GENRES)
    assert vocabularies["occupations"] == ["student"]
    for segment, parity in ((("F", -1), 0), (("M", -1), 1)):
        first = order[segments.index(segment)][:10]
        assert (first % 2 == parity).all()


def test_without_profiles_there_is_one_segment():
    """Nobody told gender or age: everybody is the only ranking."""
    dataset, split = world()
    users = dataset.users.assign(gender="", age=0)
    index = DenseIndex(dataset)
    rankings = popular_rankings(
        replace(dataset, users=users), index, index.interactions(split.history)
    )

    assert rankings.segments == [{"gender": "", "age_bucket": -1}]
    assert rankings.order.shape == (1, N_MOVIES)


def test_movie_vectors_are_both_halves(written: Written):
    """float16 [N, 2 S]: the collaborative vector, then the content model's."""
    vectors = np.load(written.folder / MOVIE_VECTORS_FILE, allow_pickle=False)

    assert (vectors.dtype.name, vectors.shape) == ("float16", (N_MOVIES, 2 * SIMILAR_DIM))
    np.testing.assert_allclose(
        vectors[:, :SIMILAR_DIM], written.parts.similarity.item_vectors, rtol=1e-3
    )
    np.testing.assert_allclose(vectors[:, SIMILAR_DIM:], written.parts.content_vectors, rtol=1e-3)
