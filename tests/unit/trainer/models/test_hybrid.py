"""The hybrid reads frozen vectors: from a file keyed by movie id, or from titles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.unit.trainer.tiny import tiny_data
from trainer.datasets import DataError
from trainer.features.word_vectors import keyed
from trainer.models import frozen_vectors, hybrid
from trainer.models.interfaces import TrainingData

IDS = ("m0", "m1", "m2")


def written(folder: Path, **vectors: np.ndarray) -> Path:
    np.savez(folder / "vectors.npz", **vectors)
    return folder / "vectors.npz"


def test_vectors_are_found_by_movie_id(tmp_path, capsys):
    """In the catalogue's order; a movie without one has zeros and is counted."""
    path = written(tmp_path, m2=np.array([3, 4]), m0=np.array([1, 2]), other=np.zeros(9))

    assert frozen_vectors.from_file(path, IDS).tolist() == [[1, 2], [0, 0], [3, 4]]
    assert "1 of 3 movies have none" in capsys.readouterr().err


@pytest.mark.parametrize(
    "vectors",
    [
        {"other": np.zeros(2)},
        {"m0": np.zeros(2), "m1": np.zeros(3)},
        {"m0": np.zeros((2, 2))},
        {"m0": np.array(["a", "b"])},
        {"m0": np.array([1, np.nan])},
    ],
    ids=["no known movie", "two lengths", "a matrix", "text", "not finite"],
)
def test_a_file_that_fits_no_movie_is_refused(tmp_path, vectors):
    """The error names the file."""
    with pytest.raises(DataError, match=r"vectors\.npz"):
        frozen_vectors.from_file(written(tmp_path, **vectors), IDS)


def test_a_file_that_is_no_npz_is_refused(tmp_path):
    """Neither text nor a missing file gets further than a DataError that names it."""
    (tmp_path / "text.npz").write_text("no archive")
    np.save(tmp_path / "single.npy", np.zeros(3))
    for name in ("text.npz", "single.npy", "missing.npz"):
        with pytest.raises(DataError, match=name):
            frozen_vectors.from_file(tmp_path / name, IDS)


def test_vectors_are_scaled_to_unit_length_on_average():
    """Squared lengths 9 and 25, mean 17; zeros stay zeros."""
    vectors = np.array([[3, 0], [0, 5]], np.float32)

    np.testing.assert_allclose(frozen_vectors.scaled(vectors), vectors / np.sqrt(17), rtol=1e-6)
    assert not frozen_vectors.scaled(np.zeros((2, 3), np.float32)).any()


def liked_by_vector() -> TrainingData:
    """40 users rate 20 of 24 movies: 5 the first half, 1 the second; 4 movies are unseen."""
    rows = [
        (user, movie, 5 if movie < 12 else 1)
        for user in range(40)
        for movie in range(24)
        if movie not in (0, 1, 22, 23)
    ]
    return tiny_data(rows, n_users=40, n_movies=24)


@pytest.mark.parametrize("join", ["concat", "product"])
def test_a_movie_that_training_never_saw_is_rated_by_its_vector(tmp_path, join):
    """Vectors tell the two halves apart; strangers learn from them too."""
    vectors = {f"m{movie}": np.array([1.0, movie < 12]) for movie in range(24)}
    path = written(tmp_path, **vectors)
    config = hybrid.Config(
        join=join, movie_vectors=str(path), epochs=10, batch_size=64, learning_rate=0.02
    )
    fitted = hybrid.fit(liked_by_vector(), config)
    rated = fitted.predict(np.zeros(4, np.int64), np.array([0, 1, 22, 23]))
    by_stranger = fitted.towers.ratings(np.full(4, -1), np.array([0, 1, 22, 23]))

    for ratings in (rated, by_stranger):
        assert ratings[:2].min() > 3.5
        assert ratings[2:].max() < 2.5


def test_titles_stand_in_for_a_file(tmp_path):
    """Word vectors from a path; the title's words are added up."""
    words = tmp_path / "words.kv"
    keyed(["story", "other"], np.array([[1, 2], [5, 5]], np.float32)).save(str(words))
    vectors = frozen_vectors.from_titles(liked_by_vector().dataset, str(words), "sum")

    assert vectors.shape == (24, 2)
    np.testing.assert_array_equal(vectors[7], [1, 2])
