"""A rating network in a graph gives the ratings of its plain form."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from trainer.export import rating_net_layer
from trainer.export.rating_net_layer import RatingNetLayer
from trainer.models.rating_net import JOINS, Join, RatingNet

USER_IDS = ("a", "b", "c")
N_MOVIES, DIM, PROFILE = 7, 4, tf.zeros((4, 3))
PAD, NAN = N_MOVIES, np.nan


def network(join: Join, output_range: tuple[float, float] | None) -> RatingNet:
    rng = np.random.default_rng(0)

    def drawn(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    return RatingNet(
        user_rows=drawn(3, DIM),
        stranger_row=drawn(DIM),
        movie_rows=drawn(N_MOVIES, DIM),
        join=join,
        kernels=(drawn(DIM, 5), drawn(5, 1)),
        biases=(drawn(5), drawn(1)),
        output_range=output_range,
        mean=3.5,
        fold_in_strength=16.0,
    )


@pytest.fixture(params=[(join, scale) for join in JOINS for scale in (None, (0.5, 5.0))])
def net(request: pytest.FixtureRequest) -> RatingNet:
    return network(*request.param)


def layer_of(net: RatingNet) -> RatingNetLayer:
    return RatingNetLayer(net, USER_IDS, (0.5, 5.0))


def users_of(layer: RatingNetLayer) -> Any:
    """a, a stranger without a history, c, and a stranger with a history of two rated movies."""
    history = tf.constant([[1, 2, 3], [PAD, PAD, PAD], [PAD, 4, PAD], [2, 5, 6]], tf.int64)
    ratings = tf.constant([[5, 5, 5], [NAN, NAN, NAN], [NAN, 1, NAN], [5, NAN, 4.0]])
    return layer.user(tf.constant(["a", "x", "c", "y"]), history, ratings, lambda: PROFILE)


def expected(net: RatingNet) -> np.ndarray:
    """[4, N] by the plain form."""
    users = np.repeat([0, -1, 2, -1], N_MOVIES)
    ratings = net.ratings(users, np.tile(np.arange(N_MOVIES), 4)).reshape(4, N_MOVIES)
    bias = net.stranger_bias(np.array([2, 5, 6]), np.array([5, NAN, 4.0]))
    return ratings + np.array([[0], [0], [0], [bias]])


def test_ratings_of_the_catalogue_are_the_networks(net):
    """Stored users, a stranger, and a stranger whose history adds a bias."""
    layer = layer_of(net)

    np.testing.assert_allclose(layer.all_movies(users_of(layer)), expected(net), atol=1e-5)


@pytest.mark.parametrize("pairs_at_once", [1, 1000])
def test_ratings_of_some_movies_are_the_networks(net, pairs_at_once, monkeypatch):
    """All at once or user by user; a movie that is not in the catalogue is rated as the bias."""
    monkeypatch.setattr(rating_net_layer, "PAIRS_AT_ONCE", pairs_at_once)
    layer = layer_of(net)
    user = users_of(layer)
    movies = np.array([[0, 6], [3, PAD], [5, 5], [PAD, 1]])
    ratings = layer.some_movies(user, tf.constant(movies, tf.int64)).numpy()

    wanted = np.concatenate([expected(net), user.bias.numpy()], axis=1)
    np.testing.assert_allclose(ratings, np.take_along_axis(wanted, movies, axis=1), atol=1e-5)


def test_a_strangers_bias_is_the_held_back_mean_residual():
    """Residuals 1 and 2 of two rated movies: 3 / (2 + 16); the unrated third does not count."""
    net = network("sum", None)
    strangers = np.full(2, -1)
    ratings = net.ratings(strangers, np.array([2, 5])) + np.array([1, 2], np.float32)

    bias = net.stranger_bias(np.array([2, 5, 6]), np.array([*ratings, NAN]))
    assert bias == pytest.approx(3 / 18, abs=1e-6)


def test_a_stored_user_needs_no_history():
    """The bias is the mean rating, whatever a stored user's history says."""
    layer = layer_of(network("product", None))
    user = users_of(layer)
    stored = layer.stored_user(tf.constant(["a", "c"]))

    np.testing.assert_array_equal(stored.vector, user.vector.numpy()[[0, 2]])
    assert stored.bias.numpy().tolist() == [[3.5], [3.5]]
    assert user.bias.numpy()[[0, 2]].tolist() == [[3.5], [3.5]]


def test_the_network_is_the_one_that_is_written_down():
    """By hand: sum (1, -2) + (2, 1) = (3, -1), ReLU (3, 0), times (2, 5) plus 1 = 7."""
    net = RatingNet(
        user_rows=np.array([[1, -2]], np.float32),
        stranger_row=np.zeros(2, np.float32),
        movie_rows=np.array([[2, 1]], np.float32),
        join="sum",
        kernels=(np.array([[2], [5]], np.float32),),
        biases=(np.array([1], np.float32),),
        output_range=None,
        mean=3.0,
        fold_in_strength=1.0,
    )

    assert net.ratings(np.array([0]), np.array([0])).tolist() == [7]
    assert net.ratings(np.array([-1]), np.array([0])).tolist() == [10]


def test_a_saved_layer_answers_alike(tmp_path):
    """In a graph too, where the number of users and movies is open; ratings are clipped."""
    net = network("sum", None)
    layer = layer_of(net)

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.string),
            tf.TensorSpec([None, None], tf.int64),
            tf.TensorSpec([None, None], tf.float32),
            tf.TensorSpec([None, None], tf.int64),
        ]
    )
    def rate(
        user_id: tf.Tensor, history: tf.Tensor, ratings: tf.Tensor, movies: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        user = layer.user(user_id, history, ratings, lambda: PROFILE)
        some = layer.clip(layer.some_movies(user, movies))
        return {"some": some, "all": layer.clip(layer.all_movies(user))}

    layer.rate = rate
    tf.saved_model.save(layer, str(tmp_path), signatures=rate)
    served = tf.saved_model.load(str(tmp_path)).signatures["serving_default"]
    empty = tf.zeros((2, 0))
    answer = served(
        user_id=tf.constant(["b", "x"]),
        history=tf.cast(empty, tf.int64),
        ratings=empty,
        movies=tf.constant([[0, 3, 6], [1, 1, 2]], tf.int64),
    )

    users, movies = np.repeat([1, -1], N_MOVIES), np.tile(np.arange(N_MOVIES), 2)
    wanted = net.ratings(users, movies).reshape(2, N_MOVIES).clip(0.5, 5)
    np.testing.assert_allclose(answer["all"], wanted, atol=1e-5)
    np.testing.assert_allclose(answer["some"][0], wanted[0, [0, 3, 6]], atol=1e-5)
    np.testing.assert_allclose(answer["some"][1], wanted[1, [1, 1, 2]], atol=1e-5)
