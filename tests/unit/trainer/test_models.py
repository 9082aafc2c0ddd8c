"""Each model learns a world whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from tests.worlds import checkerboard
from trainer import baselines, metrics
from trainer.features.index import DenseIndex, Interactions
from trainer.models import content, dot_bias, linear_sequence, similarity, two_tower_retrieval
from trainer.models.towers import RatingTowers, RetrievalTowers
from trainer.split import per_user_temporal


class World:
    """The checkerboard, split and indexed."""

    def __init__(self) -> None:
        self.dataset = checkerboard()
        self.split = per_user_temporal(self.dataset.ratings, test=0.2, validation=0.0)
        self.index = DenseIndex(self.dataset)
        self.train: Interactions = self.index.interactions(self.split.train)
        self.test: Interactions = self.index.interactions(self.split.test)
        self.histories = self.train.by_user(self.index.n_users)

    def recall(self, scores: np.ndarray) -> float:
        return metrics.evaluate_topn(
            scores,
            (self.train.users, self.train.movies),
            (self.test.users, self.test.movies),
            self.index.n_movies,
        ).metrics["recall@10"]

    def popularity_recall(self) -> float:
        rated = baselines.popularity(self.train.movies, self.index.n_movies)
        return self.recall(np.broadcast_to(rated, (self.index.n_users, self.index.n_movies)))


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.fixture(scope="module")
def two_tower(world):
    config = two_tower_retrieval.Config(dim=8, batch_size=128, learning_rate=0.02, max_epochs=8)
    model, _ = two_tower_retrieval.fit(
        world.histories, world.index.n_movies, config, n_epochs=config.max_epochs
    )
    return model


def assert_even_users_get_even_movies(scores: np.ndarray, histories: list[np.ndarray]) -> None:
    scores = scores.copy()
    for user, history in enumerate(histories):
        scores[user, history] = -np.inf
    top = np.argsort(-scores, axis=1)[:, :5]
    matches = (top % 2) == (np.arange(len(scores)) % 2)[:, None]
    assert matches.mean() > 0.95


def test_two_tower_learns_the_checkerboard(world, two_tower):
    """Users get movies of their own parity, and more held-out ones than popularity finds."""
    scores = two_tower.towers().scores(world.histories)

    assert_even_users_get_even_movies(scores, world.histories)
    assert world.recall(scores) > 1.3 * world.popularity_recall()


def test_two_tower_towers_equal_the_live_model(world, two_tower):
    """The plain arrays give the Keras towers' dot products."""
    padded = two_tower_retrieval.pad_histories(
        world.histories, two_tower_retrieval.Config().max_age, world.index.n_movies
    )
    live = two_tower.user_tower(padded).numpy() @ two_tower.towers().item_vectors.T

    np.testing.assert_allclose(two_tower.towers().scores(world.histories), live, atol=1e-5)


def test_two_tower_serves_a_user_that_training_never_saw(two_tower):
    """Five even movies are enough to be an even user."""
    history = [np.array([0, 2, 4, 6, 8])]

    assert_even_users_get_even_movies(two_tower.towers().scores(history), history)


def test_two_tower_keeps_the_best_epoch(world):
    """The fit stops after `patience` epochs without a gain and restores the best weights."""
    config = two_tower_retrieval.Config(dim=4, batch_size=256, max_epochs=10, patience=2)
    figures = iter([0.1, 0.5, 0.3, 0.2, 0.9])
    seen: list[np.ndarray] = []

    def measure(towers: RetrievalTowers) -> float:
        seen.append(towers.item_vectors)
        return next(figures)

    model, curve = two_tower_retrieval.fit(world.histories, world.index.n_movies, config, measure)

    assert curve == [0.1, 0.5, 0.3, 0.2]
    np.testing.assert_array_equal(model.towers().item_vectors, seen[1])


def test_training_pairs_hold_what_came_before():
    """A history of three movies gives two rows, newest first, and the frequency of the target."""
    config = two_tower_retrieval.Config(max_age=2)
    pairs = two_tower_retrieval.training_pairs(
        [np.array([3, 1, 4]), np.array([1]), np.array([2, 4])], 5, config
    )

    assert pairs["movie"].tolist() == [1, 4, 4]
    assert pairs["history"].tolist() == [[3, 5], [1, 3], [2, 5]]
    np.testing.assert_allclose(pairs["probability"], [1 / 3, 2 / 3, 2 / 3])


def test_linear_sequence_learns_the_checkerboard(world):
    """Two dimensions are enough for the closed form to find the parity."""
    towers = linear_sequence.fit(
        world.histories, world.index.n_movies, linear_sequence.Config(dim=2, l2=100.0)
    )

    assert_even_users_get_even_movies(towers.scores(world.histories), world.histories)


def test_linear_sequence_at_full_rank_is_ease(world):
    """With every dimension kept, the scores are the recency-weighted history times EASE's B."""
    config = linear_sequence.Config(dim=10_000, l2=5.0)
    towers = linear_sequence.fit(world.histories, world.index.n_movies, config)
    n_users, n_movies = len(world.histories), world.index.n_movies
    seen = np.zeros((n_users, n_movies))
    weighted = np.zeros((n_users, n_movies))
    for user, history in enumerate(world.histories):
        seen[user, history] = 1
        weighted[user, history] = 1 + 30 * np.exp(-np.arange(len(history))[::-1] / 5)
    inverse = np.linalg.inv(seen.T @ seen + 5 * np.eye(n_movies))
    ease = -inverse / np.diag(inverse)
    np.fill_diagonal(ease, 0)

    # One singular direction of 60 can't be kept; it carries next to nothing.
    error = np.abs(towers.scores(world.histories) - weighted @ ease).max()
    assert error < 0.05 * np.abs(weighted @ ease).max()


def planted_ratings(seed: int = 3) -> tuple[dot_bias.Ratings, dot_bias.Ratings]:
    """Ratings of a rank-2 world with biases and little noise, split at random."""
    rng = np.random.default_rng(seed)
    users, movies = np.divmod(np.arange(80 * 60), 60)
    user_part = rng.normal(size=(80, 2)) * 0.7
    movie_part = rng.normal(size=(60, 2)) * 0.7
    biases = rng.normal(size=80)[users] * 0.3 + rng.normal(size=60)[movies] * 0.5
    noise = rng.normal(size=len(users)) * 0.1
    rating = 3 + biases + (user_part[users] * movie_part[movies]).sum(axis=1) + noise
    test = rng.random(len(users)) < 0.2

    def rows(chosen: np.ndarray) -> dot_bias.Ratings:
        return dot_bias.Ratings(users[chosen], movies[chosen], rating[chosen].astype(np.float32))

    return rows(~test), rows(test)


def test_dot_bias_finds_planted_factors():
    """On a planted rank-2 world the error falls far below that of biases alone."""
    train, test = planted_ratings()
    config = dot_bias.Config(
        dim=4, batch_size=256, learning_rate=0.02, l2_vectors=0.005, max_epochs=40, patience=4
    )
    model, curve = dot_bias.fit(train, 80, 60, config, validation=test)
    biases = baselines.BiasModel.fit(train.users, train.movies, train.ratings, (80, 60))
    of_biases = metrics.rmse(test.ratings, biases.predict(test.users, test.movies))

    assert min(curve) < 0.5 * of_biases
    towers = model.towers()
    predicted = towers.ratings(np.arange(80))[test.users, test.movies]
    assert metrics.rmse(test.ratings, predicted) == pytest.approx(min(curve), abs=1e-3)


def test_rating_towers_of_an_unknown_user_are_the_item_means():
    """Index -1 has no bias and no vector: mean + item bias."""
    towers = RatingTowers(
        3.0,
        np.array([1.0], np.float32),
        np.array([[2.0]], np.float32),
        np.array([0.5, -0.5], np.float32),
        np.array([[1.0], [0.0]], np.float32),
        16.0,
    )

    np.testing.assert_allclose(towers.ratings(np.array([0, -1])), [[6.5, 3.5], [3.5, 2.5]])


def test_similarity_pairs_movies_that_are_liked_alike(world):
    """A movie's nearest neighbours on the checkerboard share its parity."""
    found = similarity.fit(
        world.train, world.index.n_users, world.index.n_movies, similarity.Config(dim=4)
    )
    unit = found.item_vectors / np.linalg.norm(found.item_vectors, axis=1, keepdims=True)
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, -np.inf)
    nearest = np.argsort(-cosines, axis=1)[:, :3]

    assert ((nearest % 2) == (np.arange(len(unit)) % 2)[:, None]).mean() > 0.95
    count = np.bincount(world.train.movies, minlength=world.index.n_movies)
    np.testing.assert_allclose(found.confidence, count / (count + 10), rtol=1e-6)


def test_ridge_has_a_free_intercept_and_honours_weights():
    """Worked by hand: y = 10 everywhere needs no slope; a row of weight 0 changes nothing."""
    rows = np.array([[1, 0], [1, 1], [1, 5]], np.float32)
    targets = np.array([[10], [10], [-99]], np.float32)
    solution = content.ridge(rows, targets, np.array([1, 1, 0], np.float32), penalty=1.0)

    np.testing.assert_allclose(solution[:, 0], [10, 0], atol=0.02)


def test_ratings_that_are_all_alike_have_no_similarity():
    """Nobody prefers anything, or there is one user: zero vectors, no error."""
    users, movies = np.repeat(np.arange(4), 3), np.tile(np.arange(3), 4)
    alike = Interactions(users, movies, np.full(12, 4.0, np.float32), np.arange(12))
    alone = Interactions(np.zeros(3, np.int64), np.arange(3), np.arange(3.0), np.arange(3))
    for rows, n_users in ((alike, 4), (alone, 1)):
        found = similarity.fit(rows, n_users, 3, similarity.Config())
        assert found.item_vectors.shape == (3, 1)
        assert not found.item_vectors.any()


def test_what_training_never_saw_starts_and_stays_at_zero():
    """No random start is served: users and movies without rows, movies never next, histories."""
    ratings = dot_bias.Ratings(
        np.array([0, 0, 2]), np.array([1, 3, 1]), np.array([4, 2, 5], np.float32)
    )
    rating, _ = dot_bias.fit(ratings, 4, 5, dot_bias.Config(dim=2), n_epochs=2)
    towers = rating.towers()
    assert np.flatnonzero(towers.user_vectors.any(axis=1)).tolist() == [0, 2]
    assert np.flatnonzero(towers.item_vectors.any(axis=1)).tolist() == [1, 3]

    histories = [np.array([0, 1, 2]), np.array([3, 2])]
    config = two_tower_retrieval.Config(dim=2)
    model, _ = two_tower_retrieval.fit(histories, 5, config, n_epochs=2)
    retrieval = model.towers()
    assert np.flatnonzero(retrieval.item_vectors.any(axis=1)).tolist() == [1, 2]
    assert np.flatnonzero(retrieval.history_vectors.any(axis=1)).tolist() == [0, 1, 3]
