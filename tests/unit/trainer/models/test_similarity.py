"""Movies are alike when the same users like them."""

from __future__ import annotations

import numpy as np

from tests.worlds import checkerboard
from trainer.features.index import Interactions
from trainer.models import similarity
from trainer.models.training_data import training_data


def test_similarity_pairs_movies_that_are_liked_alike():
    """A movie's nearest neighbours on the checkerboard share its parity."""
    dataset = checkerboard()
    data = training_data(dataset, dataset.ratings)
    found = similarity.fit(data.rows, data.n_users, data.n_movies, similarity.Config(dim=4))
    unit = found.item_vectors / np.linalg.norm(found.item_vectors, axis=1, keepdims=True)
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, -np.inf)
    nearest = np.argsort(-cosines, axis=1)[:, :3]

    assert ((nearest % 2) == (np.arange(len(unit)) % 2)[:, None]).mean() > 0.95
    count = np.bincount(data.rows.movies, minlength=data.n_movies)
    np.testing.assert_allclose(found.confidence, count / (count + 10), rtol=1e-6)


def test_ratings_that_are_all_alike_have_no_similarity():
    """Nobody prefers anything, or there is one user: zero vectors, no error."""
    users, movies = np.repeat(np.arange(4), 3), np.tile(np.arange(3), 4)
    alike = Interactions(users, movies, np.full(12, 4.0, np.float32), np.arange(12))
    alone = Interactions(np.zeros(3, np.int64), np.arange(3), np.arange(3.0), np.arange(3))
    for rows, n_users in ((alike, 4), (alone, 1)):
        found = similarity.fit(rows, n_users, 3, similarity.Config())
        assert found.item_vectors.shape == (3, 1)
        assert not found.item_vectors.any()
