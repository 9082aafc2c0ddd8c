"""A release whose ratings are a network's: its graphs, its file of arrays, and its movies."""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from serving.contract import ContractError, Manifest, ModelsDir
from tests.oracle import final_order
from tests.unit.trainer.served import (
    HISTORY,
    N_MOVIES,
    N_USERS,
    RATINGS,
    WEIGHT,
    a_request,
    ask,
    ids_of,
    indexes_of,
    make_ingredients,
    normal,
)
from tests.worlds import checkerboard
from trainer.export.golden import to_tensors
from trainer.export.graphs import SERVABLES
from trainer.export.ingredients import Ingredients, Towers
from trainer.export.stage import stage
from trainer.export.towers_file import TOWERS_FILE, read_towers, write_towers
from trainer.features.movies import catalogue_rows
from trainer.live_predictions import save_live_predictions
from trainer.models import content
from trainer.models.rating_net import RatingNet
from trainer.pipeline import Trained, settings_from, train
from trainer.split import Split, per_user_temporal

ROW = 6


def random_net(output_range: tuple[float, float] | None = (1.0, 5.0)) -> RatingNet:
    rng = np.random.default_rng(8)
    return RatingNet(
        user_rows=normal(rng, N_USERS, ROW),
        stranger_row=normal(rng, ROW),
        movie_rows=normal(rng, N_MOVIES, ROW),
        join="sum",
        kernels=(normal(rng, ROW, 5), normal(rng, 5, 1)),
        biases=(normal(rng, 5), normal(rng, 1)),
        output_range=output_range,
        mean=3.5,
        fold_in_strength=16.0,
    )


@pytest.fixture(scope="module")
def parts() -> Ingredients:
    return replace(make_ingredients(), rating=random_net())


@pytest.fixture(scope="module")
def servables(parts):
    return {name: SERVABLES[name](parts) for name in ("recommend", "ranking")}


@pytest.mark.parametrize("user", ["u2", "stranger"])
@pytest.mark.parametrize("order", [0, 1])
def test_recommend_orders_by_the_networks_ratings(parts, servables, user, order):
    """Scores and ratings as NumPy has them, of a stored user and of a stranger's history."""
    net, history = parts.rating, indexes_of(HISTORY)
    ratings = np.array(RATINGS, np.float32)
    index = 2 if user == "u2" else -1
    rated = net.ratings(np.full(N_MOVIES, index), np.arange(N_MOVIES))
    if index < 0:
        rated = rated + net.stranger_bias(history, ratings)
    scores = parts.retrieval.item_vectors @ parts.retrieval.user_vector(history, ratings)
    allowed = np.ones(N_MOVIES, bool)
    expected, final = final_order(scores, rated, allowed, WEIGHT, by_rating=order == 1)

    answer = ask(servables, "recommend", "serving_default", a_request(user, order=order))

    assert ids_of(answer["movie_ids"][0])[:20] == [f"m{i}" for i in expected[:20]]
    np.testing.assert_allclose(answer["scores"][0], final, atol=1e-3)
    np.testing.assert_allclose(answer["ratings"][0, :20], rated[expected[:20]], atol=1e-4)


def test_ranking_rates_pairs_and_lists_alike(parts, servables):
    """Stored users need no history; `rank` and `serving_default` agree."""
    movies = [f"m{i}" for i in range(30)]
    person = {name: value for name, value in a_request("u3").items() if name != "exclude_ids"}
    inputs = {name: person[name] for name in ("user_id", "history_ids", "history_ratings")}
    inputs |= {"profile": [[""]], "movie_ids": [movies]}
    ranked = ask(servables, "ranking", "rank", inputs)["ratings"][0]
    pairs = ask(
        servables, "ranking", "serving_default", {"user_id": ["u3"] * 30, "movie_id": movies}
    )["rating"]

    expected = parts.rating.ratings(np.full(30, 3), np.arange(30))
    np.testing.assert_allclose(ranked, expected, atol=1e-5)
    np.testing.assert_allclose(pairs, expected, atol=1e-5)


# --- the file of arrays ---------------------------------------------------------------------------


def assert_equal(found: Any, expected: Any) -> None:
    """Same classes, same arrays bit for bit, same numbers; field by field."""
    assert type(found) is type(expected)
    for field in fields(expected):
        one, other = getattr(found, field.name), getattr(expected, field.name)
        if is_dataclass(other):
            assert_equal(one, other)
        elif isinstance(other, np.ndarray):
            assert one.dtype == other.dtype, field.name
            np.testing.assert_array_equal(one, other, err_msg=field.name)
        elif isinstance(other, tuple) and isinstance(other[0], np.ndarray):
            assert len(one) == len(other)
            for left, right in zip(one, other, strict=True):
                np.testing.assert_array_equal(left, right)
        else:
            assert type(one) is type(other), field.name
            assert one == other, field.name


@pytest.mark.parametrize("rating", ["towers", "net", "net without a range"])
def test_towers_come_back_from_disk_as_they_were(tmp_path: Path, rating: str):
    """Every id, array and number, whichever kind rates."""
    parts = make_ingredients()
    if rating != "towers":
        net = random_net((1.0, 5.0) if rating == "net" else None)
        parts = replace(parts, rating=net)
    towers = Towers(**{field.name: getattr(parts, field.name) for field in fields(Towers)})
    write_towers(tmp_path, parts)

    assert_equal(read_towers(tmp_path), towers)


def test_towers_of_an_older_version_are_refused(tmp_path: Path):
    """A field that is missing, or the whole file, is one sentence."""
    with pytest.raises(ContractError, match="train again"):
        read_towers(tmp_path / "none")
    write_towers(tmp_path, make_ingredients())
    path = tmp_path / TOWERS_FILE
    arrays = dict(np.load(path))
    del arrays["retrieval.gate"]
    np.savez(path, **arrays)

    with pytest.raises(ContractError, match=r"no retrieval\.gate; train again"):
        read_towers(tmp_path)


# --- a staged release -----------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Released:
    split: Split
    trained: Trained
    manifest: Manifest
    folder: Path
    live: dict[str, np.ndarray]


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Released:
    """The checkerboard by a small mlp; nobody's training holds m1."""
    folder = tmp_path_factory.mktemp("net")
    dataset = checkerboard(n_users=40, n_movies=30, n_rated=12)
    split = per_user_temporal(dataset.ratings, test=0.2, validation=0.2)
    split = replace(
        split,
        train=split.train[split.train["movie_id"] != "m1"],
        validation=split.validation[split.validation["movie_id"] != "m1"],
    )
    small = ["dim=4", "first=8", "second=4", "learning_rate=0.02", "max_epochs=2"]
    settings = settings_from(["mlp"], [f"mlp.{setting}" for setting in small], seed=0)
    trained = train(dataset, split, settings, lambda _: None)
    save_live_predictions(folder / "live.npz", trained, split)
    models = ModelsDir(folder / "models")
    release_id, manifest = stage(models, dataset, split, trained, lambda _: None)
    live = dict(np.load(folder / "live.npz"))
    return Released(split, trained, manifest, models.staging / release_id, live)


def test_a_network_is_staged_and_verified(released: Released):
    """The clean process found nothing; what is served is what the live towers say."""
    net = released.trained.ingredients.rating
    assert isinstance(net, RatingNet)
    assert released.manifest.models["ranking"] == "mlp"
    assert released.manifest.rating_dim == net.dim
    assert np.isfinite(released.manifest.metrics["test"]["rmse"])

    rank = tf.saved_model.load(str(released.folder / "ranking")).signatures["serving_default"]
    live = released.live
    served = rank(
        user_id=tf.constant(live["pair_users"]), movie_id=tf.constant(live["pair_movies"])
    )["rating"].numpy()
    np.testing.assert_allclose(served, np.clip(live["pair_ratings"], 1, 5), atol=1e-4)
    assert_equal(read_towers(released.folder / "recommend").rating, net)


def test_a_new_movie_is_rated_by_a_ridge_on_what_movies_are_off_the_mean(released: Released):
    """embed_movie answers with a vector of zeros as wide as the network's rows, and that bias."""
    parts = released.trained.ingredients
    rows = released.trained.history
    count = np.bincount(rows.movies, minlength=30)
    total = np.bincount(rows.movies, rows.ratings, minlength=30)
    deviations = (total + 5 * rows.ratings.mean()) / (count + 5) - rows.ratings.mean()
    features = parts.movie_features
    inputs = {
        "title": ["Odd story"],
        "genres": [["", "Odd"]],
        "year": [1951],
        "tags": [[""]],
    }
    catalogue = catalogue_rows(features, checkerboard(n_users=40, n_movies=30, n_rated=12))
    weights = content.ridge(
        catalogue,
        deviations[:, None],
        parts.similarity.confidence,
        released.trained.settings.content.penalty,
    )
    row = features(
        *(tf.constant(inputs[name]) for name in ("title", "genres")),
        tf.constant(inputs["year"], tf.int64),
        tf.constant(inputs["tags"]),
    ).numpy()
    embed = tf.saved_model.load(str(released.folder / "content")).signatures["embed_movie"]

    answer = embed(**to_tensors("content", "embed_movie", inputs))

    assert answer["rating_vector"].shape == (1, parts.rating.dim)
    assert not answer["rating_vector"].numpy().any()
    np.testing.assert_allclose(answer["rating_bias"].numpy(), row @ weights, atol=1e-4)
    assert abs(answer["rating_bias"].numpy()[0, 0]) > 1e-3
