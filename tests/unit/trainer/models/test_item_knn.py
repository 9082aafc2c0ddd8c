"""Item-kNN: similarities by hand and against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.metrics.pairwise import cosine_similarity

from tests.unit.trainer.tiny import seven_ratings
from trainer.features.index import Histories
from trainer.models import item_knn


def history(*movies: int) -> Histories:
    """One user's, without ratings."""
    return Histories([np.array(movies, np.int64)], [np.full(len(movies), np.nan, np.float32)])


def test_scores_by_hand():
    """Seen by 3, 2, 2 users; movies 0 and 1 share two, 1 and 2 share one; shrinkage 1."""
    fitted = item_knn.fit(seven_ratings(), item_knn.Config(neighbours=3, shrinkage=1.0))

    near, far = 2 / (np.sqrt(6) + 1), 1 / (2 + 1)
    assert fitted.scores(history(1, 2))[0] == pytest.approx([2 * near, far, far, 0])
    assert fitted.scores(history()).tolist() == [[0, 0, 0, 0]]


def test_a_movie_keeps_its_nearest_neighbours_alone():
    """With one neighbour movies 1 and 2 keep movie 0 and drop each other."""
    fitted = item_knn.fit(seven_ratings(), item_knn.Config(neighbours=1, shrinkage=1.0))

    near = 2 / (np.sqrt(6) + 1)
    assert fitted.scores(history(0))[0] == pytest.approx([0, near, near, 0])
    assert fitted.scores(history(1))[0][2] == 0


def test_without_shrinkage_it_is_the_cosine(monkeypatch):
    """All neighbours of 50 random movies, in blocks of 16, as scikit-learn has it."""
    monkeypatch.setattr(item_knn, "_BLOCK", 16)
    seen = (np.random.default_rng(0).random((40, 50)) < 0.2).astype(float)
    cosine = cosine_similarity(seen.T)
    np.fill_diagonal(cosine, 0)

    found = item_knn.similarities(csr_array(seen), item_knn.Config(neighbours=50, shrinkage=0.0))

    np.testing.assert_allclose(found.toarray(), cosine, atol=1e-12)
