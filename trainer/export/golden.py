"""Golden requests: calls recorded from the training process that every copy must answer alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from serving.contract import (
    BY_NUMBER,
    MODE_COLLABORATIVE,
    MODE_CONTENT,
    MODE_HYBRID,
    YEAR_UNSET,
    GoldenRequest,
    genre_mask,
    genre_words,
    golden_differences,
    signatures_of,
)
from trainer.datasets import Col, Dataset
from trainer.export.graphs import Servable, tensor_spec
from trainer.features.index import DenseIndex, Interactions

NOT_RECORDED = frozenset({"reason_ids", "reason_places", "reason_drops"})
"""Three for each of K_MAX columns, and their order means nothing where drops tie."""


BATCH_SIZES = (1, 7, 64)
"""Golden requests must reproduce alone and merged to batches of these sizes."""


class GoldenError(RuntimeError):
    """The modules of this training process don't answer a request twice alike."""


def example_inputs(
    dataset: Dataset, index: DenseIndex, history: Interactions
) -> list[tuple[str, str, dict[str, Any]]]:
    """(servable, signature, inputs as nested lists) that touch every signature."""
    n_genres = len(dataset.genres)
    words = genre_words(n_genres)
    no_genre = [[0] * words]
    users = np.unique(history.users)
    longest = int(np.bincount(history.users).argmax())
    asked = [int(users[0]), int(users[len(users) // 2]), longest]
    no_masks = {
        "genres_any": no_genre,
        "genres_all": no_genre,
        "genres_none": no_genre,
        "years": [list(YEAR_UNSET)],
    }
    some_masks = {
        "genres_any": [genre_mask([0, n_genres - 1], n_genres)] if n_genres else no_genre,
        "genres_all": no_genre,
        "genres_none": [genre_mask([n_genres // 2], n_genres)] if n_genres > 2 else no_genre,
        "years": [[1900, 1996]],
    }
    examples: list[tuple[str, str, dict[str, Any]]] = []

    def user_inputs(user: int) -> dict[str, Any]:
        rows = history.users == user
        movies = [index.movie_ids[movie] for movie in history.movies[rows]]
        return {
            "user_id": [index.user_ids[user] if user >= 0 else "nobody"],
            "history_ids": [["", *movies]],
            "history_ratings": [[0.0, *history.ratings[rows].tolist()]],
            "profile": [["", "age:30", "gender:F"]],
        }

    for user in (*asked, -1):
        person = user_inputs(user)
        seen = {"exclude_ids": person["history_ids"]}
        for masks, order in ((no_masks, 0), (some_masks, 0), (no_masks, 1)):
            inputs = {**person, **seen, **masks, "order": [[order]]}
            examples.append(("recommend", "serving_default", inputs))
            examples.append(("recommend", BY_NUMBER, _by_number(inputs, index)))
        examples.append(("retrieval", "serving_default", person))
        some_movies = [["", *index.movie_ids[:: max(1, index.n_movies // 20)]]]
        examples.append(("ranking", "rank", {**person, "movie_ids": some_movies}))
        pair = {"user_id": person["user_id"], "movie_id": [index.movie_ids[0]]}
        examples.append(("ranking", "serving_default", pair))
    most_rated = int(np.bincount(history.movies, minlength=index.n_movies).argmax())
    for mode in (MODE_HYBRID, MODE_COLLABORATIVE, MODE_CONTENT):
        movie = {"movie_id": [index.movie_ids[most_rated]], "mode": [[mode]]}
        examples.append(("retrieval", "similar", {**movie, **no_masks}))
    raw = dataset.movies.iloc[most_rated]
    described = {
        "title": [raw[Col.TITLE]],
        "genres": [["", *raw[Col.GENRES]]],
        "year": [int(raw[Col.YEAR])],
        "tags": [["", *raw[Col.TAGS]]],
    }
    examples.append(("content", "embed_movie", described))
    examples.append(("content", "similar", {**described, **no_masks}))
    examples.append(("content", "embed_user", {"profile": [["", "age:30", "gender:F"]]}))
    return examples


def _by_number(inputs: Mapping[str, Any], index: DenseIndex) -> dict[str, Any]:
    """What `serving_default` of `recommend` is asked, with movies by number."""
    numbers = {"": 0} | {movie: number for number, movie in enumerate(index.movie_ids, 1)}
    same = {name: row for name, row in inputs.items() if not name.endswith("_ids")}
    return same | {
        name.replace("_ids", "_numbers"): [[numbers[movie] for movie in inputs[name][0]]]
        for name in ("history_ids", "exclude_ids")
    }


def to_tensors(servable: str, signature: str, inputs: Mapping[str, Any]) -> dict[str, tf.Tensor]:
    """Nested lists as tensors of the contract's dtypes."""
    definitions = signatures_of(servable)[signature].inputs
    return {
        name: tf.constant(value, tensor_spec(name, definitions[name]).dtype)
        for name, value in inputs.items()
    }


def ask(loaded: Mapping[str, Any], servable: str, signature: str, inputs: Any) -> dict[str, Any]:
    """Outputs as nested lists, strings as str."""
    function = loaded[servable].signatures[signature]
    answer = function(**to_tensors(servable, signature, inputs))
    return {name: _plain(tensor.numpy()) for name, tensor in answer.items()}


def _plain(values: np.ndarray) -> Any:
    if values.dtype == object:
        return np.char.decode(values.astype(bytes), "utf-8").tolist()
    return values.tolist()


def record(
    servables: Mapping[str, Servable], examples: list[tuple[str, str, dict[str, Any]]]
) -> tuple[GoldenRequest, ...]:
    """Asks the live modules of the training process.

    A request is left out where the modules themselves answer it otherwise in a larger batch: when
    the 300th candidate ties, the last bit of the arithmetic decides which movie is one, and with
    it the mean and deviation that every score is measured by.

    Raises:
      GoldenError: no request of a signature is left.
    """
    golden: dict[tuple[str, str], list[GoldenRequest]] = {}
    for servable, signature, inputs in examples:
        function = servables[servable].functions[signature]
        answer = function(**to_tensors(servable, signature, inputs))
        outputs = {
            name: _as_lists(tensor) for name, tensor in answer.items() if name not in NOT_RECORDED
        }
        request = GoldenRequest(servable, signature, inputs, outputs)
        golden.setdefault((servable, signature), []).append(request)
    kept: list[GoldenRequest] = []
    for (servable, signature), requests in golden.items():
        stable = _without_ties(servables[servable].functions[signature], requests)
        if not stable:
            raise GoldenError(f"{servable}/{signature} answers no golden request twice alike")
        kept += stable
    return tuple(kept)


def _without_ties(function: Any, requests: list[GoldenRequest]) -> list[GoldenRequest]:
    """The requests whose answers stay the same in every merged batch."""
    unstable: set[int] = set()
    for size in BATCH_SIZES:
        batch = merged(requests, size)
        answer = function(**to_tensors(batch.servable, batch.signature, batch.inputs))
        outputs = {name: _as_lists(tensor) for name, tensor in answer.items()}
        for row in range(size):
            request = requests[row % len(requests)]
            alone = {name: [rows[row]] for name, rows in outputs.items()}
            if golden_differences(request, alone):
                unstable.add(row % len(requests))
    return [request for number, request in enumerate(requests) if number not in unstable]


def merged(requests: list[GoldenRequest], size: int) -> GoldenRequest:
    """`size` rows in turn from one-row requests, as a model server merges calls."""
    rows = [requests[position % len(requests)] for position in range(size)]
    first = rows[0]
    return GoldenRequest(
        first.servable,
        first.signature,
        {name: _padded([row.inputs[name][0] for row in rows]) for name in first.inputs},
        {name: [row.outputs[name][0] for row in rows] for name in first.outputs},
    )


def _padded(rows: list[Any]) -> list[Any]:
    """Short rows filled up with their own first element, which is neutral."""
    if not isinstance(rows[0], list):
        return rows
    width = max(len(row) for row in rows)
    return [row + row[:1] * (width - len(row)) for row in rows]


def _as_lists(tensor: tf.Tensor) -> Any:
    if tensor.dtype == tf.string:
        return np.char.decode(tensor.numpy().astype(bytes), "utf-8").tolist()
    # Seven digits carry a float32; more would only make the manifest longer.
    return [_rounded(row) for row in tensor.numpy().tolist()]


def _rounded(value: Any) -> Any:
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return float(f"{value:.7g}")
