"""Reloads a staged release in a clean process and asks whether it may be published.

``python -m trainer.export.verify STAGED [--held-out ROWS.npz]`` imports TensorFlow and nothing of
the training code's state, loads every SavedModel from disk, and prints one JSON object:
{"problems": [sentences], "metrics": {...}}. The metrics are those of the exported artifact.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework import op_def_registry

from serving.contract import (
    DEFAULT_SIGNATURE,
    ENGINE_PART,
    OPTIONAL_SERVABLES,
    SIGNATURES,
    YEAR_UNSET,
    GoldenRequest,
    Manifest,
    TensorDef,
    genre_words,
    golden_differences,
    read_manifest,
    signatures_of,
    verify_part,
)
from trainer import metrics
from trainer.export.engine import engine_problems
from trainer.export.golden import BATCH_SIZES, ask, merged, to_tensors
from trainer.export.scann_index import scann_ops
from trainer.export.verify_index import index_problems
from trainer.export.warmup import warmup_problems

UNVERIFIED_MANIFEST_FILE = "manifest.unverified.json"
"""The manifest until the verification is through: `publish` does not see it."""

EVALUATION_BATCH = 64
K = 10

_DTYPES = {"string": tf.string, "float32": tf.float32, "int64": tf.int64}
# Ops that need the Python of the process that made them.
_PYTHON_OPS = frozenset({"PyFunc", "PyFuncStateless", "EagerPyFunc"})


def ops_of(saved_model: Path) -> set[str]:
    """Every kind of op in a SavedModel's graph and functions."""
    proto = saved_model_pb2.SavedModel.FromString((saved_model / "saved_model.pb").read_bytes())
    ops = set()
    for meta_graph in proto.meta_graphs:
        graph = meta_graph.graph_def
        ops |= {node.op for node in graph.node}
        ops |= {node.op for function in graph.library.function for node in function.node_def}
    return ops


def foreign_ops(saved_model: Path) -> list[str]:
    """Ops that stock TensorFlow does not register, or that call back into Python."""
    return sorted(
        op for op in ops_of(saved_model) if op in _PYTHON_OPS or op_def_registry.get(op) is None
    )


def signature_problems(servable: str, loaded: Any) -> Iterator[str]:
    """How the loaded signatures differ from the contract."""
    for signature, definition in signatures_of(servable).items():
        where = f"{servable}/{signature}"
        if signature not in loaded.signatures:
            yield f"{where}: missing"
            continue
        function = loaded.signatures[signature]
        inputs = function.structured_input_signature[1]
        yield from _tensor_problems(f"{where} input", definition.inputs, inputs)
        yield from _tensor_problems(
            f"{where} output", definition.outputs, function.structured_outputs
        )


def _tensor_problems(
    where: str, expected: Mapping[str, TensorDef], found: Mapping[str, tf.TensorSpec]
) -> Iterator[str]:
    if set(expected) != set(found):
        yield f"{where}s are {sorted(found)}, the contract says {sorted(expected)}"
        return
    for name, definition in expected.items():
        tensor = found[name]
        if tensor.dtype != _DTYPES[definition.dtype]:
            yield f"{where} {name} is {tensor.dtype.name}, the contract says {definition.dtype}"
        sizes = [dim if isinstance(dim, int) else None for dim in definition.dims]
        if not tensor.shape.is_compatible_with(sizes):
            dims = ", ".join(str(dim) for dim in definition.dims)
            yield f"{where} {name} has shape {tensor.shape}, the contract says [{dims}]"


def golden_problems(loaded: Mapping[str, Any], manifest: Manifest) -> Iterator[str]:
    """Golden requests that do not reproduce, one by one and merged to each batch size."""
    by_signature: dict[tuple[str, str], list[GoldenRequest]] = {}
    for golden in manifest.golden_requests:
        by_signature.setdefault((golden.servable, golden.signature), []).append(golden)
    for (servable, signature), requests in by_signature.items():
        for golden in requests:
            yield from golden_differences(golden, ask(loaded, servable, signature, golden.inputs))
        for size in BATCH_SIZES:
            batch = merged(requests, size)
            answer = ask(loaded, servable, signature, batch.inputs)
            yield from (f"batch of {size}: {d}" for d in golden_differences(batch, answer))


def evaluate(
    loaded: Mapping[str, Any], manifest: Manifest, features: Path, held_out: Path
) -> dict[str, float]:
    """RMSE and MAE of `ranking`, Recall@10 and NDCG@10 of `recommend`, on held-out rows.

    Args:
      features: the staged snapshot, for the histories.
      held_out: npz with user_ids, movie_ids (unicode [n]) and ratings (float32 [n]).
    """
    rows = np.load(held_out)
    users, movies = rows["user_ids"], rows["movie_ids"]
    low, high = manifest.rating_range
    rate = loaded["ranking"].signatures[DEFAULT_SIGNATURE]
    predicted = rate(user_id=tf.constant(users), movie_id=tf.constant(movies))["rating"].numpy()
    figures = {
        "rmse": metrics.rmse(rows["ratings"], np.clip(predicted, low, high)),
        "mae": metrics.mae(rows["ratings"], np.clip(predicted, low, high)),
    }
    relevant: dict[str, set[str]] = {}
    for user, movie in zip(users.tolist(), movies.tolist(), strict=True):
        relevant.setdefault(user, set()).add(movie)
    asked = sorted(relevant)
    hits, n_relevant = [], []
    histories = stored_histories(features)
    for start in range(0, len(asked), EVALUATION_BATCH):
        batch = asked[start : start + EVALUATION_BATCH]
        lists = _recommend(loaded["recommend"], manifest, batch, histories)
        for user, movie_ids in zip(batch, lists, strict=True):
            hits.append([movie_id in relevant[user] for movie_id in movie_ids[:K]])
            n_relevant.append(len(relevant[user]))
    hit_matrix, counts = np.array(hits), np.array(n_relevant)
    figures[f"recall@{K}"] = float(metrics.recall_at_k(hit_matrix, counts, K).mean())
    figures[f"ndcg@{K}"] = float(metrics.ndcg_at_k(hit_matrix, counts, K).mean())
    figures["users"] = len(asked)
    return figures


def stored_histories(features: Path) -> dict[str, tuple[list[str], list[float]]]:
    """{user_id: (movie ids, ratings)} of a snapshot, oldest first."""
    movies = json.loads((features / "movies.json").read_text(encoding="utf-8"))["movies"]
    movie_ids = np.array([movie["movie_id"] for movie in movies])
    stored = np.load(features / "histories.npz")
    offsets = stored["offsets"]
    return {
        str(user): (
            movie_ids[stored["movie_index"][first:last]].tolist(),
            stored["ratings"][first:last].tolist(),
        )
        for user, first, last in zip(stored["user_ids"], offsets, offsets[1:], strict=False)
    }


def _recommend(
    recommend: Any,
    manifest: Manifest,
    users: list[str],
    histories: Mapping[str, tuple[list[str], list[float]]],
) -> list[list[str]]:
    width = 1 + max(len(histories[user][0]) for user in users)
    ids = [[""] * (width - len(histories[u][0])) + histories[u][0] for u in users]
    ratings = [[0.0] * (width - len(histories[u][1])) + histories[u][1] for u in users]
    no_genre = [[0] * genre_words(len(manifest.genres))] * len(users)
    inputs = {
        "user_id": users,
        "history_ids": ids,
        "history_ratings": ratings,
        "profile": [[""]] * len(users),
        "exclude_ids": ids,
        "genres_any": no_genre,
        "genres_all": no_genre,
        "genres_none": no_genre,
        "years": [list(YEAR_UNSET)] * len(users),
        "order": [[0]] * len(users),
    }
    function = recommend.signatures[DEFAULT_SIGNATURE]
    answer = function(**to_tensors("recommend", DEFAULT_SIGNATURE, inputs))
    lists: list[list[str]] = np.char.decode(
        answer["movie_ids"].numpy().astype(bytes), "utf-8"
    ).tolist()
    return lists


def main() -> int:
    """Prints the findings; exit code 1 when there is a problem."""
    parser = argparse.ArgumentParser(prog="python -m trainer.export.verify", description=__doc__)
    parser.add_argument("staged", type=Path)
    parser.add_argument("--held-out", type=Path)
    options = parser.parse_args()
    staged: Path = options.staged
    manifest = read_manifest(staged / UNVERIFIED_MANIFEST_FILE)
    for part in manifest.parts:
        verify_part(manifest, part, staged / part)
    # Before anything is loaded: a graph with an op that nobody registers can't be.
    problems = [
        f"{servable}: op {op} is not stock"
        for servable in SIGNATURES
        for op in foreign_ops(staged / servable)
    ]
    flavours = [name for name in OPTIONAL_SERVABLES if name in manifest.parts]
    if flavours:
        # Not before: from here on ScaNN's ops count as known.
        scann_ops()
        problems += [
            f"{flavour}: op {op} is not known, even with ScaNN"
            for flavour in flavours
            for op in foreign_ops(staged / flavour)
        ]
    if ENGINE_PART in manifest.parts:
        sizes = {
            "N": int(manifest.dataset["movies"]),
            "D": manifest.vector_dim,
            "R": manifest.rating_dim,
        }
        problems += engine_problems(staged / ENGINE_PART, sizes)
    loaded: dict[str, Any] = {}
    if not problems:
        servables = (*SIGNATURES, *flavours)
        loaded = {name: tf.saved_model.load(str(staged / name)) for name in servables}
        for name, model in loaded.items():
            problems += signature_problems(name, model)
            problems += warmup_problems(name, staged / name, model)
    if not problems:
        problems += golden_problems(loaded, manifest)
    if not problems and flavours:
        problems += index_problems(loaded, manifest, stored_histories(staged / "features"))
    figures = {}
    if not problems and options.held_out:
        figures = evaluate(loaded, manifest, staged / "features", options.held_out)
    json.dump({"problems": problems, "metrics": figures}, sys.stdout)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
