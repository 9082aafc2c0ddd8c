"""The in-process engine against the SavedModels of the same release, over thousands of requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from server.engine.arrays import EngineArrays, read_arrays
from server.engine.engine import Engine
from server.engine.golden import EngineTensors
from server.features.catalogue import Catalogue
from server.features.snapshot import read_catalogue
from serving.contract import (
    ENGINE_PART,
    YEAR_UNSET,
    GoldenRequest,
    Manifest,
    ModelsDir,
    genre_mask,
    genre_words,
    golden_differences,
    read_manifest,
)
from tests.conftest import Release
from trainer.export.golden import to_tensors
from trainer.export.verify import stored_histories

BATCH = 64
N_RECOMMEND = 1024
N_OTHERS = 512
N_REASONED = 256
LONGEST = 120
TIE = 2e-6
"""Relative difference of two scores below which rounding decides which one is higher."""
NAN = float("nan")

Row = dict[str, Any]
"""One request: input name -> the values of its row."""


@dataclass(frozen=True)
class Pair:
    """A release twice: its SavedModels and its engine."""

    manifest: Manifest
    catalogue: Catalogue
    arrays: EngineArrays
    tensors: EngineTensors
    graphs: dict[str, Any]
    histories: dict[str, tuple[list[str], list[float]]]

    def asked(
        self, servable: str, signature: str, rows: Sequence[Row]
    ) -> Iterator[tuple[Row, dict[str, Any], dict[str, Any]]]:
        """Each request with the graph's outputs and the engine's, one row each."""
        function = self.graphs[servable].signatures[signature]
        for start in range(0, len(rows), BATCH):
            batch = rows[start : start + BATCH]
            tensors = function(**to_tensors(servable, signature, _merged(batch)))
            answers = {name: tensor.numpy() for name, tensor in tensors.items()}
            for number, row in enumerate(batch):
                expected = {name: [_plain(values[number])] for name, values in answers.items()}
                inputs = {name: [value] for name, value in row.items()}
                found = self.tensors.of(servable, signature, inputs)
                assert found is not None
                yield row, expected, dict(found)


@pytest.fixture(scope="module")
def pair(release: Release) -> Pair:
    models = ModelsDir(release.models_dir)
    manifest = read_manifest(models.manifest(1))
    catalogue = read_catalogue(models.features(1), manifest.genres)
    arrays = read_arrays(models.part(ENGINE_PART, 1), manifest, len(catalogue.movies))
    engine = Engine(arrays, catalogue.index, manifest)
    graphs = {
        name: tf.saved_model.load(str(models.part(name, 1)))
        for name in ("recommend", "ranking", "retrieval", "content")
    }
    return Pair(
        manifest,
        catalogue,
        arrays,
        EngineTensors(engine, catalogue),
        graphs,
        stored_histories(models.features(1)),
    )


def _merged(rows: Sequence[Row]) -> dict[str, list[Any]]:
    """Rows of one width: left-padded, as the gateway pads."""
    columns: dict[str, list[Any]] = {}
    for name in rows[0]:
        values = [row[name] for row in rows]
        if isinstance(values[0], list):
            width = 1 + max(map(len, values))
            neutral = "" if name.endswith(("_ids", "profile", "genres", "tags")) else 0
            if name not in FIXED_WIDTH:
                values = [[neutral] * (width - len(value)) + value for value in values]
        columns[name] = values
    return columns


FIXED_WIDTH = frozenset({"genres_any", "genres_all", "genres_none", "years", "order", "mode"})


def _plain(values: np.ndarray) -> Any:
    """A row as lists; of strings, the last dimension in pieces would cost most of the time."""
    if values.dtype == object:
        return np.array([text.decode() for text in values.ravel()]).reshape(values.shape).tolist()
    return values.tolist()


def drawn(rng: np.random.Generator, pair: Pair, n: int, row: Callable[..., Row]) -> list[Row]:
    return [row(rng, pair) for _ in range(n)]


def a_user(rng: np.random.Generator, pair: Pair) -> Row:
    """Known users with their own or another history, and strangers; unknown ids, no ratings."""
    users = list(pair.histories)
    user = users[rng.integers(len(users))]
    ids, ratings = pair.histories[user]
    if rng.random() < 0.6:
        n = int(rng.integers(0, LONGEST)) if rng.random() < 0.8 else int(rng.integers(0, 4))
        catalogue = [movie.movie_id for movie in pair.catalogue.movies]
        ids = [str(i) for i in rng.choice(catalogue, n, replace=False)]
        ratings = rng.choice([1.0, 2.0, 3.0, 4.0, 5.0, NAN], n).tolist()
        for place in np.flatnonzero(rng.random(n) < 0.05):
            ids[place] = str(rng.choice(["", "no such movie"]))
    profiles = ([], ["age:31", "gender:F"], ["gender:M", "genre:Drama"], ["occupation:x", "age:7"])
    return {
        "user_id": user if rng.random() < 0.5 else str(rng.choice(["", "stranger", user + "x"])),
        "history_ids": ids[-LONGEST:],
        "history_ratings": ratings[-LONGEST:],
        "profile": list(profiles[rng.integers(len(profiles))]),
    }


def a_filter(rng: np.random.Generator, pair: Pair) -> Row:
    n_genres = len(pair.manifest.genres)
    masks = {
        name: genre_mask(rng.choice(n_genres, size, replace=False).tolist(), n_genres)
        if rng.random() < share
        else [0] * genre_words(n_genres)
        for name, size, share in (
            ("genres_any", 3, 0.25),
            ("genres_all", 2, 0.1),
            ("genres_none", 2, 0.2),
        )
    }
    years = list(YEAR_UNSET)
    if rng.random() < 0.2:
        years = [YEAR_UNSET[0], 1990] if rng.random() < 0.5 else [1950, YEAR_UNSET[1]]
    return {**masks, "years": years}


def a_recommendation(rng: np.random.Generator, pair: Pair) -> Row:
    user = a_user(rng, pair)
    excluded = [i for i in user["history_ids"] if rng.random() < 0.9]
    return {
        **user,
        "exclude_ids": [*excluded, "no such movie", pair.catalogue.movies[0].movie_id],
        **a_filter(rng, pair),
        "order": [int(rng.random() < 0.2)],
    }


def test_recommend_is_the_graphs(pair: Pair) -> None:
    """Ids but for ties, scores, ratings, vectors and spreads within 1e-4."""
    rng = np.random.default_rng(11)
    rows = drawn(rng, pair, N_RECOMMEND, a_recommendation)
    listed, tied = 0, 0
    for row, expected, found in pair.asked("recommend", "serving_default", rows):
        outputs = {name: v for name, v in expected.items() if not name.startswith("reason")}
        golden = GoldenRequest("recommend", "serving_default", {}, outputs)
        if differences := golden_differences(golden, found):
            assert cut_is_tied(pair, row, expected), (row, differences)
            tied += 1
        listed += sum(map(bool, found["movie_ids"][0]))

    assert tied < N_RECOMMEND / 100
    assert listed > 100 * N_RECOMMEND


def test_reasons_are_the_graphs(pair: Pair) -> None:
    """The same movies are cited for the same drops, most of all where no two drops tie."""
    rng = np.random.default_rng(12)
    rows = drawn(rng, pair, N_REASONED, a_recommendation)
    n_cited = 0
    for _, expected, found in pair.asked("recommend", "serving_default", rows):
        same = np.array(expected["movie_ids"][0]) == np.array(found["movie_ids"][0])
        drops = np.array(expected["reason_drops"][0])[same]
        np.testing.assert_allclose(np.array(found["reason_drops"][0])[same], drops, atol=1e-4)
        apart = np.diff(drops, axis=1, append=0).__abs__().min(axis=1) > 1e-4
        cited = np.array(expected["reason_ids"][0])[same][apart]
        np.testing.assert_array_equal(np.array(found["reason_ids"][0])[same][apart], cited)
        n_cited += int((cited != "").sum())

    assert n_cited > 50 * N_REASONED


def cut_is_tied(pair: Pair, row: Row, expected: dict[str, Any]) -> bool:
    """Whether rounding decides what the last candidate is: then all scores follow that one."""
    arrays, index = pair.arrays, pair.catalogue.index
    user = np.array(expected["user_vector"][0], np.float64)
    key = arrays.item_vectors.astype(np.float64) @ user
    if row["order"] == [1]:
        vector = [*expected["rating_vector"][0], 1.0]
        key = arrays.rating_items.astype(np.float64) @ np.array(vector)
    allowed = pair.tensors._allowed({name: [value] for name, value in row.items()})
    allowed[[index[i] for i in row["exclude_ids"] if i in index]] = False
    falling = np.sort(key[allowed])[::-1]
    last = arrays.description.candidates
    if len(falling) <= last:
        return False
    return bool(falling[last - 1] - falling[last] < TIE * np.abs(falling).max())


def a_rating(rng: np.random.Generator, pair: Pair) -> Row:
    movies = pair.catalogue.movies
    asked = [movies[i].movie_id for i in rng.integers(len(movies), size=30)]
    return {**a_user(rng, pair), "movie_ids": [*asked, "no such movie"]}


def a_similarity(rng: np.random.Generator, pair: Pair) -> Row:
    movie = pair.catalogue.movies[rng.integers(len(pair.catalogue.movies))].movie_id
    return {
        "movie_id": movie if rng.random() < 0.95 else "no such movie",
        "mode": [int(rng.integers(3))],
        **a_filter(rng, pair),
    }


TITLES = (
    "Toy Story",
    "  the GOOD, the Bad & the Ugly!",
    "Les Misérables",
    "ὈΔΥΣΣΕΎΣ",
    "İstanbul'da 2 gün",
    "男はつらいよ 48",
    "Straße—Blues_in_the_night",
    "",
    "Ⅷ ½ x²",
)
TAGS = ("", "Dark  Comedy", " #funny! ", "based\u00a0on a\u2003BOOK", "'70s", "...", "CAFÉ")


def a_new_movie(rng: np.random.Generator, pair: Pair) -> Row:
    stored = pair.catalogue.movies[rng.integers(len(pair.catalogue.movies))]
    title = stored.title if rng.random() < 0.7 else TITLES[rng.integers(len(TITLES))]
    return {
        "title": title,
        "genres": [*stored.genres, *(["Drama", "no genre"] if rng.random() < 0.3 else [])],
        "year": int(rng.choice([stored.year, 0, 1, 1899, 1900, 2039, 2040, 9999])),
        "tags": [TAGS[i] for i in rng.integers(len(TAGS), size=rng.integers(4))],
    }


def a_new_similarity(rng: np.random.Generator, pair: Pair) -> Row:
    return {**a_new_movie(rng, pair), **a_filter(rng, pair)}


@pytest.mark.parametrize(
    ("servable", "signature", "request_of"),
    [
        ("ranking", "rank", a_rating),
        ("retrieval", "serving_default", a_user),
        ("retrieval", "similar", a_similarity),
        ("content", "embed_movie", a_new_movie),
        ("content", "similar", a_new_similarity),
    ],
)
def test_the_other_signatures_are_the_graphs(
    pair: Pair, servable: str, signature: str, request_of: Callable[..., Row]
) -> None:
    """Ids but for ties, numbers within 1e-4; titles and tags of any script are read alike."""
    rows = drawn(np.random.default_rng(13), pair, N_OTHERS, request_of)

    for row, expected, found in pair.asked(servable, signature, rows):
        if signature == "rank":
            # Behind the padding of the widest row.
            expected["ratings"] = [expected["ratings"][0][-len(row["movie_ids"]) :]]
        golden = GoldenRequest(servable, signature, {}, expected)
        assert not golden_differences(golden, found), row


def test_golden_requests_reproduce_on_the_engine(pair: Pair) -> None:
    """What the trainer recorded from its graphs; two signatures are not the gateway's."""
    asked = [
        golden_differences(golden, answer)
        for golden in pair.manifest.golden_requests
        if (answer := pair.tensors.of(golden.servable, golden.signature, golden.inputs))
    ]

    assert len(asked) > 15
    assert not any(asked)
