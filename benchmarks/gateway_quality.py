"""NDCG@10 and Recall@10 of RecommendUser through the running gateway, beside the index's own.

python benchmarks/gateway_quality.py --data-dir ml-latest-small.zip

Trains and publishes a release on the split's training part, starts model server and gateway, and
asks every user of the test part for ten movies through the client. The index's own figure is that
of the same release's dot products alone, less the user's history. Results go to
benchmarks/results/gateway_quality.json; the exit status is 1 when the gateway ranks worse.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
from rich.console import Console

from client import RecommenderClient
from client.demo.phases import Phases
from client.demo.stack import embedded_stack
from serving.contract import FEATURES_PART, ModelsDir, read_active
from trainer import metrics
from trainer.datasets import Col, load_dataset
from trainer.export.towers_file import read_towers
from trainer.export.verify import stored_histories
from trainer.features.index import Histories
from trainer.split import make_split

K: Final = 10
RESULTS: Final = Path(__file__).parent / "results" / "gateway_quality.json"

Lists = Mapping[str, list[str]]


def figures(lists: Lists, relevant: Mapping[str, set[str]]) -> dict[str, float]:
    """Means over users."""
    users = sorted(relevant)
    hits = np.zeros((len(users), K), dtype=bool)
    for row, user in zip(hits, users, strict=True):
        for rank, movie in enumerate(lists[user][:K]):
            row[rank] = movie in relevant[user]
    counts = np.array([len(relevant[user]) for user in users])
    return {
        f"recall@{K}": float(metrics.recall_at_k(hits, counts, K).mean()),
        f"ndcg@{K}": float(metrics.ndcg_at_k(hits, counts, K).mean()),
    }


def of_index(models: ModelsDir, users: list[str]) -> Lists:
    """The best movies by the dot products of stored histories, less the history."""
    active = read_active(models)
    if active is None:
        raise SystemExit(f"{models.root}: nothing is published")
    towers = read_towers(models.part("recommend", active.stable))
    index = {movie_id: number for number, movie_id in enumerate(towers.movie_ids)}
    histories = stored_histories(models.part(FEATURES_PART, active.stable))
    found = {}
    for user in users:
        movie_ids, ratings = histories[user]
        movies = np.array([index[movie_id] for movie_id in movie_ids], np.int64)
        history = Histories([movies], [np.array(ratings, np.float32)])
        scores = towers.retrieval.scores(history)[0]
        scores[movies] = -np.inf
        found[user] = [towers.movie_ids[movie] for movie in np.argsort(-scores, kind="stable")[:K]]
    return found


def of_gateway(target: str, users: list[str]) -> Lists:
    """RecommendUser's pages."""
    with RecommenderClient(target, timeout=30) as client:
        return {user: list(client.recommend_user(user, page_size=K).movie_ids) for user in users}


def main() -> int:
    """Runs the benchmark and writes its results."""
    parser = argparse.ArgumentParser(description="Quality of lists through the gateway.")
    parser.add_argument("--dataset", default="ml-latest-small")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--split", default="ls-temporal")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()

    dataset = load_dataset(options.dataset, options.data_dir)
    test = make_split(options.split, dataset).test
    relevant: dict[str, set[str]] = {
        str(user): set(rows) for user, rows in test.groupby(Col.USER)[Col.MOVIE]
    }
    users = sorted(relevant)
    with tempfile.TemporaryDirectory() as folder:
        train = ["train", "--publish", "--models-dir", folder, "--split", options.split]
        train += ["--dataset", options.dataset]
        train += ["--data-dir", str(options.data_dir)] if options.data_dir else []
        subprocess.run(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", "trainer", *train], check=True, stdout=subprocess.DEVNULL
        )
        models = ModelsDir(Path(folder))
        index = figures(of_index(models, users), relevant)
        with embedded_stack(models.root, Phases(Console(stderr=True))) as target:
            gateway = figures(of_gateway(target, users), relevant)

    name = f"ndcg@{K}"
    ok = gateway[name] >= index[name]
    result = {
        "dataset": options.dataset,
        "split": options.split,
        "users": len(users),
        "gateway": gateway,
        "index": index,
        "ok": ok,
    }
    options.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
