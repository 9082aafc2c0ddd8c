"""Closed-form item weights as products, against the dense matrices that they stand for."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array

from tests.unit.trainer.models.worlds import textbook_ease, unrated
from trainer.models.history_matrix import Core
from trainer.models.item_item import ItemItem
from trainer.models.successors import Successors, Window


@pytest.mark.parametrize("n_users", [20, 60])
def test_ease_by_products_is_ease_by_the_full_inverse(n_users):
    """By the users' matrix (Woodbury) where they are fewer than 40 movies, else directly."""
    rng = np.random.default_rng(1)
    watched = (rng.random((n_users, 40)) < 0.3).astype(float)
    histories, vectors = rng.random((5, 40)), rng.normal(size=(40, 3))
    weights = textbook_ease(watched, 7.0)

    found = ItemItem(csr_array(watched), 7.0)

    np.testing.assert_allclose(found.scores(csr_array(histories)), histories @ weights, atol=1e-9)
    np.testing.assert_allclose(found.times(vectors), weights @ vectors, atol=1e-9)


def test_a_matrix_that_has_no_inverse_is_refused():
    """A penalty below 0 is a mistake, and not silently another model."""
    with pytest.raises((ArithmeticError, np.linalg.LinAlgError)):
        ItemItem(csr_array(np.eye(3)), -9.0)


def dense(found: Successors, n_movies: int) -> np.ndarray:
    return found.times(np.eye(n_movies))


def test_successors_of_one_user_worked_by_hand():
    """Movies 0, 1, 2: two positions with something after them."""
    fade, later = np.exp(-1 / 2), np.exp(-1 / 4)
    past = np.array([[1, 0, 0], [fade, 1, 0]])
    future = np.array([[0, 1, later], [0, 0, 1]])
    expected = np.linalg.inv(past.T @ past + 3 * np.eye(3)) @ past.T @ future
    histories = unrated([0, 1, 2])

    found = Successors(histories, Core(histories, 3, 3), Window(5, 2.0, 5, 4.0), 3.0, 100)

    np.testing.assert_allclose(dense(found, 3), expected, atol=1e-12)
    asked = np.array([[0.5, 0, 2], [0, 1, 0]])
    np.testing.assert_allclose(found.scores(csr_array(asked)), asked @ expected, atol=1e-12)


def naive_successors(sequences, movies, window: Window, l2: float, step: int) -> np.ndarray:
    """B over `movies`, one position after the other."""
    place = {movie: position for position, movie in enumerate(movies)}
    pasts, futures = [], []
    for sequence in sequences:
        for end in range(0, len(sequence) - 1, step):
            past, future = np.zeros(len(movies)), np.zeros(len(movies))
            for age, movie in enumerate(reversed(sequence[: end + 1])):
                if age < window.past and movie in place:
                    past[place[movie]] = np.exp(-age / window.past_tau)
            for steps, movie in enumerate(sequence[end + 1 :]):
                if steps < window.future and movie in place:
                    future[place[movie]] = np.exp(-steps / window.future_tau)
            pasts.append(past)
            futures.append(future)
    past, future = np.array(pasts), np.array(futures)
    return np.linalg.inv(past.T @ past + l2 * np.eye(len(movies))) @ past.T @ future


@pytest.mark.parametrize(("max_positions", "step"), [(1000, 1), (60, 2)])
def test_successors_are_the_ridge_regression_of_every_position(max_positions, step):
    """Windows end, rare movies are left out, and with too many positions every k-th is read."""
    rng = np.random.default_rng(2)
    sequences = [rng.permutation(12)[: rng.integers(0, 11)].tolist() for _ in range(20)]
    histories, window = unrated(*sequences), Window(3, 2.0, 4, 5.0)
    core = Core(histories, 12, 9, at_least=2)
    n_positions = sum(max(0, len(sequence) - 1) for sequence in sequences)
    assert len(core) == 9
    assert -(-n_positions // max_positions) == step

    found = Successors(histories, core, window, 2.0, max_positions)

    expected = naive_successors(sequences, core.movies.tolist(), window, 2.0, step)
    np.testing.assert_allclose(dense(found, 9), expected, atol=1e-10)
