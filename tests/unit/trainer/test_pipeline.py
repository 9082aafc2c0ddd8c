"""From a data set to a staged release: what is chosen, what is served, what never leaks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from serving.contract import (
    HOLDOUT_FILE,
    MANIFEST_FILE,
    SIGNATURES,
    SNAPSHOT_FILES,
    ModelsDir,
    read_manifest,
)
from tests.oracle import final_order
from tests.unit.trainer.served import a_request
from tests.worlds import checkerboard
from trainer.datasets import DataError, Dataset
from trainer.export.golden import to_tensors
from trainer.export.snapshot import write_snapshot
from trainer.export.stage import VerificationError, stage, verify
from trainer.export.verify import UNVERIFIED_MANIFEST_FILE
from trainer.final_order import best_rating_weight
from trainer.live_predictions import save_live_predictions
from trainer.models.registry import model
from trainer.models.training_data import training_data
from trainer.pipeline import Trained, choose, settings_from, train
from trainer.split import Split, per_user_temporal, split_file

QUICK = settings_from(
    ["svdpp2", "gated_linear"],
    ["svdpp2.dim=4", "svdpp2.n_seeds=2", "gated_linear.prefix.dim=4"],
    seed=0,
)


def quiet(_: str) -> None:
    """Reports nothing."""


# --- a split file with every oddity ---------------------------------------------------------------


class Released:
    """A staged release of the checkerboard whose split file is full of gaps.

    u0 stands in test alone, m1 stands in test alone, u2 has one training row.
    """

    def __init__(self, folder: Path) -> None:
        self.dataset = checkerboard()
        self.said: list[str] = []
        split_path = folder / "split.csv"
        odd_split(self.dataset).to_csv(split_path, index=False)
        self.split = split_file(split_path, self.dataset.ratings)
        self.trained = train(self.dataset, self.split, QUICK, self.said.append)
        self.live_path = folder / "live.npz"
        save_live_predictions(self.live_path, self.trained, self.split)
        self.models = ModelsDir(folder / "models")
        self.release_id, self.manifest = stage(
            self.models, self.dataset, self.split, self.trained, quiet
        )
        self.staged = self.models.staging / self.release_id

    def load(self, servable: str) -> Any:
        return tf.saved_model.load(str(self.staged / servable))


def odd_split(dataset: Dataset) -> pd.DataFrame:
    """The ratings with a part; rows of u2 after the first are in no part."""
    split = per_user_temporal(dataset.ratings, test=0.2, validation=0.2)
    part = pd.Series("train", index=dataset.ratings.index)
    part[split.validation.index] = "validation"
    part[split.test.index] = "test"
    part[dataset.ratings["user_id"] == "u0"] = "test"
    part[dataset.ratings["movie_id"] == "m1"] = "test"
    rows = dataset.ratings.assign(part=part)
    of_u2 = rows["user_id"] == "u2"
    return rows[~of_u2 | ~rows["user_id"].where(of_u2).duplicated()].assign(
        part=lambda kept: kept["part"].mask(kept["user_id"] == "u2", "train")
    )


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Released:
    return Released(tmp_path_factory.mktemp("released"))


def test_the_manifest_says_what_was_trained_and_chosen(released: Released):
    """Names, the settings with what validation decided, and figures that beat popularity."""
    manifest = read_manifest(released.staged / MANIFEST_FILE)
    figures, chosen = manifest.metrics["validation"], manifest.hyper_parameters

    assert manifest.models["recommend"] == "gated_linear + svdpp2"
    assert manifest.models["ranking"] == "svdpp2"
    assert manifest.models["retrieval"].startswith("gated_linear;")
    assert figures["gated_linear"]["ndcg@10"] > figures["popularity"]["ndcg@10"]
    assert figures["final_order"]["0.0"] == figures["gated_linear"]
    by_weight = {float(weight): found for weight, found in figures["final_order"].items()}
    assert manifest.rating_weight == best_rating_weight(by_weight)
    assert chosen["svdpp2"]["dim"] == 4
    gate = released.trained.choices.retrieval_config.gate
    assert chosen["gated_linear"]["gate"]["long"] == gate.long
    assert chosen["gated_linear"]["gate"]["shortest"] == list(gate.shortest)
    assert any("NDCG@10" in said for said in released.said)


def test_the_release_serves_what_the_towers_say(released: Released):
    """Ids and scores of the staged `recommend` are the saved live scores, ordered by NumPy."""
    live = dict(np.load(released.live_path))
    recommend = released.load("recommend").signatures["serving_default"]
    index = released.trained.index
    rows = released.trained.history
    movie_ids = live["movie_ids"].tolist()
    for user, scores, ratings in zip(live["users"], live["scores"], live["ratings"], strict=True):
        mine = rows.users == index.user_ids.index(user)
        history = [movie_ids[movie] for movie in rows.movies[mine]]
        request = a_request(
            str(user), history, rows.ratings[mine].tolist(), history, genres=((0,), (0,), (0,))
        )
        answer = recommend(**to_tensors("recommend", "serving_default", request))
        allowed = np.array([movie not in history for movie in movie_ids])
        _, final = final_order(scores, ratings, allowed, float(live["rating_weight"]))
        listed = [movie for movie in answer["movie_ids"].numpy()[0].tolist() if movie]

        assert {movie.decode() for movie in listed} == set(movie_ids) - set(history)
        np.testing.assert_allclose(answer["scores"].numpy()[0, : len(final)], final, atol=1e-4)


def test_held_out_pairs_of_strangers_are_rated_as_the_towers_rate(released: Released):
    """Users and movies of the test part alone: the staged model rates as the towers do."""
    live = dict(np.load(released.live_path))
    rank = released.load("ranking").signatures["serving_default"]
    served = rank(
        user_id=tf.constant(live["pair_users"]), movie_id=tf.constant(live["pair_movies"])
    )["rating"].numpy()

    assert "u0" in live["pair_users"]
    assert "m1" in live["pair_movies"]
    assert len(served) == min(500, len(released.split.test))
    np.testing.assert_allclose(served, np.clip(live["pair_ratings"], 1, 5), atol=1e-4)


def test_rank_with_the_stored_history_equals_the_pair_signature(released: Released):
    """A user's full training history gives the stored user's ratings to 1e-4, u2's one row too."""
    ranking = released.load("ranking").signatures
    index, rows = released.trained.index, released.trained.history
    for user in ("u1", "u2", "u7"):
        mine = rows.users == index.user_ids.index(user)
        history = [index.movie_ids[movie] for movie in rows.movies[mine]]
        movies = list(index.movie_ids)
        inputs = {
            "user_id": [user],
            "history_ids": [history],
            "history_ratings": [rows.ratings[mine].tolist()],
            "profile": [[""]],
            "movie_ids": [movies],
        }
        ranked = ranking["rank"](**to_tensors("ranking", "rank", inputs))["ratings"].numpy()[0]
        pairs = ranking["serving_default"](
            user_id=tf.constant([user] * len(movies)), movie_id=tf.constant(movies)
        )["rating"].numpy()
        np.testing.assert_allclose(ranked, pairs, atol=1e-4)


def test_an_unseen_movie_stands_where_its_description_puts_it(released: Released):
    """embed_movie of m1's fields gives the vector that retrieval holds for m1."""
    parts = released.trained.ingredients
    movie = parts.movie_ids.index("m1")
    raw = released.dataset.movies.iloc[movie]
    inputs = {
        "title": [raw["title"]],
        "genres": [["", *raw["genres"]]],
        "year": [int(raw["year"])],
        "tags": [[""]],
    }
    embed = released.load("content").signatures["embed_movie"]
    answer = embed(**to_tensors("content", "embed_movie", inputs))

    assert parts.similarity.confidence[movie] == 0
    np.testing.assert_allclose(
        answer["item_vector"].numpy()[0], parts.retrieval.item_vectors[movie], atol=1e-5
    )


def test_the_release_stores_trained_users_alone(released: Released):
    """u0, who stands in test alone, has no row in the rating towers."""
    assert "u0" not in released.trained.ingredients.user_ids
    assert "u2" in released.trained.ingredients.user_ids


def test_the_holdout_says_which_split_it_is_of(released: Released):
    """Rows of a split file are not called each user's newest."""
    holdout = (released.staged / "features" / HOLDOUT_FILE).read_text()

    assert "split-file" in holdout
    assert "newest" not in holdout


def test_a_release_that_differs_from_its_golden_requests_is_refused(
    released: Released, tmp_path: Path
):
    """Verification in a clean process lists what differs, and the figures of nothing else."""
    golden = released.manifest.golden_requests[0]
    outputs = {
        **golden.outputs,
        "scores": [[score + 0.01 for score in golden.outputs["scores"][0]]],
    }
    other = replace(
        released.manifest,
        golden_requests=(replace(golden, outputs=outputs), *released.manifest.golden_requests[1:]),
    )
    copy = tmp_path / "copy"
    copy.mkdir()
    for part in other.parts:
        (copy / part).symlink_to(released.staged / part)
    (copy / UNVERIFIED_MANIFEST_FILE).write_text(other.to_json())

    with pytest.raises(VerificationError, match="recommend/serving_default: scores differs by"):
        verify(copy, released.split.test)


# --- the leakage rule -----------------------------------------------------------------------------


def shuffled_test_rows(dataset: Dataset, split: Split) -> Dataset:
    """Other movies and other ratings in every test row; nothing else changes."""
    rng = np.random.default_rng(5)
    ratings = dataset.ratings.copy()
    movies = set(dataset.movies["movie_id"])
    for user, rows in split.test.groupby("user_id"):
        rated = set(ratings.loc[ratings["user_id"] == user, "movie_id"])
        others = sorted(movies - rated)
        ratings.loc[rows.index, "movie_id"] = rng.permutation(others)[: len(rows)]
    ratings.loc[split.test.index, "rating"] = 6 - ratings.loc[split.test.index, "rating"]
    return replace(dataset, ratings=ratings)


def arrays_of(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every leaf of nested dataclasses by its path."""
    if is_dataclass(value):
        for field in fields(value):
            yield from arrays_of(getattr(value, field.name), f"{path}.{field.name}")
    else:
        yield path, value


@pytest.fixture(scope="module")
def twice() -> tuple[tuple[Dataset, Split, Trained], tuple[Dataset, Split, Trained]]:
    """The same seed, and test rows that have nothing in common."""
    dataset = checkerboard()
    split = per_user_temporal(dataset.ratings, test=0.2, validation=0.2)
    other = shuffled_test_rows(dataset, split)
    other_split = per_user_temporal(other.ratings, test=0.2, validation=0.2)
    assert other_split.test.index.equals(split.test.index)
    assert not (other_split.test["movie_id"] == split.test["movie_id"]).any()
    return (
        (dataset, split, train(dataset, split, QUICK, quiet)),
        (other, other_split, train(other, other_split, QUICK, quiet)),
    )


def test_no_test_row_reaches_a_model(twice):
    """With other test rows and the same seed every array and every choice is the same, exactly."""
    (_, _, trained), (_, _, other) = twice
    leaves, other_leaves = dict(arrays_of(trained.ingredients)), dict(arrays_of(other.ingredients))

    assert trained.choices.rating_config == other.choices.rating_config
    assert trained.choices.retrieval_config == other.choices.retrieval_config
    assert trained.choices.metrics == other.choices.metrics
    n_arrays = 0
    for path, leaf in leaves.items():
        if isinstance(leaf, np.ndarray):
            np.testing.assert_array_equal(leaf, other_leaves[path], err_msg=path)
            n_arrays += 1
        elif not isinstance(leaf, tf.Module):
            assert leaf == other_leaves[path], path
    assert n_arrays > 12
    for name in ("movie_features", "profile_features"):
        ours, theirs = getattr(trained.ingredients, name), getattr(other.ingredients, name)
        assert ours.vocabulary == theirs.vocabulary


def test_no_test_row_reaches_the_snapshot(twice, tmp_path: Path):
    """All files but the hold-out sample are the same bytes."""
    folders = []
    for name, (dataset, split, trained) in zip("ab", twice, strict=True):
        folders.append(tmp_path / name)
        folders[-1].mkdir()
        write_snapshot(
            folders[-1], dataset, trained.index, trained.history, split, trained.ingredients, 0
        )
    assert {path.name for path in folders[0].iterdir()} == set(SNAPSHOT_FILES)
    for file in SNAPSHOT_FILES:
        one, other = ((folder / file).read_bytes() for folder in folders)
        assert (one == other) == (file != HOLDOUT_FILE), file


# --- data that can't be learnt from ---------------------------------------------------------------


def test_an_empty_train_part_is_named():
    """Nothing to learn from is one clear sentence."""
    dataset = checkerboard(n_users=6)
    split = per_user_temporal(dataset.ratings)
    empty = replace(split, train=split.train.iloc[:0])

    with pytest.raises(DataError, match="the train part of split 'per-user-temporal' is empty"):
        train(dataset, empty, QUICK, quiet)


def test_without_a_validation_part_the_newest_tenth_of_train_is_measured():
    """The figures are of that tenth; the models choose within the rows before it."""
    dataset = checkerboard()
    split = per_user_temporal(dataset.ratings, test=0.2, validation=0.0)
    inner = per_user_temporal(split.train, test=0.0, validation=0.1)
    explicit = replace(split, train=inner.train, validation=inner.validation)
    found, expected = (choose(dataset, each, QUICK, quiet) for each in (split, explicit))
    data = training_data(dataset, inner.train)
    alone = model("gated_linear").fit(data, QUICK.config("gated_linear"))

    assert split.validation.empty
    assert found.metrics["popularity"] == expected.metrics["popularity"]
    assert found.metrics["svdpp2"] == expected.metrics["svdpp2"]
    assert found.retrieval_config == alone.config


def test_users_with_one_training_row_each_teach_no_order():
    """Without two rows of one user there is nothing that comes after anything."""
    dataset = checkerboard(n_users=6)
    split = per_user_temporal(dataset.ratings)
    first = split.train[~split.train["user_id"].duplicated()]

    with pytest.raises(DataError, match="no user has two ratings in the train part"):
        train(dataset, replace(split, train=first), QUICK, quiet)


def test_every_signature_was_recorded(released: Released):
    """Golden requests touch each signature, and record every numeric output but the reasons."""
    recorded: dict[tuple[str, str], set[str]] = {}
    for golden in released.manifest.golden_requests:
        recorded.setdefault((golden.servable, golden.signature), set()).update(golden.outputs)

    assert recorded == {
        (servable, signature): set(definition.outputs)
        - {"reason_ids", "reason_places", "reason_drops"}
        for servable, signatures in SIGNATURES.items()
        for signature, definition in signatures.items()
    }
